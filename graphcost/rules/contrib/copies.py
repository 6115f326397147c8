"""What comes out of onnxruntime's own operators that only move elements; movement.py declares them free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.axes import position
from graphcost.rules.domains import MICROSOFT
from graphcost.rules.registry import signature, types
from graphcost.rules.scalars import integer
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.types import Dim


signature("ExpandDims", "X axis -> Y", domain=MICROSOFT)
signature("GatherND", "data indices -> output", domain=MICROSOFT)
signature("Pad", "data pads value? -> output", domain=MICROSOFT, mode="constant")
signature("SampleOp", "X -> Y", domain=MICROSOFT)
signature("TorchEmbedding", "weight indices padding_idx? scale_grad_by_freq? -> Y", domain=MICROSOFT)
signature("Trilu", "X k? -> Y", domain=MICROSOFT, upper=1)


@types("SampleOp", "Trilu", domain=MICROSOFT)
def same_type(call: Call) -> Iterator[TensorType]:
    """The output is as the input."""
    yield call.partial("X")


@types("ExpandDims", domain=MICROSOFT)
def expand_dims_type(call: Call) -> Iterator[TensorType]:
    """The output has an axis of size 1 more, where `axis` says."""
    x = call.partial("X")
    known = integer(call, "axis")
    if known is None:
        yield TensorType(x.dtype, (None,) * (x.rank + 1))
    else:
        axis = position(call, known, x.rank + 1)
        yield TensorType(x.dtype, (*shape_of(x)[:axis], 1, *shape_of(x)[axis:]))


@types("GatherND", domain=MICROSOFT)
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


@types("Pad", domain=MICROSOFT)
def pad_type(call: Call) -> Iterator[TensorType]:
    """Each axis has so many elements more as `pads` says, first for all beginnings, then for all ends."""
    data, (_, pads, *_) = call.partial("data"), (*call.constants, None)
    if pads is None:
        yield TensorType(data.dtype, (None,) * data.rank)
        return
    if pads.size != 2 * data.rank:
        raise call.error(f"wants {2 * data.rank} pads, has {pads.size}")
    more = pads.reshape(2, data.rank).sum(axis=0).tolist()
    yield TensorType(data.dtype, tuple(_longer(dim, by) for dim, by in zip(shape_of(data), more, strict=True)))


def _longer(dim: Dim, by: int) -> Dim:
    return dim + by if isinstance(dim, int) else None


@types("TorchEmbedding", domain=MICROSOFT)
def torch_embedding_type(call: Call) -> Iterator[TensorType]:
    """The output has a row of the weight for each index."""
    weight, indices = call.partial("weight"), call.partial("indices")
    yield TensorType(weight.dtype, (*shape_of(indices), *shape_of(weight)[1:]))
