"""Models in a line or two, written in ONNX's text format."""

from __future__ import annotations

import re
from math import prod

from onnx import TensorProto, helper, parser

_STORED = re.compile(r"(\w+?)(?:\[([\d,]*)\])? (\w+)$")


def model(signature: str, *nodes: str, opset: int = 22, functions: str = "", domains: str = ""):
    """Return a model: model("float[N,4] x => float[M] y <float[4] b>", "y = Add(x, b)").

    The third part of the signature holds the initializers; one without elements is filled with zeros.
    """
    given, _, rest = signature.partition("=>")
    wanted, _, stored = rest.strip().removesuffix(">").partition("<")
    entries = [one.strip() for one in re.split(r",\s*(?=\w+[\[ ])", stored) if one.strip()]
    held = ", ".join(one for one in entries if "=" in one)
    body = "\n".join(nodes)
    built = parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : {opset}{domains}]>\n'
        f"g ({given}) => ({wanted}) {f'<{held}>' if held else ''} {{\n{body}\n}}\n{functions}"
    )
    built.graph.initializer.extend(_zeros(one) for one in entries if "=" not in one)
    return built


def _zeros(entry: str) -> TensorProto:
    dtype, dims, name = _STORED.match(entry).groups()
    shape = [int(dim) for dim in dims.split(",")] if dims else []
    return helper.make_tensor(name, TensorProto.DataType.Value(dtype.upper()), shape, [0] * prod(shape))
