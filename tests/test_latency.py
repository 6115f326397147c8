from __future__ import annotations

import pytest
from build import model

from graphcost.analysis import analyze
from graphcost.devices import devices, find
from graphcost.errors import UsageError

PI = find("raspberry-pi-5")


def test_a_flat_device_divides_flops_by_its_rate():
    built = model("float[1,1000] x => float[M] y <float[1000,1000] w>", "y = MatMul(x, w)")
    (latency,) = analyze(built, devices=["cpu-1gflops"]).latency
    assert latency.seconds == 2 * 1000 * 1000 / 1e9
    assert (latency.grade, latency.is_lower_bound) == ("flat", False)


def test_a_flat_device_refuses_a_convention_that_counts_macs():
    built = model("float[1,4] x => float[M] y", "y = Relu(x)")
    with pytest.raises(UsageError, match=r"cpu-1gflops.*'macs' counts MACs"):
        analyze(built, devices=["cpu-1gflops"], convention="macs")


def test_a_roofline_is_the_larger_of_compute_and_memory_whatever_the_convention():
    built = model("float[1,1000] x => float[M] y <float[1000,1000] w>", "y = MatMul(x, w)")
    compute, moved = 2e6 / PI.peak["float32"].value, 4 * (1000 + 1_000_000 + 1000) / PI.bandwidth.value
    for convention in ("graphcost", "macs", "textbook"):
        (latency,) = analyze(built, devices=["raspberry-pi-5"], convention=convention).latency
        assert latency.seconds == pytest.approx(max(compute, moved))
        assert (latency.bound, latency.grade, latency.is_lower_bound) == ("memory", "datasheet", True)


def test_a_large_batch_is_bound_by_compute():
    built = model("float[1000,1000] x => float[M] y <float[1000,1000] w>", "y = MatMul(x, w)")
    (latency,) = analyze(built, devices=["raspberry-pi-5"]).latency
    assert (latency.bound, latency.seconds) == ("compute", pytest.approx(2e9 / PI.peak["float32"].value))


def test_each_type_has_its_own_peak():
    built = model("float16[1000,1000] x => float16[M] y <float16[1000,1000] w>", "y = MatMul(x, w)")
    (latency,) = analyze(built, devices=["raspberry-pi-5"]).latency
    assert latency.seconds == pytest.approx(2e9 / PI.peak["float16"].value)


def test_an_embedding_moves_only_the_rows_that_are_read():
    built = model("int64[2] x => float[M] y <float[100000,100] w>", "y = Gather(w, x)")
    (latency,) = analyze(built, devices=["raspberry-pi-5"]).latency
    assert latency.seconds == pytest.approx((2 * 8 + 2 * 400 + 2 * 400) / PI.bandwidth.value)


def test_several_devices_at_once():
    built = model("float[1,4] x => float[M] y", "y = Relu(x)")
    names = ["raspberry-pi-5", "nvidia-a100-sxm-80gb"]
    assert [one.device for one in analyze(built, devices=names).latency] == names


def test_an_unknown_device_is_named_with_those_that_exist():
    with pytest.raises(UsageError, match=r"'gameboy'.*raspberry-pi-5"):
        find("gameboy")


def test_every_figure_has_a_source():
    for device in devices():
        figures = [device.rate, device.bandwidth, device.memory, *device.peak.values()]
        assert all(one.source and one.value > 0 for one in figures if one)
        assert device.rate or (device.peak and device.bandwidth)


def test_a_weight_is_charged_as_it_is_stored():
    """A kernel can read the 8-bit weight and dequantize it on the way."""
    built = model(
        "float[1,64] x => float[1,64] y <int8[64,64] w, float s, int8 z>",
        "v = DequantizeLinear(w, s, z)",
        "y = MatMul(x, v)",
    )
    (latency,) = analyze(built, devices=["raspberry-pi-5"]).latency
    stored, scales = 64 * 64, 4 + 1
    assert latency.seconds == pytest.approx((stored + scales + 2 * 64 * 4) / PI.bandwidth.value)


def test_what_no_output_needs_costs_no_time():
    signature = "float[1,64] x => float[1,64] y <float[64,64] w>"
    alone = analyze(model(signature, "y = MatMul(x, w)"), devices=["raspberry-pi-5"]).latency
    dead = analyze(model(signature, "y = MatMul(x, w)", "d = MatMul(y, w)"), devices=["raspberry-pi-5"]).latency
    assert alone == dead


def test_a_flat_device_shows_the_range_of_an_if():
    node = """y = If(c) <
        then_branch = t () => (float[4] a) { a = Relu(x) },
        else_branch = e () => (float[4] b) { b = Softmax(x) }
    >"""
    (latency,) = analyze(model("float[4] x, bool c => float[4] y", node), devices=["cpu-1gflops"]).latency
    assert latency.shortest == pytest.approx(4e-9)
    assert latency.seconds > latency.shortest
