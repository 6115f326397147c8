"""MurmurHash3 against the algorithm over counting numbers."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.checked import checks
from oracles.counting import Tally
from oracles.hashing import murmur_hash

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.types import DType

MICROSOFT = "com.microsoft"


@checks("MurmurHash3", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(
    shape=st.lists(st.integers(0, 3), max_size=2),
    dtype=st.sampled_from((DType.INT32, DType.UINT32, DType.INT64, DType.FLOAT32, DType.FLOAT64)),
    positive=st.integers(0, 1),
)
def test_murmur_hash(shape, dtype, positive):
    tally = Tally()
    for one in np.ones(shape, dtype.value).flat:
        murmur_hash(tally, one.tobytes(), 0)
    call = make_call("MurmurHash3", ts(*shape, dtype=dtype), domain=MICROSOFT, positive=positive)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*shape, dtype=DType.UINT32 if positive else DType.INT32),)


@pytest.mark.parametrize(("text", "seed", "expected"), [
    (b"", 0, 0),
    (b"", 1, 0x514E28B7),
    (b"test", 0, 0xBA6BD213),
    (b"test", 0x9747B28C, 0x704B81DC),
])  # fmt: skip
def test_the_loop_gives_the_published_hashes(text, seed, expected):
    assert murmur_hash(Tally(), text, seed) == expected


def test_strings_are_unknown():
    with pytest.raises(UnknownShapeError, match="how many bytes"):
        terms(make_call("MurmurHash3", ts(3, dtype=DType.STRING), domain=MICROSOFT))


def test_elements_of_other_sizes_are_an_error():
    with pytest.raises(NodeError, match="wants X of elements of 4 or 8 bytes"):
        terms(make_call("MurmurHash3", ts(3, dtype=DType.INT8), domain=MICROSOFT))
