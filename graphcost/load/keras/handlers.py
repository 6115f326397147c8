"""What tf2onnx gets wrong or leaves undone, operator by operator, in the form of its custom_op_handlers.

An operator that ONNX can't express stays as it is, in a domain of its own, where it has no price. So does one that
tf2onnx's own handler gives up on half-way: it would otherwise keep the ONNX name that it was given first.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from onnx import TensorProto, helper
from tf2onnx import constants, tf_utils, utils
from tf2onnx.handler import tf_op
from tf2onnx.onnx_opset.nn import ConvOp, ConvTranspose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Handler = Callable[..., None]

OPSET = 18
"""The newest that tf2onnx writes."""
EXTRA = [helper.make_opsetid(constants.CONTRIB_OPS_DOMAIN, 1), helper.make_opsetid(constants.AI_ONNX_ML_DOMAIN, 2)]
"""The other domains that it writes: operators on strings, and on tables."""
DOMAIN = "tensorflow"
"""The domain of what stays as it is."""


_BFLOAT16 = (
    (tf_utils.TF_TO_ONNX_DTYPE, tf.bfloat16.as_datatype_enum, TensorProto.BFLOAT16),
    (utils.ONNX_TO_NUMPY_DTYPE, TensorProto.BFLOAT16, tf.bfloat16.as_numpy_dtype),
    (utils.ONNX_DTYPE_NAMES, TensorProto.BFLOAT16, "bfloat16"),
)
"""What tf2onnx doesn't know of bfloat16, by the table where it looks: it takes it for float16."""


@contextmanager
def bfloat16() -> Iterator[None]:
    """Let tf2onnx know bfloat16."""
    before = [(table, dict(table)) for table, *_ in _BFLOAT16]
    for table, name, known in _BFLOAT16:
        table[name] = known
    try:
        yield
    finally:
        for table, kept in before:
            table.clear()
            table.update(kept)


def _stay(_: Any, node: Any) -> None:
    """Leave a node as it is, whatever ONNX means by its name."""
    node.domain = DOMAIN


def _careful(operator: str, handle: Callable[[Any, Any], None]) -> Handler:
    """Return a handler that leaves a node as it was where it gives up half-way."""

    def convert(context: Any, node: Any, *_: Any) -> None:
        try:
            handle(context, node)
        except Exception:
            node.type = operator
            _stay(context, node)
            raise  # tf2onnx goes on with the next node

    return convert


def _constant(context: Any, value: Any, dtype: type = np.int64) -> str:
    made: str = context.make_const(utils.make_name("constant"), np.array(value, dtype)).output[0]
    return made


def _add(context: Any, node: Any, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
    """Add an operator that does a part of what a node does, and return what it gives."""
    added = context.make_node(operator, list(inputs), attr=attributes, name=utils.make_name(f"{node.name}/{operator}"))
    found: str = added.output[0]
    return found


def _replace(
    context: Any, node: Any, operator: str, inputs: Sequence[str], domain: str = "", **attributes: Any
) -> None:
    """Put another operator in a node's place, under its name."""
    known = {"outputs": node.output, "shapes": node.output_shapes, "dtypes": node.output_dtypes}
    context.remove_node(node.name)
    context.make_node(operator, list(inputs), attr=attributes, name=node.name, domain=domain, **known)


def _bias_add(context: Any, node: Any) -> None:
    """Add a bias per channel, which stands second in NC... formats."""
    rank = context.get_rank(node.input[0])
    if node.data_format.startswith("NC") and rank > 2:
        shape = _constant(context, [-1] + [1] * (rank - 2))
        context.replace_input(node, node.input[1], _add(context, node, "Reshape", [node.input[1], shape]), 1)
    node.type = "Add"


def _conv_3d(context: Any, node: Any) -> None:
    """Convolve in groups: as many as the channels of the input hold those of the kernel."""
    channels = context.get_shape(node.input[0])[1 if node.data_format.startswith("NC") else -1]
    of_kernel = context.get_shape(node.input[1])[-2]
    ConvOp.version_13(context, node)
    node.set_attr("group", channels // of_kernel)


def _conv_transpose(context: Any, node: Any) -> None:
    """Pad the output where it is larger than the kernels reach: ONNX has no pads below zero.

    Where a run decides its size, tf2onnx takes channels to stand last, and pads behind the node, so that a bias which
    it had merged into the node must come later still.
    """
    is_first, size = node.data_format.startswith("NC"), _value(node.inputs[0])
    if size is not None and min(size[2:] if is_first else size[1:-1]) > 0:
        context.replace_input(node, node.input[0], _constant(context, size), 0)
    elif is_first:
        return _stay(context, node)
    else:
        _split_bias(context, node)
    ConvTranspose.version_11(context, node)
    pads = node.get_attr_value("pads")
    if pads and min(pads) < 0:
        totals = [sum(pair) for pair in zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True)]
        node.set_attr("output_padding", [max(0, -total) for total in totals])
        node.set_attr("pads", [0 if totals[at % len(totals)] < 0 else pad for at, pad in enumerate(pads)])
    return None


def _split_bias(context: Any, node: Any) -> None:
    """Let a bias that was merged into a convolution be added behind it again."""
    for bias in node.input[3:]:
        context.remove_input(node, bias, 3)
        added = context.insert_new_node_on_output("Add", node.output[0], utils.make_name(f"{node.name}/Add"))
        context.replace_inputs(added, [*added.input, bias])


def _erfc(context: Any, node: Any) -> None:
    """Erfc(x) = 1 - Erf(x)."""
    _replace(context, node, "Sub", [_one(context, node), _add(context, node, "Erf", node.input)])


def _expm1(context: Any, node: Any) -> None:
    """Expm1(x) = Exp(x) - 1."""
    _replace(context, node, "Sub", [_add(context, node, "Exp", node.input), _one(context, node)])


def _one(context: Any, node: Any) -> str:
    return _constant(context, 1, utils.map_onnx_to_numpy_type(context.get_dtype(node.output[0])))


_RESIZED: dict[str, dict[str, Any]] = {
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


def _resize(context: Any, node: Any) -> None:
    """Resize to a size; tf2onnx's handler takes a scale, which in one case of 25 is rounded to another size."""
    options, operator = _RESIZED[node.type], node.type
    corners, centers = bool(node.get_attr_value("align_corners")), bool(node.get_attr_value("half_pixel_centers"))
    place = _PLACES[corners, centers]
    if operator == "ResizeNearestNeighbor":
        place = "tf_half_pixel_for_nn" if centers else place
        options = {**options, "nearest_mode": "round_prefer_ceil" if corners else "floor"}
    _resized(context, node, node.input[1], coordinate_transformation_mode=place, **options)


_FILTERS: dict[bytes, dict[str, Any]] = {
    b"triangle": {"mode": "linear"},
    b"keyscubic": {"mode": "cubic", "cubic_coeff_a": -0.5},
}
"""What ONNX resizes with of the kernels of ScaleAndTranslate."""


def _scale_and_translate(context: Any, node: Any) -> None:
    """Resize with a kernel that is widened where the image shrinks; of other kernels and places ONNX knows nothing."""
    options = _FILTERS.get(node.get_attr_value("kernel_type"))
    before = np.array(context.get_shape(node.input[0])[1:3])
    size, scale, moved = map(_value, node.inputs[1:])
    if options is None or size is None or scale is None or moved is None or min(before) < 0:
        return _stay(context, node)
    if moved.any() or not np.allclose(scale * before, size):
        return _stay(context, node)
    antialias = int(node.get_attr_value("antialias", 1))
    return _resized(context, node, node.input[1], antialias=antialias, exclude_outside=1, **options)


def _value(node: Any) -> Any:
    """Return the elements that a node gives, where they follow from constants and shapes; None where a run decides.

    What a shape doesn't say is below 0.
    """
    if node.is_const():
        return node.get_tensor_value(as_list=False)
    if node.type == "Shape":
        return np.array(node.graph.get_shape(node.input[0]))
    values = [_value(one) for one in node.inputs] if node.type in _COMPUTED else [None]
    return None if any(one is None for one in values) else _COMPUTED[node.type](*values)


_COMPUTED: dict[str, Callable[..., Any]] = {
    "Cast": lambda values: values,
    "Concat": lambda *parts: np.concatenate([np.atleast_1d(one) for one in parts]),
    "Div": np.true_divide,
    "Slice": lambda values, first, last, *_: values[first.item() : last.item()],
    "Squeeze": lambda values, *_: values,
    "Unsqueeze": lambda values, *_: values,
}
"""What is computed of shapes on the way to a size or a scale."""


def _resized(context: Any, node: Any, size: str, **attributes: Any) -> None:
    image, dtype = node.input[0], context.get_dtype(node.output[0])
    if context.get_dtype(image) != dtype:
        image = _add(context, node, "Cast", [image], to=dtype)
    first = _add(context, node, "Transpose", [image], perm=constants.NHWC_TO_NCHW)
    shape = _add(context, node, "Shape", [first], end=2)
    sizes = _add(context, node, "Concat", [shape, _add(context, node, "Cast", [size], to=TensorProto.INT64)], axis=0)
    resized = _add(context, node, "Resize", [first, "", "", sizes], **attributes)
    _replace(context, node, "Transpose", [resized], perm=constants.NCHW_TO_NHWC)


def _bincount(context: Any, node: Any) -> None:
    """Count how often each number is there, or add up what each of them weighs, in its place of the last axis."""
    found, size, weights = node.input
    numpy_type = utils.map_onnx_to_numpy_type(context.get_dtype(node.output[0]))
    length, fixed = _add(context, node, "Cast", [size], to=TensorProto.INT64), _fixed(node.inputs[1])
    one = _constant(context, [1])
    last = _add(context, node, "Reshape", [length, one]) if fixed is None else _constant(context, [fixed])
    shape, rest = _add(context, node, "Shape", [found]), _add(context, node, "Shape", [found], end=-1)
    ends = _add(context, node, "Concat", [rest, last], axis=0)
    zeros = _add(context, node, "Expand", [_constant(context, 0, numpy_type), ends])
    if 0 in (context.get_shape(weights) or []):
        weights = _add(context, node, "Expand", [_constant(context, 1, numpy_type), shape])
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


def _rfft(context: Any, node: Any) -> None:
    """Transform real numbers; what reads the result must want its parts, or its size."""
    readers = context.find_output_consumers(node.output[0])
    if not {one.type for one in readers} <= {*_PARTS, "ComplexAbs"}:
        return _stay(context, node)
    length = _add(context, node, "Cast", [node.input[1]], to=TensorProto.INT64)
    length = _add(context, node, "Reshape", [length, _constant(context, [])])
    real = _add(context, node, "Unsqueeze", [node.input[0], _constant(context, [-1])])
    return _replace(context, node, "DFT", [real, length], axis=context.get_rank(node.input[0]) - 1, onesided=1)


def _part_of_complex(context: Any, node: Any) -> None:
    """Take the parts of complex numbers, or their size, where they stand as pairs."""
    if node.inputs[0].type != "DFT":
        _stay(context, node)
    elif node.type == "ComplexAbs":
        _replace(context, node, "ReduceL2", [node.input[0], _constant(context, [-1])], keepdims=0)
    else:
        _replace(context, node, "Gather", [node.input[0], _constant(context, _PARTS[node.type])], axis=-1)


_KINDS = {TensorProto.STRING: "string", TensorProto.INT64: "int64", TensorProto.FLOAT: "float"}
"""What a LabelEncoder takes and gives, by the word for it in the names of its attributes."""


def _find_in_table(context: Any, node: Any) -> None:
    """Look elements up in a table that says what it holds (graphcost.load.keras.lift)."""
    table, default = node.inputs[0], node.inputs[2]
    kinds = [_KINDS.get(context.get_dtype(name)) for name in (node.input[1], node.output[0])]
    if table.type != "HashTableV2" or None in kinds or not default.is_const():
        return _stay(context, node)
    keys, values = json.loads(table.get_attr_str("shared_name"))
    held = {f"keys_{kinds[0]}s": keys, f"values_{kinds[1]}s": values, f"default_{kinds[1]}": default.get_tensor_value()}
    return _replace(context, node, "LabelEncoder", [node.input[1]], constants.AI_ONNX_ML_DOMAIN, **held)


_OURS: dict[str, Callable[[Any, Any], None]] = {
    "BiasAdd": _bias_add,
    "Bincount": _bincount,
    "Conv3D": _conv_3d,
    "Conv2DBackpropInput": _conv_transpose,
    "Conv3DBackpropInputV2": _conv_transpose,
    "DenseBincount": _bincount,
    "Erfc": _erfc,
    "Expm1": _expm1,
    "LookupTableFindV2": _find_in_table,
    "RFFT": _rfft,
    **dict.fromkeys((*_PARTS, "ComplexAbs"), _part_of_complex),
    "ScaleAndTranslate": _scale_and_translate,
    **dict.fromkeys(_RESIZED, _resize),
    # ResizeArea becomes the nearest neighbour; ONNX has operators of the other names, which mean something else
    **dict.fromkeys(("ResizeArea", "Conv", "Mod", "NonMaxSuppression", "StringToHashBucketFast", "TopK"), _stay),
}


def _theirs(operator: str, handle: Callable[..., None], options: Mapping[str, Any]) -> Callable[[Any, Any], None]:
    """Return a handler of tf2onnx's, in the form of ours."""

    def convert(context: Any, node: Any) -> None:
        node.type = options.get("onnx_op", operator)
        handle(context, node, **{"tf_op": operator, "initialized_tables": {}, "dequantize": False, **options})

    return convert


_CALLED = ("Conv2D", "Fill")
"""The handlers that tf2onnx's own rewriters call, in their way."""


def _handlers() -> dict[str, tuple[Handler, list[Any]]]:
    mapping = tf_op.create_mapping(OPSET, EXTRA)
    theirs = {name: _theirs(name, handle, options) for name, (handle, options) in mapping.items()}
    return {name: (_careful(name, handle), []) for name, handle in {**theirs, **_OURS}.items() if name not in _CALLED}


HANDLERS = _handlers()
"""By the operator of TensorFlow, what converts it."""
