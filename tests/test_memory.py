"""The ideal peak, by hand: what is alive at once, in bytes of float32."""

from __future__ import annotations

import pytest
from build import model

from graphcost.analysis import analyze

CASES = {
    # x and y together
    "one operator": ("float[8] x => float[M] y", ["y = Softmax(x)"], 4 * (8 + 8), "y"),
    # Relu writes over x
    "in place": ("float[8] x => float[M] y", ["y = Relu(x)"], 4 * 8, "y"),
    # x is read again, so the first Relu can't write over it; the Add can write over either
    "a residual": ("float[8] x => float[M] y", ["a = Relu(x)", "y = Add(x, a)"], 4 * (8 + 8), "a"),
    "a view takes nothing": ("float[8] x => float[M] y", ["a = Unsqueeze(x, i)", "y = Squeeze(a)"], 4 * 8, "a"),
    # the view keeps x alive until Softmax has read it
    "a view keeps its source": ("float[8] x => float[M] y", ["v = Identity(x)", "a = Softmax(v)", "y = Softmax(a)"],
                                4 * 16, "a"),
    # at the Concat: a, b and y
    "a join": ("float[8] x => float[M] y", ["a = Softmax(x)", "b = Softmax(a)", "y = Concat<axis = 0>(a, b)"],
               4 * (8 + 8 + 16), "y"),
    # two branches from one input: x, a and b live while b is made
    "an output stays": ("float[8] x => float[M] a, float[M] b", ["a = Softmax(x)", "b = Softmax(x)"], 4 * 24, "b"),
    "weights are left out": ("float[1,8] x => float[M] y <float[8,2] w>", ["y = MatMul(x, w)"], 4 * (8 + 2), "y"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_peak(case):
    signature, nodes, peak, place = CASES[case]
    stored = signature if "<" in signature else signature + " <int64[1] i = {0}>"
    memory = analyze(model(stored, *nodes)).memory
    assert (memory.peak.best, memory.peak_at) == (peak, place)
    assert sum(one.bytes for one in memory.alive) == peak


def test_activations_are_all_values_that_nodes_compute_but_views():
    nodes = ["a = Softmax(x)", "v = Identity(a)", "y = Concat<axis = 0>(v, a)"]
    assert analyze(model("float[8] x => float[M] y", *nodes)).memory.activations.best == 4 * (8 + 16)


def test_an_unknown_size_makes_the_peak_a_lower_bound():
    memory = analyze(model("float[8] x => int64[M,N] y", "a = Softmax(x)", "y = NonZero(a)")).memory
    assert (memory.peak.low, memory.peak.high) == (64, None)


def test_a_body_adds_its_own_peak():
    body = """<opset_import: ["" : 22], domain: "f"> wide (a) => (c) {
        b = Concat<axis = 0>(a, a, a)
        s = Softmax(b)
        c = ReduceMax<keepdims = 1>(s)
    }"""
    built = model("float[8] x => float[M] y", "y = f.wide(x)", functions=body, domains=', "f" : 1')
    assert analyze(built).memory.peak.best == 4 * (8 + 24 + 24)  # x is held by the caller, then b and s


def test_a_loops_body_is_counted_once_however_often_it_runs():
    loop = """y = Loop(n, , x) <body = g (int64 i, bool k, float[8] s) => (bool k2, float[8] s2) {
        k2 = Identity(k)
        a = Softmax(s)
        s2 = Softmax(a)
    }>"""
    peaks = {
        analyze(model(f"float[8] x => float[M] y <int64 n = {{{times}}}>", loop)).memory.peak.best for times in (1, 50)
    }
    assert len(peaks) == 1


def test_an_output_that_the_last_node_reads_is_not_written_over():
    report = analyze(
        model("float[1,8] x => float[1,8] a, float[1,8] b <float[8,8] w>", "a = MatMul(x, w)", "b = Relu(a)")
    )
    assert report.memory.peak.best == 2 * 32


def test_a_functions_results_are_counted_once():
    body = '<opset_import: ["" : 22], domain: "f"> g (x, w) => (y) { y = MatMul(x, w) }'
    built = model("float[1,8] x => float[1,8] y <float[8,8] w>", "y = f.g(x, w)", functions=body, domains=', "f" : 1')
    assert analyze(built).memory.activations.best == 32


def test_an_unknown_branch_gives_a_range():
    node = """y = If(c) <
        then_branch = t () => (float[4] a) { a = Relu(x) },
        else_branch = e () => (float[4] b) { s = Concat<axis = 0>(x, x, x) t = Softmax(s) b = Slice(t, z, f) }
    >"""
    memory = analyze(model("float[4] x, bool c => float[4] y <int64[1] z = {0}, int64[1] f = {4}>", node)).memory
    assert (memory.activations.low, memory.activations.high) == (16, 48 + 48 + 16)
    assert memory.peak.low < memory.peak.high


def test_a_loop_that_never_turns_computes_nothing():
    loop = """y = Loop(n, , x) <body = g (int64 i, bool k, float[8] s) => (bool k2, float[8] s2) {
        k2 = Identity(k)
        a = Softmax(s)
        s2 = Softmax(a)
    }>"""
    assert analyze(model("float[8] x => float[8] y <int64 n = {0}>", loop)).memory.activations.best == 0


def test_a_list_of_tensors_is_no_view_of_its_first():
    memory = analyze(model("float[8] x => float[16] y", "a = Softmax(x)", "s = SequenceConstruct(x, a)",
                           "y = ConcatFromSequence<axis = 0>(s)")).memory  # fmt: skip
    assert memory.peak.high is None
