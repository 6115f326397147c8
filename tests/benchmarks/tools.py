"""The commands that are compared. Each is one whole process: interpreter, imports, reading, analysis, output."""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "MODEL"
LOAD = "import sys, onnx; model = onnx.load(sys.argv[1], load_external_data=False); "
DROP_WEIGHTS = "[w.ClearField('raw_data') for w in model.graph.initializer if len(w.raw_data) > 1024]; "
INFER = "onnx.shape_inference.infer_shapes(model)"
BOUNDS = "from onnxsim.shape_cost import bounds; bounds(model)"
MODEL_INFO = "from onnxsim.model_info import ModelInfo; ModelInfo(model)"


@dataclass(frozen=True, slots=True)
class Tool:
    """One command."""

    title: str
    "what the table calls it"
    arguments: tuple[str, ...]
    "what follows the interpreter; MODEL stands for the file"
    peer: bool = False
    "whether it runs in the peers' environment"

    def command(self, python: str, model: str) -> list[str]:
        """Return the command line."""
        return [python, *(model if one == MODEL else one for one in self.arguments)]


BASELINE = "import"
TOOLS = {
    BASELINE: Tool("`import onnx, networkx` (the baseline)", ("-c", "import onnx, networkx")),
    "graphcost": Tool("graphcost", ("-m", "graphcost", "analyze", MODEL, "--format", "json")),
    "onnx": Tool("onnx.load without external data, infer_shapes", ("-c", LOAD + INFER, MODEL)),
    "onnx-weightless": Tool("the same, weights dropped in between", ("-c", LOAD + DROP_WEIGHTS + INFER, MODEL)),
    "onnx-tool": Tool("onnx-tool", ("-m", "onnx_tool", "-i", MODEL), peer=True),
    "onnxsim": Tool("onnxsim ModelInfo, without external data", ("-c", LOAD + MODEL_INFO, MODEL), peer=True),
    "onnxsim-bounds": Tool("onnxsim shape_cost, without external data", ("-c", LOAD + BOUNDS, MODEL), peer=True),
    "onnx-opcounter": Tool(
        "onnx-opcounter", ("-c", "from onnx_opcounter.cli import main; main()", MODEL, "--calculate-macs"), peer=True
    ),
}
PACKAGES = ("graphcost", "onnx", "networkx", "numpy", "protobuf", "onnx-tool", "onnxsim", "onnx-opcounter")
