"""The operators that are declared to compute nothing: a closed list, each with its reason and the bytes it moves.

Whoever adds one answers for it: an operator that compares, adds, interpolates, sorts or searches elements is work.
Finding an element's place (index arithmetic, a negative index counted from the end) is no work, as nowhere else.
Where onnx doesn't say rightly what comes out of one of ai.onnx, its type rule stands at the end.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from graphcost.rules.registry import MICROSOFT, ML, NCHWC, NHWC, each_once, free, moves_output, rule, types, view
from graphcost.rules.shared.axes import position
from graphcost.rules.shared.resizing import axes, wanted_sizes
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim


def writes_only(call: Call) -> tuple[int, int]:
    """Return the traffic of an operator that reads no element of its inputs, only their shapes."""
    return each_once(replace(call, inputs=()))


def reads_first(call: Call) -> tuple[int, int]:
    """Return the traffic of an operator that reads the elements of its first input alone."""
    return each_once(replace(call, inputs=call.inputs[:1]))


def splits(call: Call) -> tuple[int, int]:
    """Return the traffic of SplitToSequence: the entries of its list have no types, but all bytes of the input."""
    read, _ = each_once(replace(call, outputs=()))
    return read, call.input("input").bytes


def keeps_tokens(call: Call) -> tuple[int, int]:
    """Return the traffic of RemovePadding: of the tokens it reads those that it keeps."""
    _, written = each_once(replace(call, inputs=()))
    return call.output("output").bytes + call.input("sequence_token_count").bytes, written


def copies(call: Call) -> tuple[int, int]:
    """Return the traffic of an operator that writes what it reads, into a list or map whose size no type tells."""
    read, _ = each_once(replace(call, outputs=()))
    return read, read


def reads_middle(call: Call) -> tuple[int, int]:
    """Return the traffic of CenterCropPad: along each axis it reads no more than it keeps."""
    whole, kept = call.input("input_data"), call.output("output_data")
    rest, written = each_once(replace(call, inputs=(None, *call.inputs[1:])))
    return TensorType(whole.dtype, tuple(map(min, whole.dims, kept.dims))).bytes + rest, written


free("Reshape", "The same elements under another shape.", view)
free("Flatten", "The same elements under another shape.", view)
free("Squeeze", "The same elements under another shape.", view)
free("Unsqueeze", "The same elements under another shape.", view)
free("Identity", "The same elements under another name.", view)
free("BitCast", "The same bytes under another type.", view)
free("Optional", "The same value, wrapped.", view)
free("OptionalGetElement", "The same value, unwrapped.", view)
free("OptionalHasElement", "Whether there is a value is no part of its elements.", writes_only)

free("Constant", "Stored in the model: it is there when the model is loaded.", view)
free("ConstantOfShape", "Fills its output with one constant.")
free("EyeLike", "Writes constants; their place, not a comparison, says which.", writes_only)
free("Shape", "The shape is known without reading an element.", writes_only)
free("Size", "The size is known without reading an element.", writes_only)

free("Transpose", "Moves elements to other places.")
free("Concat", "Copies its inputs side by side.")
free("Split", "Copies parts of its input to several outputs.")
free("Slice", "Copies a part of its input; the rest is not read.", moves_output)
free("Gather", "Copies the slices that the indices name; the rest is not read.", moves_output)
free("GatherElements", "Copies the elements that the indices name; the rest is not read.", moves_output)
free("GatherND", "Copies the slices that the indices name; the rest is not read.", moves_output)
free("Compress", "Copies the slices that the condition names; the rest is not read.", moves_output)
free(
    "OneHot",
    "Writes one of two constants to each place; the indices, not a comparison, say which.",
    not_weights="depth values",
)
free("Expand", "Repeats its input, which is read once.")
free("Tile", "Repeats its input, which is read once.")
free(
    "Pad",
    "Copies its input into a larger tensor; the border is a constant, or elements of the input.",
    not_weights="pads constant_value axes",
)
free("CenterCropPad", "Copies the middle of its input, or puts it in the middle of zeros.", reads_middle)
free("MaxUnpool", "Puts its elements where the indices say, among zeros.", not_weights="output_shape")
free("DepthToSpace", "Moves elements to other places.")
free("SpaceToDepth", "Moves elements to other places.")
free("ReverseSequence", "Moves elements to other places; the lengths say where to.")
free("Trilu", "Copies one triangle, fills the other with zeros; their place, not a comparison, says which.")

free("Scatter", "Copies its data, then puts the updates where the indices say. Not in place.")
free("ScatterElements", "Copies its data, then puts the updates where the indices say. Not in place.", since=11)
free("ScatterND", "Copies its data, then puts the updates where the indices say. Not in place.", since=11)
free("TensorScatter", "Copies the past cache, then puts the update where write_indices say. Not in place.", since=24)

free("SequenceEmpty", "A list without entries.", view)
free("SequenceConstruct", "A list of its inputs, held by reference.", view)
free("SequenceInsert", "A list with one entry more, held by reference.", view)
free("SequenceErase", "A list with one entry less, held by reference.", view)
free("SequenceAt", "An entry of a list, held by reference.", view)
free("SequenceLength", "The length is known without reading an element.", writes_only)
free("SplitToSequence", "Copies parts of its input to the entries of a list.", splits)
free("ConcatFromSequence", "Copies the entries of a list side by side.", moves_output)

free("StringConcat", "Copies two strings side by side.")
ML.free("ArrayFeatureExtractor", "Copies the features that the indices name.", moves_output)
ML.free("FeatureVectorizer", "Copies its inputs side by side, as floats.")
ML.free("ZipMap", "Copies each row into a map; its keys are stored in the model.", copies)

MICROSOFT.free("RelativePositionBias", "Copies the bias of each distance; the place says which.")
MICROSOFT.free("RemovePadding", "Copies the tokens that the counts name.", keeps_tokens)
MICROSOFT.free("RestorePadding", "Copies tokens to their places; what fills the others is zeros.")
MICROSOFT.free("ExpandDims", "The same elements under another shape.", view)
MICROSOFT.free("GatherND", "Copies the slices that the indices name; the rest is not read.", moves_output)
MICROSOFT.free(
    "Pad",
    "Copies its input into a larger tensor; the border is one value.",
    not_weights="value",
)
MICROSOFT.free("SampleOp", "Copies its input.")
MICROSOFT.free(
    "TorchEmbedding",
    "Copies the rows that the indices name; the rest is not read.",
    moves_output,
)
MICROSOFT.free("Trilu", "Copies one triangle, fills the other with zeros; their place says which.")
MICROSOFT.free("UnfoldTensor", "Copies slices that may overlap side by side.")
NHWC.free("DepthToSpace", "Moves elements to other places.")
NHWC.free("SpaceToDepth", "Moves elements to other places.")
NCHWC.free("ReorderInput", "Moves elements to other places; what fills a block is zeros.")
NCHWC.free("ReorderOutput", "Moves elements to other places; what fills a block is left.")

_REDUCTIONS = {"add": Arith.ADD, "mul": Arith.MUL, "max": Arith.CMP, "min": Arith.CMP}


@rule("ScatterElements", "ScatterND", since=16)
def scatter(call: Call) -> Iterator[Term]:
    """output[index] = f(output[index], update) for every element of the updates, with output = data at first.

    f is `reduction`: add, mul, from opset 18 on max, min; where it is none, the update is put in place and nothing is
    computed. The data is copied first, not updated in place.

    Source: https://onnx.ai/onnx/operators/onnx__ScatterElements.html, https://onnx.ai/onnx/operators/onnx__ScatterND.html
    """
    reductions = _REDUCTIONS if call.opset >= 18 else ("add", "mul")
    reduction = call.choice("reduction", ("none", *reductions))
    if reduction != "none":
        yield work(f"{reduction}(output, update)", _REDUCTIONS[reduction], updates=call.input("updates").elements)


@types("Compress")
def compress_types(call: Call) -> Iterator[TensorType]:
    """The output has as many slices of the input along `axis` as the condition is true; without, single elements."""
    x, condition = call.partial("input"), call.known("condition")
    kept = None if condition is None else int(np.count_nonzero(condition))
    if "axis" not in call.attributes:
        _check_condition(call, x.elements if x.is_known else None)
        yield TensorType(x.dtype, (kept,))
    else:
        axis = position(call, call.attr("axis", int), x.rank)
        _check_condition(call, shape_of(x)[axis])
        yield TensorType(x.dtype, tuple(kept if at == axis else dim for at, dim in enumerate(shape_of(x))))


def _check_condition(call: Call, slices: Dim) -> None:
    length = (*(call.partial("condition").shape or ()), None)[0]
    if isinstance(slices, int) and isinstance(length, int) and length > slices:
        raise call.error(f"wants a condition of at most {slices} elements, it has {length}")


@types("OneHot")
def one_hot_types(call: Call) -> Iterator[TensorType]:
    """The output is as the indices with one axis more, of size `depth`; its elements are as the values."""
    indices, values, depth = call.partial("indices"), call.partial("values"), call.known("depth")
    if indices.rank < 1 or shape_of(values) not in {(2,), (None,)}:
        raise call.error(f"wants indices of rank 1 or more and 2 values, they are {indices} and {values}")
    axis = position(call, call.attr("axis", int), indices.rank + 1)
    if depth is not None and not 0 <= call.scalar("depth") < inf:
        raise call.error(f"wants a depth of 0 or more, it is {call.scalar('depth')}")
    size = None if depth is None else int(call.scalar("depth"))
    yield TensorType(values.dtype, (*shape_of(indices)[:axis], size, *shape_of(indices)[axis:]))


@types("CenterCropPad")
def center_crop_pad_type(call: Call) -> Iterator[TensorType]:
    """Say the type: the sizes in `shape` along the axes that it speaks of, which are unknown where `shape` is."""
    whole = call.partial("input_data")
    named = axes(call, whole.rank)
    dims: list[Dim] = list(shape_of(whole))
    for axis, size in zip(named, wanted_sizes(call, "shape", len(named)), strict=True):
        dims[axis] = size
    yield TensorType(whole.dtype, tuple(dims))
