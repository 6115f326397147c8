"""Detection: which of many boxes are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.rules.registry import rule, types
from graphcost.rules.search import insertions
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

_CORNERS = ((Arith.CMP, 4), (Arith.ADD, 2), (Arith.MUL, 1))
"""Per box given by two corners: which is lower and which higher, the sides, the area."""
_CENTERS = ((Arith.MUL, 3), (Arith.ADD, 4))
"""Per box given by its center and sides: half of each side, the corners, the area."""
_OVERLAP = ((Arith.CMP, 7), (Arith.ADD, 4), (Arith.MUL, 1), (Arith.DIV, 1))
"""Per pair: the corners of what they share (4 comparisons), its sides, none of them below 0 (2), its area; the area of
both together; the quotient, and whether it is above the threshold (1)."""


@types("NonMaxSuppression")
def non_max_suppression_type(_call: Call) -> Iterator[TensorType]:
    """Three numbers for each box that is kept, which depend on the elements: batch, class, box."""
    yield TensorType(DType.INT64, (None, 3))


@rule("NonMaxSuppression", not_weights="max_output_boxes_per_class iou_threshold score_threshold")
def non_max_suppression(call: Call) -> Iterator[Term]:
    """Keep the best boxes of each class that overlap none kept before: shared / (area + area - shared) <= threshold.

    boxes: (batches, boxes, 4), scores: (batches, classes, boxes). Corners and areas are computed once per box. Scores
    are compared with `score_threshold`, where it is given. Those above it are sorted by insertion, as for TopK, and
    each in turn is held against the boxes kept so far, until one overlaps it by more than `iou_threshold`; all ends
    when M = `max_output_boxes_per_class` are kept. At most, all pass the threshold, the first M - 1 are kept, and
    every other one meets these: box j meets min(j, M - 1). At least, none passes. Without a threshold all are sorted;
    then the first suppresses all others, or the first M overlap nowhere. Where M is 0 or left out, nothing is kept and
    nothing computed; where it is not known, it may be any of this.

    Source: https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html
    """
    _, classes, boxes = _sizes(call)
    kept = _most_kept(call)
    if kept == 0 or classes == 0:
        return iter(())
    if kept is None:
        return (replace(term, least=0) for term in _suppression(call, boxes))
    return _suppression(call, min(kept, boxes))


def _suppression(call: Call, kept: int) -> Iterator[Term]:
    batches, classes, boxes = _sizes(call)
    lists, all_pass = batches * classes, call.optional("score_threshold") is None
    for arith, times in _CENTERS if call.attr("center_point_box", int) else _CORNERS:
        yield work("corners, area", arith, batches=batches, boxes=boxes, per_box=times)
    if not all_pass:
        yield work("score > score_threshold", Arith.CMP, lists=lists, scores=boxes)
    others = max(boxes - 1, 0) if all_pass else 0
    most, least = insertions(boxes, boxes), lists * others
    yield work("score[i] < score[j]", Arith.CMP, least=least, lists=lists, comparisons=most)
    most, least = _pairs(boxes, kept), lists * min(others, kept * (kept - 1) // 2)
    for arith, times in _OVERLAP:
        yield work("overlap > iou_threshold", arith, least=least * times, lists=lists, pairs=most, per_pair=times)


def _sizes(call: Call) -> tuple[int, int, int]:
    """Return the batches, the classes, and the boxes of each batch."""
    boxes, scores = call.input("boxes").dims, call.input("scores").dims
    if len(scores) != 3 or boxes != (scores[0], scores[2], 4):
        raise call.error(
            f"wants boxes: (batches, boxes, 4) and scores: (batches, classes, boxes), has {boxes}, {scores}"
        )
    return scores


def _most_kept(call: Call) -> int | None:
    """Return how many boxes of a class are kept at most; None where that isn't known."""
    if not call.has_input("max_output_boxes_per_class"):
        return 0
    known = call.known_integer("max_output_boxes_per_class")
    return None if known is None else max(known, 0)


def _pairs(boxes: int, kept: int) -> int:
    """Return the sum over j < boxes of min(j, kept - 1): how many pairs of boxes are compared at most.

    >>> _pairs(6, kept=3), sum(min(j, 2) for j in range(6))
    (9, 9)
    """
    first = min(boxes, kept)
    return first * (first - 1) // 2 + (boxes - first) * (kept - 1)
