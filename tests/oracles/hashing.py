"""MurmurHash3_x86_32 over numbers of 32 bits that count what is done to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.terms import Arith

if TYPE_CHECKING:
    from oracles.counting import Tally

MASK = 0xFFFFFFFF


@dataclass
class Word:
    """An unsigned number of 32 bits."""

    value: int
    tally: Tally

    def did(self, arith, value):
        self.tally.counts[arith] += 1
        return Word(value & MASK, self.tally)

    def __mul__(self, other):
        return self.did(Arith.MUL, self.value * other)

    def __add__(self, other):
        return self.did(Arith.ADD, self.value + other)

    def __xor__(self, other):
        return self.did(Arith.LOGIC, self.value ^ other)

    def __lshift__(self, by):
        return self.did(Arith.LOGIC, self.value << by)

    def __rshift__(self, by):
        return self.did(Arith.LOGIC, self.value >> by)

    def __or__(self, other):
        return self.did(Arith.LOGIC, self.value | other)

    def rotated(self, by):
        return (self << by) | (self >> (32 - by)).value


def murmur_hash(tally, data, seed):
    """Return the hash of bytes whose number is a multiple of 4."""
    h = Word(seed, tally)
    for start in range(0, len(data), 4):
        k = Word(int.from_bytes(data[start : start + 4], "little"), tally)
        k = (k * 0xCC9E2D51).rotated(15) * 0x1B873593
        h = (h ^ k.value).rotated(13) * 5 + 0xE6546B64
    h = h ^ len(data)
    h = (h ^ (h >> 16).value) * 0x85EBCA6B
    h = (h ^ (h >> 13).value) * 0xC2B2AE35
    return (h ^ (h >> 16).value).value
