"""Writes the example models beside itself, byte for byte the same every time.

python models/make.py               writes all of them
python models/make.py mlp bilstm    writes the ones named
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

HEADER = '<ir_version: 8, opset_import: ["": 17], producer_name: "graphcost models/make.py">'


def mlp() -> onnx.ModelProto:
    """Return the labs' first network: three hidden Dense layers, one sigmoid; 566,273 parameters."""
    return _model(
        """
        mlp (float[batch, 784] x) => (float[batch, 1] y) {
            ["dense1/Gemm"] z1 = Gemm(x, W1, b1)
            ["dense1/Relu"] h1 = Relu(z1)
            ["dense2/Gemm"] z2 = Gemm(h1, W2, b2)
            ["dense2/Relu"] h2 = Relu(z2)
            ["dense3/Gemm"] z3 = Gemm(h2, W3, b3)
            ["dense3/Relu"] h3 = Relu(z3)
            ["dense4/Gemm"] z4 = Gemm(h3, W4, b4)
            ["dense4/Sigmoid"] y = Sigmoid(z4)
        }
        """,
        {
            "W1": (784, 512), "b1": (512,),
            "W2": (512, 256), "b2": (256,),
            "W3": (256, 128), "b3": (128,),
            "W4": (128, 1), "b4": (1,),
        },
    )  # fmt: skip


def mnist_cnn() -> onnx.ModelProto:
    """Return the labs' third network: two convolutions, two poolings, two Dense layers; 121,930 parameters."""
    return _model(
        """
        mnist_cnn (float[batch, 1, 28, 28] image) => (float[batch, 10] probabilities) {
            ["conv1/Conv"] c1 = Conv<kernel_shape=[3, 3]>(image, conv1_W, conv1_b)
            ["conv1/Relu"] r1 = Relu(c1)
            ["pool1/MaxPool"] p1 = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(r1)
            ["conv2/Conv"] c2 = Conv<kernel_shape=[3, 3]>(p1, conv2_W, conv2_b)
            ["conv2/Relu"] r2 = Relu(c2)
            ["pool2/MaxPool"] p2 = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(r2)
            ["flatten/Flatten"] flat = Flatten<axis=1>(p2)
            ["dense1/MatMul"] d1 = MatMul(flat, dense1_W)
            ["dense1/Add"] z1 = Add(d1, dense1_b)
            ["dense1/Relu"] h1 = Relu(z1)
            ["dense2/MatMul"] d2 = MatMul(h1, dense2_W)
            ["dense2/Add"] z2 = Add(d2, dense2_b)
            ["dense2/Softmax"] probabilities = Softmax<axis=-1>(z2)
        }
        """,
        {
            "conv1_W": (32, 1, 3, 3), "conv1_b": (32,),
            "conv2_W": (64, 32, 3, 3), "conv2_b": (64,),
            "dense1_W": (1600, 64), "dense1_b": (64,),
            "dense2_W": (64, 10), "dense2_b": (10,),
        },
    )  # fmt: skip


def bilstm() -> onnx.ModelProto:
    """Return a text classifier: 256 tokens embedded in 16, a bidirectional LSTM of 24 units, 4 classes."""
    return _model(
        """
        bilstm (int64[batch, sequence] tokens) => (float[batch, 4] logits) {
            ["embedding/Gather"] embedded = Gather<axis=0>(embedding, tokens)
            ["lstm/Transpose"] steps = Transpose<perm=[1, 0, 2]>(embedded)
            ["lstm/LSTM"] every, last = LSTM<direction="bidirectional", hidden_size=24>(steps, W, R, B)
            ["head/Transpose"] rows = Transpose<perm=[1, 0, 2]>(last)
            ["head/shape"] head_shape = Constant<value=int64[2] {0, -1}>()
            ["head/Reshape"] features = Reshape(rows, head_shape)
            ["head/Gemm"] logits = Gemm(features, head_W, head_b)
        }
        """,
        {
            "embedding": (256, 16),
            "W": (2, 4 * 24, 16), "R": (2, 4 * 24, 24), "B": (2, 8 * 24),
            "head_W": (2 * 24, 4), "head_b": (4,),
        },
    )  # fmt: skip


def transformer_block() -> onnx.ModelProto:
    """Return a pre-norm encoder block of width 32, 4 heads and an MLP of 128, for any batch and sequence.

    The shapes are computed in the graph, with the Shape, Gather, Unsqueeze and Concat that exporters write.
    """
    return _model(
        """
        transformer_block (float[batch, sequence, 32] x) => (float[batch, sequence, 32] y) {
            zero = Constant<value=int64 {0}>()
            one = Constant<value=int64 {1}>()
            last = Constant<value=int64 {-1}>()
            front = Constant<value=int64[1] {0}>()
            heads = Constant<value=int64[1] {4}>()
            head_width = Constant<value=int64[1] {8}>()
            width = Constant<value=int64[1] {32}>()

            ["norm1/LayerNormalization"] n1 = LayerNormalization<axis=-1>(x, norm1_gamma, norm1_beta)
            ["attention/query/MatMul"] query = MatMul(n1, query_W)
            ["attention/query/Add"] q = Add(query, query_b)
            ["attention/key/MatMul"] key = MatMul(n1, key_W)
            ["attention/key/Add"] k = Add(key, key_b)
            ["attention/value/MatMul"] value = MatMul(n1, value_W)
            ["attention/value/Add"] v = Add(value, value_b)

            ["attention/Shape"] x_shape = Shape(n1)
            ["attention/Gather_batch"] batch_size = Gather<axis=0>(x_shape, zero)
            ["attention/Gather_sequence"] sequence_size = Gather<axis=0>(x_shape, one)
            ["attention/Unsqueeze_batch"] batch_dim = Unsqueeze(batch_size, front)
            ["attention/Unsqueeze_sequence"] sequence_dim = Unsqueeze(sequence_size, front)
            ["attention/Concat_split"] split = Concat<axis=0>(batch_dim, sequence_dim, heads, head_width)
            ["attention/Concat_merge"] merge = Concat<axis=0>(batch_dim, sequence_dim, width)

            ["attention/query/Reshape"] q_split = Reshape(q, split)
            ["attention/query/Transpose"] q_heads = Transpose<perm=[0, 2, 1, 3]>(q_split)
            ["attention/key/Reshape"] k_split = Reshape(k, split)
            ["attention/key/Transpose"] k_heads = Transpose<perm=[0, 2, 3, 1]>(k_split)
            ["attention/value/Reshape"] v_split = Reshape(v, split)
            ["attention/value/Transpose"] v_heads = Transpose<perm=[0, 2, 1, 3]>(v_split)

            ["attention/scale/Shape"] q_shape = Shape(q_heads)
            ["attention/scale/Gather"] q_width = Gather<axis=0>(q_shape, last)
            ["attention/scale/Cast"] q_width_float = Cast<to=1>(q_width)
            ["attention/scale/Sqrt"] scale = Sqrt(q_width_float)
            ["attention/MatMul_scores"] scores = MatMul(q_heads, k_heads)
            ["attention/Div"] scaled = Div(scores, scale)
            ["attention/Softmax"] attention = Softmax<axis=-1>(scaled)
            ["attention/MatMul_context"] context_heads = MatMul(attention, v_heads)
            ["attention/Transpose"] context_split = Transpose<perm=[0, 2, 1, 3]>(context_heads)
            ["attention/Reshape"] context = Reshape(context_split, merge)
            ["attention/out/MatMul"] projected = MatMul(context, out_W)
            ["attention/out/Add"] attended = Add(projected, out_b)
            ["Add_1"] x1 = Add(x, attended)

            ["norm2/LayerNormalization"] n2 = LayerNormalization<axis=-1>(x1, norm2_gamma, norm2_beta)
            ["mlp/up/MatMul"] up = MatMul(n2, up_W)
            ["mlp/up/Add"] u = Add(up, up_b)
            root2 = Constant<value=float {1.4142135}>()
            unit = Constant<value=float {1.0}>()
            half = Constant<value=float {0.5}>()
            ["mlp/gelu/Div"] g1 = Div(u, root2)
            ["mlp/gelu/Erf"] g2 = Erf(g1)
            ["mlp/gelu/Add"] g3 = Add(g2, unit)
            ["mlp/gelu/Mul"] g4 = Mul(u, g3)
            ["mlp/gelu/Mul_1"] gelu = Mul(g4, half)
            ["mlp/down/MatMul"] down = MatMul(gelu, down_W)
            ["mlp/down/Add"] d = Add(down, down_b)
            ["Add_2"] y = Add(x1, d)
        }
        """,
        {
            "norm1_gamma": (32,), "norm1_beta": (32,),
            "query_W": (32, 32), "query_b": (32,),
            "key_W": (32, 32), "key_b": (32,),
            "value_W": (32, 32), "value_b": (32,),
            "out_W": (32, 32), "out_b": (32,),
            "norm2_gamma": (32,), "norm2_beta": (32,),
            "up_W": (32, 128), "up_b": (128,),
            "down_W": (128, 32), "down_b": (32,),
        },
    )  # fmt: skip


def quantized_mlp() -> onnx.ModelProto:
    """Return two layers whose weights are quantized: one in QDQ form, one with 4 bits in blocks of 32."""
    model = _model(
        """
        quantized_mlp (float[batch, 64] x) => (float[batch, 16] y) {
            ["up/QuantizeLinear"] x_bytes = QuantizeLinear(x, x_scale, x_zero)
            ["up/DequantizeLinear"] x_again = DequantizeLinear(x_bytes, x_scale, x_zero)
            ["up/weight"] up = DequantizeLinear<axis=1>(up_W, up_scale)
            ["up/MatMul"] u = MatMul(x_again, up)
            ["up/Relu"] h = Relu(u)
            ["down/weight"] down = DequantizeLinear<axis=0, block_size=32>(down_W, down_scale)
            ["down/MatMul"] y = MatMul(h, down)
        }
        """,
        {"up_scale": (128,), "down_scale": (4, 16)},
        header=HEADER.replace("ir_version: 8", "ir_version: 10").replace(": 17]", ": 21]"),
    )
    model.graph.initializer.extend(
        (
            helper.make_tensor("x_scale", TensorProto.FLOAT, [], [0.05]),
            helper.make_tensor("x_zero", TensorProto.UINT8, [], [128]),
            helper.make_tensor("up_W", TensorProto.INT8, [64, 128], _small_integers(64 * 128)),
            helper.make_tensor("down_W", TensorProto.INT4, [128, 16], _small_integers(128 * 16)),
        )
    )
    return model


def decoder() -> onnx.ModelProto:
    """Return a layer of a language model: 8 heads that share 2 of keys and values, their cache, the best 5 tokens."""
    return _model(
        """
        decoder (float[batch, new, 64] x, float[batch, 2, past, 8] past_key, float[batch, 2, past, 8] past_value)
            => (float[batch, new, 5] best, int64[batch, new, 5] tokens,
                float[batch, 2, total, 8] present_key, float[batch, 2, total, 8] present_value) {
            ["norm/RMSNormalization"] n = RMSNormalization<axis=-1>(x, norm_gamma)
            ["query/MatMul"] q = MatMul(n, query_W)
            ["key/MatMul"] k = MatMul(n, key_W)
            ["value/MatMul"] v = MatMul(n, value_W)
            ["Attention"] a, present_key, present_value
                = Attention<q_num_heads=8, kv_num_heads=2, is_causal=1>(q, k, v, , past_key, past_value)
            ["out/MatMul"] o = MatMul(a, out_W)
            ["Add"] h = Add(x, o)
            ["head/MatMul"] logits = MatMul(h, head_W)
            five = Constant<value=int64[1] {5}>()
            ["TopK"] best, tokens = TopK<axis=-1>(logits, five)
        }
        """,
        {
            "norm_gamma": (64,),
            "query_W": (64, 64), "key_W": (64, 16), "value_W": (64, 16), "out_W": (64, 64),
            "head_W": (64, 1000),
        },
        header=HEADER.replace("ir_version: 8", "ir_version: 11").replace(": 17]", ": 24]"),
    )  # fmt: skip


MODELS = {make.__name__: make for make in (mlp, mnist_cnn, bilstm, transformer_block, quantized_mlp, decoder)}


def _model(text: str, weights: dict[str, tuple[int, ...]], header: str = HEADER) -> onnx.ModelProto:
    model = parser.parse_model(header + text)
    random = np.random.RandomState(seed=0)  # its numbers are frozen for good; a Generator's are not
    model.graph.initializer.extend(_weight(random, name, shape) for name, shape in weights.items())
    return model


def _weight(random: np.random.RandomState, name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    # Only -1/32, 0 and 1/32: exact on every machine, and git stores 2.2 MB of them in 0.2 MB.
    return numpy_helper.from_array((random.randint(-1, 2, shape) / 32).astype("<f4"), name)


def _small_integers(count: int) -> list[int]:
    return [step % 15 - 7 for step in range(count)]


def main() -> None:
    """Write the models named on the command line, or all of them."""
    names = sys.argv[1:] or list(MODELS)
    if unknown := set(names) - MODELS.keys():
        sys.exit(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(MODELS)}")
    for name in names:
        path = Path(__file__).with_name(f"{name}.onnx")
        path.write_bytes(MODELS[name]().SerializeToString(deterministic=True))
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
