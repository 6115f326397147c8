"""What tf2onnx gets wrong or leaves undone, operator by operator, in the form of its custom_op_handlers.

An operator that ONNX can't express stays as it is, in a domain of its own, where it has no price. So does one that
tf2onnx's own handler gives up on half-way: it would otherwise keep the ONNX name that it was given first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper
from tf2onnx import constants, utils
from tf2onnx.graph_builder import GraphBuilder
from tf2onnx.handler import tf_op
from tf2onnx.onnx_opset.nn import ConvOp, ConvTranspose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Handler = Callable[[Any, Any, str, Sequence[Any]], None]

OPSET = 18
"""The newest that tf2onnx writes."""
CONTRIB = helper.make_opsetid(constants.CONTRIB_OPS_DOMAIN, 1)
"""The domain of tf2onnx's operators on strings."""
DOMAIN = "tensorflow"
"""The domain of what stays as it is."""


def _stay(_: Any, node: Any, *__: Any) -> None:
    """Leave a node as it is, whatever ONNX means by its name."""
    node.domain = DOMAIN


def _careful(operator: str, handle: Callable[..., Any], options: Mapping[str, Any]) -> Handler:
    """Return a handler of tf2onnx's that leaves a node as it was where it gives up."""

    def convert(context: Any, node: Any, name: str, args: Sequence[Any]) -> None:
        node.type = options.get("onnx_op", operator)
        try:
            handle(context, node, **{"tf_op": operator, "initialized_tables": {}, "dequantize": False, **options})
        except Exception:
            node.type = operator
            _stay(context, node, name, args)
            raise  # tf2onnx goes on with the next node

    return convert


def _constant(context: Any, value: Any, dtype: type = np.int64) -> str:
    made: str = context.make_const(utils.make_name("constant"), np.array(value, dtype)).output[0]
    return made


def _replace(context: Any, node: Any, operator: str, inputs: Sequence[str], **attributes: Any) -> None:
    """Put another operator in a node's place, under its name."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    context.remove_node(node.name)
    context.make_node(
        operator, list(inputs), attr=attributes, outputs=node.output, name=node.name, shapes=shapes, dtypes=dtypes
    )


def _bias_add(context: Any, node: Any, *_: Any) -> None:
    """Add a bias per channel, which stands second in NC... formats."""
    rank = context.get_rank(node.input[0])
    if node.data_format.startswith("NC") and rank > 2:
        shape = _constant(context, [-1] + [1] * (rank - 2))
        context.replace_input(node, node.input[1], context.make_node("Reshape", [node.input[1], shape]).output[0], 1)
    node.type = "Add"


def _conv_3d(context: Any, node: Any, *_: Any) -> None:
    """Convolve in groups: as many as the channels of the input hold those of the kernel."""
    channels = context.get_shape(node.input[0])[1 if node.data_format.startswith("NC") else -1]
    of_kernel = context.get_shape(node.input[1])[-2]
    ConvOp.version_13(context, node)
    node.set_attr("group", channels // of_kernel)


def _conv_transpose(context: Any, node: Any, *_: Any) -> None:
    """Pad the output where it is larger than the kernels reach: ONNX has no pads below zero."""
    ConvTranspose.version_11(context, node)
    pads = node.get_attr_value("pads")
    if pads and min(pads) < 0:
        totals = [sum(pair) for pair in zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True)]
        node.set_attr("output_padding", [max(0, -total) for total in totals])
        node.set_attr("pads", [0 if totals[at % len(totals)] < 0 else pad for at, pad in enumerate(pads)])


def _erfc(context: Any, node: Any, *_: Any) -> None:
    """Erfc(x) = 1 - Erf(x)."""
    one = _constant(context, 1, utils.map_onnx_to_numpy_type(context.get_dtype(node.output[0])))
    erf = context.make_node("Erf", node.input, shapes=node.output_shapes, dtypes=node.output_dtypes)
    _replace(context, node, "Sub", [one, erf.output[0]])


def _expm1(context: Any, node: Any, *_: Any) -> None:
    """Expm1(x) = Exp(x) - 1."""
    one = _constant(context, 1, utils.map_onnx_to_numpy_type(context.get_dtype(node.output[0])))
    exp = context.make_node("Exp", node.input, shapes=node.output_shapes, dtypes=node.output_dtypes)
    _replace(context, node, "Sub", [exp.output[0], one])
