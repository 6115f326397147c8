"""Gradients against loops that count; that the loops are derivatives is shown by small differences."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from calls import make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from oracles import elementwise, gradients, products, rows, windows
from oracles.counting import Tally, values
from oracles.tape import Tape

from graphcost.errors import UnknownShapeError
from graphcost.rules import gradients as rule
from graphcost.types import DType

SIZES = st.integers(1, 3)
STEP = 1e-5


def counts(call, wanted=(0,)):
    """Return what handing dy on takes, by kind of scalar work, as a Tally gives it."""
    total = Counter()
    for term in rule.terms_of(call, tuple(wanted)):
        total[term.arith] += term.count
    return {arith: count for arith, count in total.items() if count}


def draw_attributes(data, oracle):
    return {name: data.draw(st.sampled_from(found), label=name) for name, found in oracle.attributes.items()}


def arrays(shapes, between, seed):
    drawn = np.random.default_rng(seed)
    return [np.asarray(drawn.uniform(*between, shape)) for shape in shapes]


def forward(op_type, inputs, attributes):
    """Return the forward loop's result for plain numbers."""
    tally = Tally()
    return float(elementwise.ORACLES[op_type].element(*map(tally.number, inputs), **attributes))


def difference(op_type, inputs, place, attributes):
    """Return how much the forward loop's result grows with one of its inputs."""
    up, down = ([one + side * (at == place) for at, one in enumerate(inputs)] for side in (STEP, -STEP))
    return (forward(op_type, up, attributes) - forward(op_type, down, attributes)) / (2 * STEP)


def handed_back(body, op_type, arrays, place, attributes):
    """Return what the loop counts for one input, and the terms by each element before they are summed."""
    tally, wide = Tally(), np.broadcast_arrays(*arrays)
    dx = {}
    for at, target in zip(np.ndindex(wide[0].shape), targets(arrays[place].shape, wide[0].shape), strict=True):
        inputs = [float(one[at]) for one in wide]
        y = forward(op_type, inputs, attributes)
        found = body(*map(tally.number, inputs), tally.number(y), tally.number(1.0), **attributes)
        assert float(found) == pytest.approx(difference(op_type, inputs, place, attributes), rel=1e-4, abs=1e-4)
        found = tally.number(float(found)) if isinstance(found, float) else found
        dx[target] = found if target not in dx else dx[target] + found
    return tally.as_dict()


def targets(shape, wide):
    """Return, for each place of the output, that of the input that was broadcast to it."""
    own = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return np.broadcast_to(own, wide).ravel().tolist()


def test_every_row_has_a_loop_and_the_reverse():
    assert {*rule.TABLE, "Gelu", "Clip"} == set(gradients.ELEMENTWISE)
    assert rule.ALIKE.keys() - {"Where"} == gradients.ANY_NUMBER.keys()
    assert rule.REDUCTIONS.keys() == gradients.REDUCTIONS.keys()


@pytest.mark.parametrize("op_type", gradients.ELEMENTWISE)
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_elementwise(op_type, data, seed):
    oracle = gradients.ELEMENTWISE[op_type]
    arity, attributes = len(oracle.bodies), draw_attributes(data, oracle)
    drawn = data.draw(mutually_broadcastable_shapes(num_shapes=arity, min_dims=0, max_dims=3, max_side=3))
    shapes = [drawn.result_shape, *drawn.input_shapes[1:]] if op_type == "PRelu" else drawn.input_shapes
    inputs = arrays(shapes, oracle.range, seed)
    looped = Counter()
    for place, body in enumerate(oracle.bodies):
        looped.update(handed_back(body, op_type, inputs, place, attributes))
    bounds = (
        [None if one is None else np.array(one, np.float32) for one in attributes.values()] if op_type == "Clip" else []
    )
    said = {} if op_type == "Clip" else attributes
    call = make_call(op_type, *(ts(*shape) for shape in shapes), *bounds, opset=24, **said)
    assert counts(call, range(arity)) == looped


@pytest.mark.parametrize("op_type", gradients.ANY_NUMBER)
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_any_number_of_inputs(op_type, data, seed):
    arity = data.draw(st.integers(1, 4))
    drawn = data.draw(mutually_broadcastable_shapes(num_shapes=arity, min_dims=0, max_dims=3, max_side=3))
    inputs, place = arrays(drawn.input_shapes, (-3.0, 3.0), seed), data.draw(st.integers(0, arity - 1))

    def body(*given):
        *xs, y, dy = given
        return gradients.ANY_NUMBER[op_type](xs[place], y, dy, arity)

    call = make_call(op_type, *(ts(*shape) for shape in drawn.input_shapes))
    assert counts(call, [place]) == handed_back(body, op_type, inputs, place, {})


@settings(max_examples=200, deadline=None)
@given(
    drawn=mutually_broadcastable_shapes(num_shapes=3, min_dims=0, max_dims=3, max_side=3),
    place=st.sampled_from((1, 2)),
    seed=st.integers(0, 999),
)
def test_where(drawn, place, seed):
    condition, *inputs = arrays(drawn.input_shapes, (-1.0, 1.0), seed)

    def body(condition, _x, _y, _out, dy):
        return condition.choose(*((dy, 0.0) if place == 1 else (0.0, dy)))

    types = [ts(*one.shape) for one in inputs]
    call = make_call("Where", ts(*condition.shape, dtype=DType.BOOL), *types)
    assert counts(call, [place]) == handed_back(body, "Where", [condition > 0.0, *inputs], place, {})


@pytest.mark.parametrize("op_type", gradients.REDUCTIONS)
@settings(max_examples=200, deadline=None)
@given(shape=st.lists(SIZES, min_size=1, max_size=4).map(tuple), data=st.data(), seed=st.integers(0, 999))
def test_reductions(op_type, shape, data, seed):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1))
    (x,) = arrays([shape], (0.5, 1.5), seed)

    def whole(changed):
        tally = Tally()
        return [float(one) for one in rows.reduce(op_type, tally.tensor(changed), axes, tally)]

    tally = Tally()
    dx = gradients.reduced(op_type, tally.tensor(x), [tally.number(one) for one in whole(x)], axes)
    assert counts(make_call(op_type, ts(*shape), np.array(axes), opset=18)) == tally.as_dict()
    at = data.draw(st.sampled_from(list(np.ndindex(shape))))
    step = np.zeros(shape)
    step[at] = STEP
    grown = (sum(whole(x + step)) - sum(whole(x - step))) / (2 * STEP)
    assert float(dx[at]) == pytest.approx(grown, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax"])
@settings(max_examples=200, deadline=None)
@given(shape=st.lists(SIZES, min_size=1, max_size=4).map(tuple), data=st.data(), seed=st.integers(0, 999))
def test_softmax(op_type, shape, data, seed):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x, weights = arrays([shape, shape], (-2.0, 2.0), seed)
    loop = {"Softmax": rows.softmax, "LogSoftmax": rows.log_softmax}[op_type]

    def run(changed):
        tally = Tally()
        return values(loop(tally.tensor(changed), [axis], tally))

    tally = Tally()
    back = {"Softmax": gradients.softmax, "LogSoftmax": gradients.log_softmax}[op_type]
    dx = back(tally.tensor(run(x)), tally.tensor(weights), [axis])
    assert counts(make_call(op_type, ts(*shape), axis=axis)) == tally.as_dict()
    at = data.draw(st.sampled_from(list(np.ndindex(shape))))
    step = np.zeros(shape)
    step[at] = STEP
    grown = ((run(x + step) - run(x - step)) * weights).sum() / (2 * STEP)
    assert float(dx[at]) == pytest.approx(grown, rel=1e-4, abs=1e-4)


def taped(loop, inputs, wanted, tally):
    """Run a loop forwards over a tape, then backwards, and count the way back."""
    tape = Tape()
    tensors = [None if one is None else tape.tensor(one) for one in inputs]
    y = loop(tape, *tensors)
    tape.back(tally, y.ravel(), [one for place in wanted for one in tensors[place].ravel()])
    return tensors, y


def wanted_of(data, inputs):
    places = [place for place, one in enumerate(inputs) if one is not None]
    return data.draw(st.lists(st.sampled_from(places), unique=True, min_size=1))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), sizes=st.tuples(SIZES, SIZES, SIZES), seed=st.integers(0, 999))
def test_gemm(data, sizes, seed):
    m, k, n = sizes
    alpha, beta = data.draw(st.sampled_from((1.0, 0.5))), data.draw(st.sampled_from((1.0, 0.5)))
    c = data.draw(st.sampled_from((None, (), (1,), (n,), (1, n), (m, 1), (m, n))))
    a, b, c = [None if shape is None else arrays([shape], (0.5, 3.0), seed)[0] for shape in ((m, k), (k, n), c)]
    wanted, tally = wanted_of(data, (a, b, c)), Tally()
    taped(lambda tape, *given: products.gemm(tape, *given, alpha=alpha, beta=beta), (a, b, c), wanted, tally)
    call = make_call("Gemm", *(None if one is None else ts(*one.shape) for one in (a, b, c)), alpha=alpha, beta=beta)
    assert counts(call, wanted) == tally.as_dict()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_matmul(data, seed):
    batches = data.draw(mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=2, max_side=3)).input_shapes
    m, k, n = data.draw(st.tuples(SIZES, SIZES, SIZES))
    a, b = arrays([(*batches[0], m, k), (*batches[1], k, n)], (0.5, 3.0), seed)
    wanted, tally = wanted_of(data, (a, b)), Tally()
    tensors, _ = taped(products.matmul, (a, b), wanted, tally)
    assert counts(make_call("MatMul", ts(*a.shape), ts(*b.shape)), wanted) == tally.as_dict()
    place = wanted[0]
    expected = (
        np.ones_like(a @ b) @ np.swapaxes(b, -1, -2) if place == 0 else np.swapaxes(a, -1, -2) @ np.ones_like(a @ b)
    )
    summed = expected.sum(axis=tuple(range(expected.ndim - (a, b)[place].ndim)))
    found = np.vectorize(lambda one: float(one.handed))(tensors[place])
    np.testing.assert_allclose(found.sum(), summed.sum(), rtol=1e-9)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), drawn=windows.padded_axes(), group=SIZES, seed=st.integers(0, 999))
def test_conv(data, drawn, group, seed):
    axes, auto_pad = drawn
    channels, maps, batch = data.draw(st.tuples(SIZES, SIZES, st.integers(1, 2)))
    kernel = [axis.kernel for axis in axes]
    shapes = (
        (batch, channels * group, *(axis.size for axis in axes)),
        (maps * group, channels, *kernel),
        (maps * group,),
    )
    inputs = [*arrays(shapes[:2], (0.5, 3.0), seed), data.draw(st.sampled_from((None, np.ones(shapes[2]))))]
    wanted, tally = wanted_of(data, inputs), Tally()
    padded = np.pad(inputs[0], [(0, 0), (0, 0), *((axis.begin, axis.end) for axis in axes)])
    whole = [replace(axis, size=axis.begin + axis.size + axis.end, begin=0, end=0) for axis in axes]

    def loop(tape, x, w, b):
        return windows.conv(tape, x, w, b, windows=whole, group=group)

    taped(loop, [padded, *inputs[1:]], wanted, tally)
    said = windows.attributes(axes, auto_pad) | {"group": group}
    call = make_call("Conv", *(None if one is None else ts(*one.shape) for one in inputs), **said)
    assert counts(call, wanted) == tally.as_dict()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), group=SIZES, kernel=st.lists(SIZES, min_size=1, max_size=2), seed=st.integers(0, 999))
def test_conv_transpose(data, group, kernel, seed):
    channels, maps, size = data.draw(st.tuples(SIZES, SIZES, SIZES))
    stride = data.draw(SIZES)
    axes = [windows.Axis(size, one, stride) for one in kernel]
    x, w = arrays([(1, channels * group, *[size] * len(kernel)), (channels * group, maps, *kernel)], (0.5, 3.0), seed)
    b = data.draw(st.sampled_from((None, np.ones(maps * group))))
    wanted, tally = wanted_of(data, (x, w, b)), Tally()

    def loop(tape, *given):
        return windows.conv_transpose(tape, *given, windows=axes, more=[0] * len(axes), group=group)

    taped(loop, (x, w, b), wanted, tally)
    types = (None if one is None else ts(*one.shape) for one in (x, w, b))
    call = make_call("ConvTranspose", *types, strides=[stride] * len(axes), group=group)
    assert counts(call, wanted) == tally.as_dict()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), drawn=windows.padded_axes(), op_type=st.sampled_from(("MaxPool", "AveragePool")))
def test_pools(data, drawn, op_type):
    """dX begins at zero, and each window adds to it: one number at its largest, or its share at every position."""
    axes, auto_pad = drawn
    batch, channels = data.draw(st.tuples(SIZES, SIZES))
    kernel, tally = [axis.kernel for axis in axes], Tally()
    dx = tally.number(0.0)
    for _ in range(batch * channels * int(np.prod([len(axis.starts()) for axis in axes]))):
        share = tally.number(1.0) if op_type == "MaxPool" else tally.number(1.0) / 2.0
        for _ in range(1 if op_type == "MaxPool" else int(np.prod(kernel))):
            dx = dx + share
    said = windows.attributes(axes, auto_pad) | {"kernel_shape": kernel}
    call = make_call(op_type, ts(batch, channels, *(axis.size for axis in axes)), **said)
    assert counts(call) == tally.as_dict()


@settings(max_examples=200, deadline=None)
@given(shape=st.lists(SIZES, min_size=3, max_size=5).map(tuple))
def test_global_pools(shape):
    outputs, inputs = shape[0] * shape[1], int(np.prod(shape))
    average, largest = Tally(), Tally()
    for _ in range(outputs):
        average.number(1.0) / 2.0
    for _ in range(inputs):
        largest.number(1.0).equals(2.0)
    assert counts(make_call("GlobalAveragePool", ts(*shape))) == average.as_dict()
    assert counts(make_call("GlobalMaxPool", ts(*shape))) == largest.as_dict()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), shape=st.lists(SIZES, min_size=1, max_size=3).map(tuple))
def test_gathered_and_repeated(data, shape):
    picked = data.draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=4))
    gathered = make_call("Gather", ts(*shape), ts(len(picked), dtype=DType.INT64))
    tally, dx = Tally(), np.full(shape, 0.0, object)
    for index in picked:
        for place in np.ndindex(shape[1:]):
            dx[(index, *place)] = tally.number() + dx[(index, *place)]
    assert counts(gathered) == tally.as_dict()
    times, tally, sums = data.draw(st.integers(1, 3)), Tally(), {}
    for place in np.ndindex((times, *shape)):
        sums[place[1:]] = sums[place[1:]] + tally.number() if place[1:] in sums else tally.number()
    assert counts(make_call("Expand", ts(*shape), np.array((times, *shape)))) == tally.as_dict()
    assert counts(make_call("Tile", ts(*shape), np.array((times, *[1] * (len(shape) - 1))))) == tally.as_dict()


def test_what_only_moves_elements_computes_nothing():
    assert counts(make_call("Transpose", ts(2, 3), perm=[1, 0])) == {}
    assert counts(make_call("Concat", ts(2, 3), ts(4, 3), axis=0), [0, 1]) == {}
    assert counts(make_call("Pad", ts(2, 3), np.array([0, 1, 0, 1]))) == {}


@pytest.mark.parametrize(("training", "expected"), [(False, {}), (True, {rule.MUL: 12})])
def test_dropout(training, expected):
    assert counts(make_call("Dropout", ts(2, 3), np.array(0.5, np.float32), np.array(training))) == expected


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (make_call("Det", ts(3, 3)), "the gradient of Det is not known"),
        (make_call("Pad", ts(2, 3), np.array([0, 1, 0, 1]), mode="edge"), "a Pad that repeats its input"),
    ],
)
def test_what_is_not_known_says_so(call, said):
    with pytest.raises(UnknownShapeError, match=said):
        counts(call)


def test_a_bound_has_no_gradient_here():
    with pytest.raises(UnknownShapeError, match="gradient of Clip by another input than its first"):
        counts(make_call("Clip", ts(3), ts(), ts()), [0, 1])
