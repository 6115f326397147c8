"""The students' labs as ONNX models with a symbolic batch `N`, beside the numbers on the labs' sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def lab1() -> onnx.ModelProto:
    """784-512-256-128 relu, 1 sigmoid."""
    net = Sequential(784)
    for units in (512, 256, 128):
        net.dense(units, "Relu")
    net.dense(1, "Sigmoid")
    return net.model()


def lab2() -> onnx.ModelProto:
    """784-512-256-128 relu, 10 softmax."""
    net = Sequential(784)
    for units in (512, 256, 128):
        net.dense(units, "Relu")
    net.dense(10, "Softmax")
    return net.model()


def lab3() -> onnx.ModelProto:
    """28x28x1: two Conv2D, each with a MaxPool, two Dense."""
    net = Sequential(1, 28, 28)
    for filters in (32, 64):
        net.conv(filters, 3, activation="Relu")
        net.max_pool(2)
    net.flatten()
    net.dense(64, "Relu")
    net.dense(10, "Softmax")
    return net.model()


def lab4() -> onnx.ModelProto:
    """32x32x3: Conv2D, MaxPool, Conv2D, MaxPool, Conv2D, two Dense."""
    net = Sequential(3, 32, 32)
    net.conv(32, 3, activation="Relu")
    net.max_pool(2)
    net.conv(64, 3, activation="Relu")
    net.max_pool(2)
    net.conv(128, 3, activation="Relu")
    net.flatten()
    net.dense(128, "Relu")
    net.dense(10, "Softmax")
    return net.model()


def lab5() -> onnx.ModelProto:
    """16x64x64x1: two Conv3D, each with a MaxPool3D, two Dense."""
    net = Sequential(1, 16, 64, 64)
    for filters in (32, 64):
        net.conv(filters, 3, activation="Relu")
        net.max_pool(2)
    net.flatten()
    net.dense(128, "Relu")
    net.dense(5, "Softmax")
    return net.model()


def lab6(steps: int = 5) -> onnx.ModelProto:
    """SimpleRNN 3 over steps of 4 features, Dense 2 sigmoid."""
    net = Sequential(steps, 4)
    net.recurrent("RNN", 3)
    net.dense(2, "Sigmoid")
    return net.model()


def lab6_one_step() -> onnx.ModelProto:
    """Lab 6 with a sequence of length 1, which is what its sheet counted."""
    return lab6(steps=1)


def lab7() -> onnx.ModelProto:
    """LSTM 3 on 1 step of 4 features."""
    net = Sequential(1, 4)
    net.recurrent("LSTM", 3)
    return net.model()


def lab8() -> onnx.ModelProto:
    """784-512 relu, 10 softmax."""
    net = Sequential(784)
    net.dense(512, "Relu")
    net.dense(10, "Softmax")
    return net.model()


def lab9() -> onnx.ModelProto:
    """200x300x3: three Conv2D 3x3, stride 2, same, without activation."""
    net = Sequential(3, 200, 300)
    for filters in (100, 200, 400):
        net.conv(filters, 3, stride=2, auto_pad="SAME_UPPER")
    return net.model()


def lab10() -> onnx.ModelProto:
    """47x47x3: five valid Conv2D, two Dense, without activation."""
    net = Sequential(3, 47, 47)
    net.conv(32, 5)
    net.conv(32, 3, stride=2)
    net.conv(32, 3)
    net.conv(32, 3, stride=2)
    net.conv(32, 3)
    net.flatten()
    net.dense(128)
    net.dense(10)
    return net.model()


@dataclass(frozen=True, slots=True)
class Expected:
    """What the sheet says of one lab at batch 1; None where it says nothing."""

    parameters: int
    "elements of all weights and biases"
    macs: int
    "multiply-accumulates of products"
    textbook: int | None = None
    "FLOPs by the convention `textbook`"
    tf_profiler: int | None = None
    "FLOPs by the convention `tf-profiler`"
    macs_with_bias: int | None = None
    "multiply-accumulates by the convention `macs-with-bias`"


LABS = {
    lab1: Expected(566_273, 565_376, textbook=1_131_649, tf_profiler=1_131_649),
    lab2: Expected(567_434, 566_528, textbook=1_134_012, tf_profiler=1_134_012),
    lab3: Expected(121_930, 2_528_000, textbook=5_113_532, tf_profiler=5_113_532),
    lab4: Expected(356_810, 5_335_680, textbook=10_751_228, tf_profiler=10_751_228),
    lab5: Expected(3_268_293, 282_228_608, textbook=568_371_422, tf_profiler=566_448_606),
    lab6: Expected(32, 111, textbook=239),
    lab6_one_step: Expected(32, 27, textbook=59),  # 27 is 3*(4+3) + 6: the sheet's formula with one step
    lab7: Expected(96, 84),
    lab8: Expected(407_050, 406_528, textbook=813_628, tf_profiler=813_628),
    lab9: Expected(903_400, 1_399_500_000),
    lab10: Expected(241_546, 13_228_896, macs_with_bias=13_318_026),
}


class Sequential:
    """Appends one layer after the other, as an exporter would write it: channels first, weights all zero."""

    def __init__(self, *shape: int):
        self.shape = shape  # of one sample
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.value = "x"
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", *shape))

    def dense(self, units: int, activation: str | None = None) -> None:
        """Append Gemm and its activation."""
        self._append("Gemm", self._weight(*self.shape, units), self._weight(units))
        self.shape = (units,)
        self._activate(activation)

    def conv(
        self, filters: int, kernel: int, stride: int = 1, auto_pad: str = "VALID", activation: str | None = None
    ) -> None:
        """Append Conv over as many spatial dimensions as there are, and its activation."""
        channels, *spatial = self.shape
        window = [kernel] * len(spatial)
        weights = self._weight(filters, channels, *window), self._weight(filters)
        self._append("Conv", *weights, kernel_shape=window, strides=[stride] * len(spatial), auto_pad=auto_pad)
        covered = 0 if auto_pad == "SAME_UPPER" else kernel - 1
        self.shape = (filters, *(-(-(size - covered) // stride) for size in spatial))
        self._activate(activation)

    def max_pool(self, window: int) -> None:
        """Append MaxPool whose windows do not overlap."""
        channels, *spatial = self.shape
        self._append("MaxPool", kernel_shape=[window] * len(spatial), strides=[window] * len(spatial))
        self.shape = (channels, *(size // window for size in spatial))

    def flatten(self) -> None:
        """Append Flatten."""
        self._append("Flatten")
        self.shape = (int(np.prod(self.shape)),)

    def recurrent(self, op_type: str, units: int) -> None:
        """Append RNN or LSTM over (steps, features), returning the last state.

        Keras has one bias per gate where ONNX wants two: the second is padding, so that it is no parameter.
        """
        gates = {"RNN": 1, "LSTM": 4}[op_type]
        _, features = self.shape
        self._append("Transpose", perm=[1, 0, 2])
        kernels = self._weight(1, gates * units, features), self._weight(1, gates * units, units)
        pads = self._constant([0, 0, 0, gates * units])
        self.nodes.append(helper.make_node("Pad", [self._weight(1, gates * units), pads], ["bias"], name="bias"))
        self._append(op_type, *kernels, "bias", outputs=["", "state"], hidden_size=units)
        self._append("Squeeze", self._constant([0]))
        self.shape = (units,)

    def model(self) -> onnx.ModelProto:
        """Return what was appended."""
        output = helper.make_tensor_value_info(self.value, TensorProto.FLOAT, ("N", *self.shape))
        graph = helper.make_graph(self.nodes, "lab", [self.input], [output], self.weights)
        return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])

    def _append(self, op_type: str, *inputs: str, outputs: list[str] | None = None, **attributes: Any) -> None:
        name = f"{op_type}_{len(self.nodes)}"
        outputs = outputs or [f"{name}_out"]
        self.nodes.append(helper.make_node(op_type, [self.value, *inputs], outputs, name, **attributes))
        self.value = outputs[-1]

    def _activate(self, activation: str | None) -> None:
        if activation:
            self._append(activation)

    def _weight(self, *shape: int) -> str:
        return self._stored(np.zeros(shape, np.float32))

    def _constant(self, numbers: list[int]) -> str:
        return self._stored(np.array(numbers, np.int64))

    def _stored(self, array: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name
