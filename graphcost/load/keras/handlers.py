"""What tf2onnx gets wrong or leaves undone, operator by operator, in the form of its custom_op_handlers.

An operator that ONNX can't express stays as it is, in a domain of its own, where it has no price. So does one that
tf2onnx's own handler gives up on half-way: it would otherwise keep the ONNX name that it was given first.
"""

from __future__ import annotations

from math import inf
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


_RESIZED = {
    "ResizeBilinear": {"mode": "linear"},
    "ResizeBicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
    "ResizeNearestNeighbor": {"mode": "nearest", "nearest_mode": "floor"},
}
"""How ONNX resizes as TensorFlow does."""
_PLACES = {
    (False, True): "half_pixel",
    (False, False): "asymmetric",
    (True, False): "align_corners",
}
"""By align_corners and half_pixel_centers, where an element of the output lies in the input."""


def _resize(context: Any, node: Any, *_: Any) -> None:
    """Resize to a size; tf2onnx's handler takes a scale, which in one case of 25 is rounded to another size."""
    options, operator = _RESIZED[node.type], node.type
    corners, centers = bool(node.get_attr_value("align_corners")), bool(node.get_attr_value("half_pixel_centers"))
    place = _PLACES[corners, centers]
    if operator == "ResizeNearestNeighbor":
        place = "tf_half_pixel_for_nn" if centers else place
        options = {**options, "nearest_mode": "round_prefer_ceil" if corners else "floor"}
    _resized(context, node, node.input[1], coordinate_transformation_mode=place, **options)


_FILTERS = {
    b"triangle": {"mode": "linear"},
    b"keyscubic": {"mode": "cubic", "cubic_coeff_a": -0.5},
}
"""What ONNX resizes with of the kernels of ScaleAndTranslate."""


def _scale_and_translate(context: Any, node: Any, *_: Any) -> None:
    """Resize with a kernel that is widened where the image shrinks; of other kernels and places ONNX knows nothing."""
    options = _FILTERS.get(node.get_attr_value("kernel_type"))
    moved = node.inputs[3].get_tensor_value(as_list=False) if node.inputs[3].is_const() else np.ones(2)
    if options is None or moved.any() or not _fills(context, node):
        return _stay(context, node)
    antialias = int(node.get_attr_value("antialias", 1))
    return _resized(context, node, node.input[1], antialias=antialias, exclude_outside=1, **options)


def _fills(context: Any, node: Any) -> bool:
    """Return whether the scale of a ScaleAndTranslate makes the whole output of the whole input."""
    height, width = context.get_shape(node.input[0])[1:3]
    size, scale = (node.inputs[at] for at in (1, 2))
    if not (size.is_const() and scale.is_const() and height > 0 and width > 0):
        return False
    return np.allclose(scale.get_tensor_value() * np.array([height, width]), size.get_tensor_value())


def _resized(context: Any, node: Any, size: str, **attributes: Any) -> None:
    image, dtype = node.input[0], context.get_dtype(node.output[0])
    if context.get_dtype(image) != dtype:
        image = context.make_node("Cast", [image], attr={"to": dtype}).output[0]
    first = context.make_node("Transpose", [image], attr={"perm": constants.NHWC_TO_NCHW}).output[0]
    sizes = context.make_node("Cast", [size], attr={"to": TensorProto.INT64}).output[0]
    resized = context.make_node("Resize", [first, "", "", sizes], attr={"axes": [2, 3], **attributes})
    _replace(context, node, "Transpose", resized.output, perm=constants.NCHW_TO_NHWC)


def _bincount(context: Any, node: Any, *_: Any) -> None:
    """Count how often each number is there, or add up what each of them weighs, in its place of the last axis."""
    found, size, weights = node.input
    dtype = context.get_dtype(node.output[0])
    numpy_type = utils.map_onnx_to_numpy_type(dtype)
    length = _fixed(node.inputs[1])
    last = (
        _constant(context, [length])
        if length is not None
        else GraphBuilder(context).make_unsqueeze(
            {"data": context.make_node("Cast", [size], attr={"to": TensorProto.INT64}).output[0], "axes": [0]}
        )
    )
    shape = context.make_node("Shape", [found]).output[0]
    rest = GraphBuilder(context).make_slice({"data": shape, "starts": [0], "ends": [-1], "axes": [0]})
    ends = context.make_node("Concat", [rest, last], attr={"axis": 0}).output[0]
    zeros = context.make_node("Expand", [_constant(context, 0, numpy_type), ends]).output[0]
    if 0 in (context.get_shape(weights) or []):
        weights = context.make_node("Expand", [_constant(context, 1, numpy_type), shape]).output[0]
    reduction = "none" if node.get_attr_value("binary_output") else "add"
    _replace(context, node, "ScatterElements", [zeros, found, weights], axis=-1, reduction=reduction)


def _fixed(node: Any) -> int | None:
    """Return the number that a node gives, where it is held between one and itself; None where a run decides."""
    least, most = _bounds(node)
    return int(least) if least == most else None


def _bounds(node: Any) -> tuple[float, float]:
    if node.is_const():
        return (node.get_tensor_value(),) * 2
    if node.type in ("Cast", "Identity"):
        return _bounds(node.inputs[0])
    pick = {"Min": min, "Minimum": min, "Max": max, "Maximum": max}.get(node.type)
    if pick is None:
        return -inf, inf
    pairs = [_bounds(one) for one in node.inputs]
    return pick(least for least, _ in pairs), pick(most for _, most in pairs)


_PARTS = {"Real": 0, "Imag": 1}
"""Where ONNX, which has no complex numbers, keeps the parts of one."""


def _rfft(context: Any, node: Any, *_: Any) -> None:
    """Transform real numbers; what reads the result must want its parts, or its size."""
    readers = context.find_output_consumers(node.output[0])
    if not {one.type for one in readers} <= {*_PARTS, "ComplexAbs"}:
        return _stay(context, node)
    builder = GraphBuilder(context)
    length = context.make_node("Cast", [node.input[1]], attr={"to": TensorProto.INT64}).output[0]
    length = builder.make_squeeze({"data": length, "axes": [0]})
    real = builder.make_unsqueeze({"data": node.input[0], "axes": [-1]})
    rank = context.get_rank(node.input[0])
    found = context.make_node("DFT", [real, length], attr={"axis": rank - 1, "onesided": 1}, name=node.name)
    for one in readers:
        _take_part(context, one, found.output[0])
    return None


def _take_part(context: Any, node: Any, found: str) -> None:
    if node.type == "ComplexAbs":
        _replace(context, node, "ReduceL2", [found, _constant(context, [-1])], keepdims=0)
    else:
        _replace(context, node, "Gather", [found, _constant(context, _PARTS[node.type])], axis=-1)


_OURS: dict[str, Handler] = {
    "BiasAdd": _bias_add,
    "Bincount": _bincount,
    "Conv3D": _conv_3d,
    "Conv2DBackpropInput": _conv_transpose,
    "Conv3DBackpropInputV2": _conv_transpose,
    "DenseBincount": _bincount,
    "Erfc": _erfc,
    "Expm1": _expm1,
    "RFFT": _rfft,
    "ScaleAndTranslate": _scale_and_translate,
    **dict.fromkeys(_RESIZED, _resize),
    # ResizeArea becomes the nearest neighbour; ONNX has operators of the other names, which mean something else
    **dict.fromkeys(("ResizeArea", "Conv", "Mod", "NonMaxSuppression", "TopK"), _stay),
}


def _handlers() -> dict[str, tuple[Handler, list[Any]]]:
    theirs = tf_op.create_mapping(OPSET, [CONTRIB])
    careful = {name: _careful(name, handle, options) for name, (handle, options) in theirs.items()}
    return {name: (handle, []) for name, handle in {**careful, **_OURS}.items()}


HANDLERS = _handlers()
"""By the operator of TensorFlow, what converts it."""
