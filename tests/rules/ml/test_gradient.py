"""Gradient has the types of what it derives by."""

from __future__ import annotations

from calls import make_call, ts


def test_a_derivative_is_of_the_type_of_what_it_is_by():
    domain = "ai.onnx.preview.training"
    call = make_call("Gradient", ts(2, 3), ts(4), ts(5), domain=domain, opset=1, outputs=2, xs=["a", "b"], y="c")
    assert call.outputs == (ts(2, 3), ts(4))
