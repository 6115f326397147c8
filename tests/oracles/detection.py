"""NonMaxSuppression as the plainest loops."""

from __future__ import annotations

from oracles import search


def non_max_suppression(tally, boxes, scores, kept, iou, score=None, *, centers=False):
    """Return [batch, class, box] of each box that is kept. Boxes and scores are nested lists of numbers."""
    selected = []
    for batch, of_batch in enumerate(scores):
        shapes = [(of_center if centers else of_corners)(box) for box in boxes[batch]]
        for kind, row in enumerate(of_batch):
            passing = [place for place, one in enumerate(row) if score is None or one > score]
            sorting = [float(row[place]) for place in passing]
            order = search.top_k(tally, sorting, len(sorting), lambda a, b: a > b)
            chosen = []
            for place in (passing[index] for index in order):
                if len(chosen) == kept:
                    break
                if not any(overlap(shapes[place], shapes[one]) > iou for one in chosen):
                    chosen.append(place)
            selected += [[batch, kind, place] for place in chosen]
    return selected


def of_corners(box):
    """Return lower and higher corner and the area of a box given by any two opposite corners."""
    y1, x1, y2, x2 = box
    bottom, top, left, right = y1.minimum(y2), y1.maximum(y2), x1.minimum(x2), x1.maximum(x2)
    return bottom, left, top, right, (top - bottom) * (right - left)


def of_center(box):
    x, y, width, height = box
    half_width, half_height = width * 0.5, height * 0.5
    return y - half_height, x - half_width, y + half_height, x + half_width, width * height


def overlap(one, other):
    """Return what two boxes share, as a part of what they cover together."""
    bottom, left = one[0].maximum(other[0]), one[1].maximum(other[1])
    top, right = one[2].minimum(other[2]), one[3].minimum(other[3])
    shared = (top - bottom).maximum(0.0) * (right - left).maximum(0.0)
    return shared / (one[4] + other[4] - shared)
