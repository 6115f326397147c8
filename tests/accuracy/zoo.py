"""The models that are counted: weights are random, nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torchvision
import transformers
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

Inputs = tuple[torch.Tensor, ...]
functional, vision, segmentation = nn.functional, torchvision.models, torchvision.models.segmentation


@dataclass(frozen=True, slots=True)
class Case:
    """One model with its input."""

    title: str
    "what the table calls it"
    given: str
    "its input in words"
    build: Callable[[], nn.Module]
    "makes the model"
    inputs: Callable[[], Inputs]
    "makes its inputs"
    published: tuple[str, str, str] | None = None
    "what others published for it: the number, in billions where it has a point; MACs or FLOPs; who"
    weight_products: int = 0
    "multiply-accumulates of products of weights alone, which torch counts in every run and graphcost as preparation"


class Plain(nn.Module):
    """A transformer that returns tensors alone: no cache, no dictionary."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, words: torch.Tensor) -> Inputs:
        """Run it on words."""
        return self.inner(words, use_cache=False, return_dict=False)


class Segmented(nn.Module):
    """A segmentation model that returns its main output and the auxiliary one, not a dictionary."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, image: torch.Tensor) -> Inputs:
        """Return the class of each pixel, twice."""
        found = self.inner(image)
        return found["out"], found["aux"]


class Detector(nn.Module):
    """RetinaNet up to its scores and boxes: what follows them, non-maximum suppression, holds no product."""

    def __init__(self) -> None:
        super().__init__()
        inner = vision.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None)
        self.backbone, self.head = inner.backbone, inner.head

    def forward(self, image: torch.Tensor) -> Inputs:
        """Return the scores and boxes of each anchor."""
        found = self.head([*self.backbone(image).values()])
        return found["cls_logits"], found["bbox_regression"]


class Translator(nn.Module):
    """T5 on given source and target tokens."""

    def __init__(self) -> None:
        super().__init__()
        config = transformers.T5Config(d_model=512, d_ff=2048, num_layers=6, num_heads=8, vocab_size=32_128)
        self.inner = transformers.T5ForConditionalGeneration(config)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scores of each next token."""
        return self.inner(input_ids=source, decoder_input_ids=target, use_cache=False, return_dict=False)[0]


class Listener(nn.Module):
    """Whisper tiny on a spectrogram of 30 seconds and given target tokens."""

    def __init__(self) -> None:
        super().__init__()
        config = transformers.WhisperConfig(d_model=384, encoder_layers=4, decoder_layers=4, encoder_attention_heads=6,
            decoder_attention_heads=6, encoder_ffn_dim=1536, decoder_ffn_dim=1536, vocab_size=51_865)  # fmt: skip
        self.inner = transformers.WhisperForConditionalGeneration(config)

    def forward(self, sound: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scores of each next token."""
        return self.inner(input_features=sound, decoder_input_ids=target, use_cache=False, return_dict=False)[0]


class Tagger(nn.Module):
    """Words through an LSTM of two layers in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10_000, 128)
        self.recurrent = nn.LSTM(128, 256, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(512, 20)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return the scores of each word's tags."""
        return self.head(self.recurrent(self.embedding(words))[0])


class Gated(nn.Module):
    """A GRU over numbers, its last state through a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.GRU(40, 128, batch_first=True)
        self.head = nn.Linear(128, 12)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """Return the scores of the whole series."""
        return self.head(self.recurrent(series)[1][-1])


class UNet(nn.Module):
    """U-Net: four steps down and four up through transposed convolutions, each joined with what was there before."""

    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        widths = [width * 2**step for step in range(depth + 1)]
        self.down = nn.ModuleList(self.twice(one, two) for one, two in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * one, one, 2, stride=2) for one in widths[-2::-1])
        self.join = nn.ModuleList(self.twice(2 * one, one) for one in widths[-2::-1])
        self.head = nn.Conv2d(width, 2, 1)

    @staticmethod
    def twice(given: int, wanted: int) -> nn.Module:
        """Return two convolutions, each with its normalization."""
        first, second = nn.Conv2d(given, wanted, 3, padding=1), nn.Conv2d(wanted, wanted, 3, padding=1)
        return nn.Sequential(first, nn.BatchNorm2d(wanted), nn.ReLU(), second, nn.BatchNorm2d(wanted), nn.ReLU())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the class of each pixel."""
        kept = []
        for step in self.down:
            image = step(image)
            kept.append(image)
            image = functional.max_pool2d(image, 2)
        image = kept.pop()
        for up, join in zip(self.up, self.join, strict=True):
            image = join(torch.cat([up(image), kept.pop()], dim=1))
        return self.head(image)


class Generator(nn.Module):
    """The generator of DCGAN: 64x64 pixels from 100 numbers, through five transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        steps = [(100, 512, 1, 0), (512, 256, 2, 1), (256, 128, 2, 1), (128, 64, 2, 1), (64, 3, 2, 1)]
        self.steps = nn.ModuleList(nn.ConvTranspose2d(one, two, 4, s, p, bias=False) for one, two, s, p in steps)

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Return a picture."""
        for step in self.steps:
            noise = step(noise).relu()
        return noise


class Products(nn.Module):
    """Every kind of product once: groups, dilation, paddings, broadcasting, einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv1d(12, 24, 5, groups=4, dilation=2, padding=3, stride=2)
        self.transposed = nn.ConvTranspose1d(24, 12, 4, stride=3, groups=3, output_padding=1, dilation=2, padding=1)
        self.depthwise = nn.Conv3d(6, 12, (1, 2, 3), groups=6, padding="same")
        self.reflected = nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")
        self.table, self.stack = nn.Parameter(torch.rand(9, 12)), nn.Parameter(torch.rand(1, 5, 12, 7))

    def forward(self, series: torch.Tensor, volume: torch.Tensor, picture: torch.Tensor) -> Inputs:
        """Return what each product gives."""
        steps = self.transposed(self.grouped(series)).transpose(1, 2)
        scores = torch.einsum("blc,nc->bln", steps, self.table)
        return (
            scores,
            torch.baddbmm(scores[:, :3, :3], steps[:, :3], steps[:, :3].transpose(1, 2), beta=0.5, alpha=2),
            steps.unsqueeze(1) @ self.stack,
            steps[0, :6] @ self.table.t() @ self.table,
            torch.tensordot(steps, self.table, dims=([2], [1])),
            functional.unfold(picture, 3).transpose(1, 2) @ steps[0, :27],
            self.depthwise(volume),
            self.reflected(picture),
        )


class Adapted(nn.Module):
    """A dense layer whose weight has a correction of low rank, B*A, added in every run."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(256, 256))
        self.a, self.b = nn.Parameter(torch.rand(8, 256)), nn.Parameter(torch.rand(256, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        return functional.linear(x, self.weight + self.b @ self.a)


def llama() -> nn.Module:
    """Return Llama with grouped queries and a size of its own: 8 layers, 512 wide."""
    config = transformers.LlamaConfig(vocab_size=32_000, hidden_size=512, intermediate_size=1376,
        num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=2)  # fmt: skip
    return Plain(transformers.LlamaForCausalLM(config))


def image(size: int, batch: int = 1) -> Callable[[], Inputs]:
    """Return what makes a square picture."""
    return lambda: (torch.rand(batch, 3, size, size),)


def tokens(*lengths: int) -> Callable[[], Inputs]:
    """Return what makes sentences of these lengths."""
    return lambda: tuple(torch.randint(0, 1000, (1, length)) for length in lengths)


def rand(*shape: int) -> Callable[[], Inputs]:
    """Return what makes one input of random numbers."""
    return lambda: (torch.rand(shape),)


TORCHVISION = "torchvision's table of weights"
CASES = {
    "resnet50": Case("ResNet-50", "1x3x224x224", vision.resnet50, image(224),
        ("4.089", "MACs", TORCHVISION)),
    "mobilenet_v2": Case("MobileNetV2", "1x3x224x224", vision.mobilenet_v2, image(224), ("0.301", "MACs", TORCHVISION)),
    "mobilenet_v3": Case("MobileNetV3-Large", "1x3x224x224", vision.mobilenet_v3_large, image(224),
        ("0.217", "MACs", TORCHVISION)),
    "efficientnet_b0": Case("EfficientNet-B0", "1x3x224x224", vision.efficientnet_b0, image(224),
        ("0.386", "MACs", TORCHVISION)),
    "shufflenet": Case("ShuffleNetV2 x1.0", "1x3x224x224", vision.shufflenet_v2_x1_0, image(224),
        ("0.145", "MACs", TORCHVISION)),
    "regnet": Case("RegNetY-400MF", "1x3x224x224", vision.regnet_y_400mf, image(224), ("0.402", "MACs", TORCHVISION)),
    "convnext_t": Case("ConvNeXt-T", "1x3x224x224", vision.convnext_tiny, image(224), ("4.456", "MACs", TORCHVISION)),
    "vit_b_16": Case("ViT-B/16", "1x3x224x224", vision.vit_b_16, image(224), ("17.564", "MACs", TORCHVISION)),
    "swin_t": Case("Swin-T", "1x3x224x224", vision.swin_t, image(224), ("4.491", "MACs", TORCHVISION)),
    "r3d_18": Case("R3D-18, video", "1x3x16x112x112", vision.video.r3d_18, rand(1, 3, 16, 112, 112),
        ("40.697", "MACs", TORCHVISION)),
    "deeplab": Case("DeepLabV3, ResNet-50, with its auxiliary head", "1x3x520x520",
        lambda: Segmented(segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None, aux_loss=True)),
        image(520), ("178.722", "MACs", TORCHVISION)),
    "retinanet": Case("RetinaNet, ResNet-50 FPN, up to the boxes", "1x3x256x256", Detector, image(256)),
    "unet": Case("U-Net, 32 wide", "2x3x128x128", UNet, image(128, batch=2)),
    "dcgan": Case("DCGAN's generator", "2x100x1x1", Generator, rand(2, 100, 1, 1)),
    "bert": Case("BERT-base", "128 tokens", lambda: Plain(transformers.BertModel(transformers.BertConfig())),
        tokens(128)),
    "gpt2": Case("GPT-2 124M with its head", "1,024 tokens",
        lambda: Plain(transformers.GPT2LMHeadModel(transformers.GPT2Config())), tokens(1024),
        ("291,648,307,200", "FLOPs", "nanoGPT's transformer_sizing.ipynb")),
    "llama": Case("Llama, 8 layers, 2 of 8 heads for keys", "64 tokens", llama, tokens(64)),
    "t5": Case("T5-small", "48 and 16 tokens", Translator, tokens(48, 16)),
    "whisper": Case("Whisper-tiny", "1x80x3000 and 4 tokens", Listener,
        lambda: (torch.rand(1, 80, 3000), torch.randint(0, 1000, (1, 4)))),
    "lstm": Case("LSTM, 2 layers, both directions", "2x30 words", Tagger, lambda: (torch.randint(0, 1000, (2, 30)),)),
    "gru": Case("GRU", "2x50x40", Gated, rand(2, 50, 40)),
    "products": Case("Every kind of product", "2x12x40, 2x6x4x5x6, 2x3x8x8", Products,
        lambda: (torch.rand(2, 12, 40), torch.rand(2, 6, 4, 5, 6), torch.rand(2, 3, 8, 8))),
    "adapted": Case("Dense layer with a correction B*A", "4x256", Adapted, rand(4, 256),
        weight_products=256 * 8 * 256),
}  # fmt: skip
