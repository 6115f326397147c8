"""Einsum as the plainest loops: one operand after the other, over dictionaries from index values to numbers."""

from __future__ import annotations

from itertools import product

import numpy as np


def einsum(tally, operands, terms, output):
    """Return the sum over all indices but the output's of the product of the operands.

    A term is a string of one letter per axis. Whatever index no later operand and not the output needs any more is
    summed out, first of the operand that alone has it.
    """
    sizes = {}
    for term, operand in zip(terms, operands, strict=True):
        for letter, size in zip(term, operand.shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    tables = [table(term, operand) for term, operand in zip(terms, operands, strict=True)]
    left = tables.pop(0)
    while tables:
        right = tables.pop(0)
        needed = set(output).union(*(letters for letters, _ in tables))
        left = summed(tally, left, [one for one in left[0] if one not in needed and one not in right[0]], sizes)
        right = summed(tally, right, [one for one in right[0] if one not in needed and one not in left[0]], sizes)
        left = multiplied(tally, left, right, needed, sizes)
    left = summed(tally, left, [one for one in left[0] if one not in output], sizes)
    return spread(left, output, sizes)


def table(term, operand):
    """Return the letters along which an operand has other than one element, and its numbers by their values."""
    letters = [one for one in dict.fromkeys(term) if operand.shape[term.index(one)] != 1]
    numbers = {}
    for place in np.ndindex(operand.shape):
        at = dict(zip(term, place, strict=True))
        if all(at[letter] == index for letter, index in zip(term, place, strict=True)):
            numbers[tuple(at[one] for one in letters)] = operand[place]
    return letters, numbers


def summed(tally, one, gone, sizes):
    """Return a table without some of its letters: the numbers of each sum are added one after the other."""
    if not gone:
        return one
    letters, numbers = one
    kept = [letter for letter in letters if letter not in gone]
    result = {}
    for key in keys(kept, sizes):
        terms = [numbers[pick(letters, dict(zip([*kept, *gone], [*key, *more], strict=True)))]
                 for more in keys(gone, sizes)]  # fmt: skip
        total = terms[0] if terms else tally.number(0)
        for term in terms[1:]:
            total = total + term
        result[key] = total
    return kept, result


def multiplied(tally, left, right, needed, sizes):
    """Return the product of two tables, summed over the letters that nobody needs any more; none, then a plain one."""
    letters = list(dict.fromkeys([*left[0], *right[0]]))
    kept = [letter for letter in letters if letter in needed]
    gone = [letter for letter in letters if letter not in needed]
    result = {}
    for key in keys(kept, sizes):
        total = tally.number(0)
        if not gone:
            at = dict(zip(kept, key, strict=True))
            total = left[1][pick(left[0], at)] * right[1][pick(right[0], at)]
        for more in keys(gone, sizes) if gone else ():
            at = dict(zip([*kept, *gone], [*key, *more], strict=True))
            total = total.mac(left[1][pick(left[0], at)], right[1][pick(right[0], at)])
        result[key] = total
    return kept, result


def keys(letters, sizes):
    return product(*(range(sizes[letter]) for letter in letters))


def pick(letters, at):
    return tuple(at[letter] for letter in letters)


def spread(one, output, sizes):
    """Return a table as an array with an axis for each letter of the output."""
    letters, numbers = one
    result = np.empty([sizes[letter] for letter in output], object)
    for place in np.ndindex(result.shape):
        result[place] = numbers[pick(letters, dict(zip(output, place, strict=True)))]
    return result
