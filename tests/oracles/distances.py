"""Distances as the plainest loops."""

from __future__ import annotations

from oracles import rows


def between(tally, a, b, metric):
    """Return the distance between each row of a and each row of b."""
    found = []
    for one in a:
        for other in b:
            differences = [x - y for x, y in zip(one, other, strict=True)]
            total = rows.total([d * d for d in differences], tally)
            found.append(total.sqrt() if metric == "euclidean" else total)
    return found


def cheapest_path(costs):
    """Return the places of the cheapest path through a matrix of costs, and what it costs."""
    sums, origins = {}, {}
    for r, row in enumerate(costs):
        for c, cost in enumerate(row):
            ways = [(r - 1, c - 1), (r - 1, c), (r, c - 1)]
            ways = [one for one in ways if one in sums]
            best = ways[0] if ways else None
            for one in ways[1:]:
                if sums[one] < sums[best]:
                    best = one
            sums[r, c] = cost if best is None else cost + sums[best]
            origins[r, c] = best
    last = place = (len(costs) - 1, len(costs[0]) - 1)
    path = []
    while place is not None:
        path.append(place)
        place = origins[place]
    return path[::-1], sums[last]
