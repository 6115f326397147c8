"""What the operators of ai.onnx.ml share: rows, lists among the attributes, labels, what becomes of scores.

Their readings, for all of them:

- What a model learnt stands in its attributes. A list of many entries is left on disk: its length is all that is known.
- X holds rows of features; a vector is one row. Rows are computed in X's type where that is a float, else in float32.
- Looking a key up in a table is one comparison, as in a table that hashes its keys; comparing two strings is one too,
  as for Equal.
- `post_transform` turns a row of scores into probabilities. LOGISTIC: 1 / (1 + exp(-score)). SOFTMAX: the stable one of
  the operator Softmax. SOFTMAX_ZERO: the same, but a score of 0 stays 0; each is compared with 0, and counted as one
  that is not. PROBIT: sqrt(2) * erfinv(2 * score - 1), with the inverse of the Gauss error function counted as itself.
- The label of a row is that of its highest score; a single score is compared with a threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules import softmax
from graphcost.rules.elementwise import TABLE
from graphcost.rules.shared import axes
from graphcost.rules.shared.lists import length
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim

POST_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
"""In the order of the numbers that TreeEnsemble has for them."""

_PER_SCORE = {
    "NONE": (),
    "LOGISTIC": TABLE["Sigmoid"].kinds,
    "PROBIT": (Arith.MUL, Arith.ADD, Arith.ERF, Arith.MUL),
}


def matrix(call: Call, x: TensorType) -> TensorType:
    """Return the type of X as rows of features, a vector being one row."""
    if x.rank == 1:
        return TensorType(x.dtype, (1, *shape_of(x)))
    if x.rank != 2:
        raise call.error(f"wants X of shape [N, C] or [C], it is {x}")
    return x


def rows_of(call: Call) -> tuple[int, int]:
    """Return how many rows X has, and features in each."""
    rows, features = matrix(call, call.input("X")).dims
    return rows, features


def partial_rows(call: Call) -> tuple[Dim, Dim]:
    """Return the same as far as it is known."""
    rows, features = shape_of(matrix(call, call.partial("X")))
    return rows, features


def computes_in(call: Call) -> DType:
    """Return the type in which rows are computed."""
    dtype = call.input("X").dtype
    return dtype if dtype and dtype.is_float else DType.FLOAT32


def at_least_one(call: Call, name: str) -> int:
    """Return an attribute that says how many there are of something."""
    found = call.attr(name, int)
    if found < 1:
        raise call.error(f"wants {name} of 1 or more, it is {found}")
    return found


def groups(call: Call, name: str, size: int, what: str) -> int:
    """Return how many groups of a size a list holds."""
    found = length(call, name)
    if size < 1 or found % size:
        raise call.error(f"wants {name} for each of {size} {what}, there are {found}")
    return found // size


def labels_type(call: Call) -> DType:
    """Return the type of the labels that a classifier gives."""
    return DType.STRING if length(call, "classlabels_strings") else DType.INT64


def post_transform(call: Call, name: str, rows: int, scores: int) -> Iterator[Term]:
    """Yield the work of what becomes of so many scores per row."""
    dtype = computes_in(call)
    if name in {"SOFTMAX", "SOFTMAX_ZERO"}:
        if name == "SOFTMAX_ZERO":
            yield work("score = 0", Arith.CMP, dtype=dtype, rows=rows, scores=scores)
        yield from in_type(dtype, softmax.shares(axes.Rows(rows, scores)))
    else:
        for arith in _PER_SCORE[name]:
            yield work(f"{name.lower()}(score)", arith, dtype=dtype, rows=rows, scores=scores)


def top_class(call: Call, rows: int, scores: int) -> Term:
    """Return the work of finding the label of each row."""
    return work("top class", Arith.CMP, dtype=computes_in(call), rows=rows, comparisons=max(scores - 1, 1))
