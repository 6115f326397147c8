"""Text: the n-grams of a row of tokens, found element by element."""

from __future__ import annotations

from graphcost.terms import Arith


def ngrams(row, first, last, max_skip):
    """Yield every n-gram of a row: its elements are at equal distances; a single one has no distance."""
    for size in range(first, last + 1):
        for distance in range(1, max_skip + 2) if size > 1 else (1,):
            for start in range(len(row)):
                places = [start + step * distance for step in range(size)]
                if places[-1] < len(row):
                    yield tuple(row[place] for place in places)


def is_in(pool, ngram, tally):
    """Return whether an n-gram is in the pool: element by element, as long as one of the pool begins so."""
    candidates = [one for one in pool if len(one) == len(ngram)]
    for place, element in enumerate(ngram):
        tally.counts[Arith.CMP] += 1
        candidates = [one for one in candidates if one[place] == element]
        if not candidates:
            return False
    return True


def counted(row, pool, indexes, lengths, tally):
    """Return how often each n-gram of the pool occurs in a row."""
    found = [0] * (max(indexes) + 1)
    for ngram in ngrams(row, *lengths):
        if is_in(pool, ngram, tally):
            tally.counts[Arith.ADD] += 1
            found[indexes[pool.index(ngram)]] += 1
    return found


def weighted(found, mode, weights, tally):
    """Return the counts of a row by mode; an n-gram's weight stands at its place in the output."""
    if mode == "IDF":
        tally.counts[Arith.CMP] += len(found)
        found = [min(1, count) for count in found]
    if mode != "TF" and weights:
        tally.counts[Arith.MUL] += len(found)
        found = [count * weight for count, weight in zip(found, weights, strict=True)]
    return found
