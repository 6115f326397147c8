"""Types that follow from the elements of an input, where onnx's inference doesn't read them, or reads them wrongly.

Registers no cost.
"""

from __future__ import annotations

from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcost.rules.axes import position
from graphcost.rules.registry import types
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call


@types("Compress")
def compress_types(call: Call) -> Iterator[TensorType]:
    """The output has as many slices of the input along `axis` as the condition is true; without, single elements."""
    x, condition = call.partial("input"), call.constants[1]
    kept = None if condition is None else int(np.count_nonzero(condition))
    if "axis" not in call.attributes:
        yield TensorType(x.dtype, (kept,))
    else:
        axis = position(call, call.attr("axis", int), x.rank)
        yield TensorType(x.dtype, tuple(kept if at == axis else dim for at, dim in enumerate(shape_of(x))))


@types("OneHot")
def one_hot_types(call: Call) -> Iterator[TensorType]:
    """The output is as the indices with one axis more, of size `depth`; its elements are as the values."""
    indices, values, depth = call.partial("indices"), call.partial("values"), call.constants[1]
    axis = position(call, call.attr("axis", int), indices.rank + 1)
    if depth is not None and not 0 <= call.scalar("depth") < inf:
        raise call.error(f"wants a depth of 0 or more, it is {call.scalar('depth')}")
    size = None if depth is None else int(call.scalar("depth"))
    yield TensorType(values.dtype, (*shape_of(indices)[:axis], size, *shape_of(indices)[axis:]))


@types("Range")
def range_types(call: Call) -> Iterator[TensorType]:
    """The output holds ceil((limit - start) / delta) elements, none where that is negative.

    Runtimes compute it in different precisions; where the number of elements depends on that, it is not known. They
    take inputs of one element, whatever their rank; onnx's inference refuses any but scalars.
    """
    dtypes = {one.dtype for one in call.inputs if isinstance(one, TensorType) and one.dtype}
    if len(dtypes) > 1 or not all(one.is_float or one.is_integer for one in dtypes):
        raise call.error(f"wants numbers of one type, has {', '.join(sorted(one.value for one in dtypes))}")
    dtype = next(iter(dtypes), None)
    start, limit, delta = (None if one is None else one.ravel() for one in call.constants)
    if start is None or limit is None or delta is None:
        yield TensorType(dtype, (None,))
        return
    if any(one.size != 1 for one in (start, limit, delta)) or not delta[0]:
        raise call.error("wants start, limit and delta to have 1 element each, delta other than 0")
    yield TensorType(dtype, (_steps(start[0], limit[0], delta[0]),))


def _steps(start: Any, limit: Any, delta: Any) -> int | None:
    """Return how many steps of a length lead from a number up to another; None where rounding decides."""
    if start.dtype.kind in "iu":
        return max(-((int(start) - int(limit)) // int(delta)), 0)
    single = [np.float32(one) if one.dtype.itemsize < 4 else one for one in (start, limit, delta)]
    double = [float(one) for one in single]
    with np.errstate(all="ignore"):
        quotients = {
            float((single[1] - single[0]) / single[2]),
            float(single[1] - single[0]) / double[2],
            (double[1] - double[0]) / double[2],
        }
    sizes = {max(ceil(one), 0) if isfinite(one) else None for one in quotients}
    return sizes.pop() if len(sizes) == 1 else None
