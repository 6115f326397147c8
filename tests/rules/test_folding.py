"""Col2Im against a loop that counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import sampling as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed
from oracles.windows import axes as window_axes

from graphcost.errors import NodeError

INT64 = np.int64


@checks("Col2Im")
@given(st.lists(window_axes(largest=4), min_size=1, max_size=2), st.integers(1, 2), st.integers(1, 2))
@settings(max_examples=250, deadline=None)
def test_col2im_counts_what_the_loop_does(windows, batch, channels):
    block, image = [axis.kernel for axis in windows], [axis.size for axis in windows]
    tally = Tally()
    columns = tally.some(batch, channels * math.prod(block), math.prod(len(axis.starts()) for axis in windows))
    y = oracle.col2im(tally, columns, image, windows)
    said = {
        "strides": [axis.stride for axis in windows],
        "dilations": [axis.dilation for axis in windows],
        "pads": [axis.begin for axis in windows] + [axis.end for axis in windows],
    }
    given = np.array(image, INT64), np.array(block, INT64)
    np.testing.assert_allclose(values(y), computed("Col2Im", [values(columns), *given], 18, **said)[0], atol=1e-12)
    call = make_call("Col2Im", ts(*columns.shape), *given, **said)
    assert call.outputs == (ts(*y.shape),)
    assert counts(call) == tally.as_dict()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ts(1, 5, 4), "a multiple of the block's 4 elements"),
        (ts(1, 4, 5), "a column for each of 4 blocks, there are 5"),
    ],
)
def test_what_breaks_the_specification_is_named(columns, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call("Col2Im", columns, np.array([3, 3]), np.array([2, 2])))
