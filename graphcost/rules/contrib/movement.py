"""What comes out of onnxruntime's own operators that only move elements; rules/movement.py declares them free."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING

from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared.axes import position
from graphcost.rules.shared.sizes import where_known
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.types import Dim


MICROSOFT.signature("ExpandDims", "X axis -> Y")
MICROSOFT.signature("GatherND", "data indices -> output")
MICROSOFT.signature("Pad", "data pads value? -> output", mode="constant")
MICROSOFT.signature("SampleOp", "X -> Y")
MICROSOFT.signature("TorchEmbedding", "weight indices padding_idx? scale_grad_by_freq? -> Y")
MICROSOFT.signature("Trilu", "X k? -> Y", upper=1)
MICROSOFT.signature("UnfoldTensor", "input -> output", dim=-1, step=1)


MICROSOFT.like_input("SampleOp", "Trilu")


@MICROSOFT.types("ExpandDims")
def expand_dims_type(call: Call) -> Iterator[TensorType]:
    """The output has an axis of size 1 more, where `axis` says."""
    x = call.partial("X")
    known = call.known_integer("axis")
    if known is None:
        yield TensorType(x.dtype, (None,) * (x.rank + 1))
    else:
        axis = position(call, known, x.rank + 1)
        yield TensorType(x.dtype, (*shape_of(x)[:axis], 1, *shape_of(x)[axis:]))


@MICROSOFT.types("GatherND")
def gather_nd_type(call: Call) -> Iterator[TensorType]:
    """The output has, for each index along the last axis of the indices, what the data has behind it."""
    data, indices = call.partial("data"), call.partial("indices")
    length = shape_of(indices)[-1] if indices.rank else None
    if not isinstance(length, int):
        yield TensorType(data.dtype, None)
    elif length > data.rank:
        raise call.error(f"wants indices of at most {data.rank} numbers, they have {length}")
    else:
        yield TensorType(data.dtype, (*shape_of(indices)[:-1], *shape_of(data)[length:]))


@MICROSOFT.types("Pad")
def pad_type(call: Call) -> Iterator[TensorType]:
    """Each axis has so many elements more as `pads` says, first for all beginnings, then for all ends."""
    data, pads = call.partial("data"), call.known("pads")
    if pads is None:
        yield TensorType(data.dtype, (None,) * data.rank)
        return
    if pads.size != 2 * data.rank:
        raise call.error(f"wants {2 * data.rank} pads, has {pads.size}")
    more = pads.reshape(2, data.rank).sum(axis=0).tolist()
    yield TensorType(data.dtype, tuple(where_known(add, dim, by) for dim, by in zip(shape_of(data), more, strict=True)))


@MICROSOFT.types("TorchEmbedding")
def torch_embedding_type(call: Call) -> Iterator[TensorType]:
    """The output has a row of the weight for each index."""
    weight, indices = call.partial("weight"), call.partial("indices")
    yield TensorType(weight.dtype, (*shape_of(indices), *shape_of(weight)[1:]))


@MICROSOFT.types("UnfoldTensor")
def unfold_tensor_type(call: Call) -> Iterator[TensorType]:
    """Say the type: along `dim`, a place for each slice; the slices' `size` elements become the last axis."""
    whole = call.partial("input")
    axis, size, step = position(call, call.attr("dim", int), whole.rank), call.attr("size", int), call.attr("step", int)
    dims: list[Dim] = list(shape_of(whole))
    length = dims[axis]
    if size < 1 or step < 1 or (isinstance(length, int) and length < size):
        raise call.error(f"wants slices of 1 to {length} elements, a step of 1 or more apart; they are {size}, {step}")
    dims[axis] = where_known(lambda length: (length - size) // step + 1, length)
    yield TensorType(whole.dtype, (*dims, size))
