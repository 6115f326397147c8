"""Nearly valid models for hypothesis: a dozen operators on random shapes, bodies and functions; and broken ones."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

UNARY = ("Relu", "Sigmoid", "Neg", "Identity", "Softmax", "Erf")
BINARY = ("Add", "Sub", "Mul")
OPSET = 18
IMPORTS = (helper.make_opsetid("", OPSET), helper.make_opsetid("f", 1))


@st.composite
def models(draw, without=()):
    """Draw a valid model; `without` some kinds of nodes."""
    steps = [one for name, one in STEPS.items() if name not in without]
    return _Builder(draw(st.randoms(use_true_random=False)), steps).model(draw(st.integers(1, 12)))


@st.composite
def broken_models(draw):
    """Draw a model of which some parts were changed, so that it may be valid or not."""
    dice = draw(st.randoms(use_true_random=False))
    built = _Builder(dice, [*STEPS.values()]).model(draw(st.integers(1, 8)))
    for _ in range(draw(st.integers(1, 3))):
        dice.choice(DAMAGES)(built, dice)
    return built


class _Builder:
    """Adds node by node; every value is a float tensor whose shape is known."""

    def __init__(self, dice, steps):
        self.dice = dice
        self.steps = steps
        self.nodes = []
        self.weights = []
        self.shapes = {}
        self.count = 0

    def model(self, size):
        inputs = {self.fresh(): self.shape() for _ in range(self.dice.randint(1, 2))}
        self.shapes |= inputs
        self.unary()
        for _ in range(size):
            self.dice.choice(self.steps)(self)
        outputs = [name for name in self.shapes if self.dice.random() < 0.3 and name not in inputs] or [
            [*self.shapes][-1]
        ]
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name]) for name in outputs],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=IMPORTS, functions=[SCALE, NORM])

    def shape(self):
        return tuple(self.dice.randint(1, 5) for _ in range(self.dice.choice([1, 2, 2, 3, 4, 4])))

    def fresh(self):
        self.count += 1
        return f"v{self.count}"

    def value(self, rank=1):
        """Return one of the values of some rank or higher."""
        return self.dice.choice([it for it in self.shapes.items() if len(it[1]) >= rank] or [None])

    def weight(self, *shape):
        return self.store(np.arange(prod(shape), dtype=np.float32).reshape(shape) % 7)

    def integers(self, *values):
        return self.store(np.array(values, np.int64))

    def store(self, elements):
        self.weights.append(numpy_helper.from_array(elements, self.fresh()))
        return self.weights[-1].name

    def node(self, op_type, inputs, *shapes, domain="", **attributes):
        """Add a node whose outputs have these shapes; return the first output."""
        outputs = [self.fresh() for _ in shapes]
        name = self.dice.choice(["", f"n{self.count}"])
        self.nodes.append(helper.make_node(op_type, inputs, outputs, name=name, domain=domain, **attributes))
        self.shapes |= zip(outputs, shapes, strict=True)
        return outputs[0]

    def helper_node(self, op_type, inputs, **attributes):
        """Add a node whose output is no float tensor for others to use."""
        self.nodes.append(helper.make_node(op_type, inputs, [self.fresh()], **attributes))
        return self.nodes[-1].output[0]

    def unary(self):
        name, shape = self.value()
        self.node(self.dice.choice(UNARY), [name], shape)

    def binary(self):
        name, shape = self.value()
        others = [one for one, its in self.shapes.items() if its == shape]
        other = self.dice.choice(
            [*others, self.weight(*shape), self.weight(shape[-1]), self.weight(*(1 for _ in shape))]
        )
        self.node(self.dice.choice(BINARY), self.dice.sample([name, other], 2), shape)

    def matmul(self):
        name, shape = self.value(rank=2)
        columns = self.dice.randint(1, 5)
        self.node("MatMul", [name, self.weight(shape[-1], columns)], (*shape[:-1], columns))

    def gemm(self):
        name, shape = self.value()
        if len(shape) == 2:
            columns, turned = self.dice.randint(1, 5), self.dice.randint(0, 1)
            weight = self.weight(*((columns, shape[1]) if turned else (shape[1], columns)))
            bias = self.dice.choice([[], [self.weight(columns)], [""]])
            self.node("Gemm", [name, weight, *bias], (shape[0], columns), transB=turned)

    def conv(self):
        name, shape = self.value(rank=3)
        batch, channels, *sizes = shape
        kernel = [self.dice.randint(1, size) for size in sizes]
        stride, pad = self.dice.randint(1, 2), self.dice.randint(0, 1)
        filters, group = self.dice.randint(1, 3) * channels, self.dice.choice([1, channels])
        bias = self.dice.choice([[], [self.weight(filters)], [""]])
        spatial = [(size + 2 * pad - k) // stride + 1 for size, k in zip(sizes, kernel, strict=True)]
        self.node(
            "Conv",
            [name, self.weight(filters, channels // group, *kernel), *bias],
            (batch, filters, *spatial),
            group=group,
            strides=[stride] * len(sizes),
            pads=[pad] * 2 * len(sizes),
        )

    def transpose(self):
        name, shape = self.value()
        order = self.dice.sample(range(len(shape)), len(shape))
        self.node("Transpose", [name], tuple(shape[axis] for axis in order), perm=order)

    def reshape(self):
        name, shape = self.value()
        self.node("Reshape", [name, self.integers(-1, shape[-1])], (prod(shape[:-1]), shape[-1]))

    def reshape_by_arithmetic(self):
        """Multiply the first two dimensions, as exporters write it."""
        name, shape = self.value(rank=2)
        sizes = self.helper_node("Shape", [name])
        first = self.helper_node("Gather", [sizes, self.integers(0)])
        second = self.helper_node("Gather", [sizes, self.integers(1)])
        wanted = self.helper_node("Concat", [self.helper_node("Mul", [first, second]), self.integers(-1)], axis=0)
        self.node("Reshape", [name, wanted], (shape[0] * shape[1], prod(shape[2:])))

    def concat(self):
        name, shape = self.value()
        axis = self.dice.randrange(len(shape))
        self.node("Concat", [name, name], (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]), axis=axis)

    def split(self):
        name, shape = self.value()
        if shape[0] > 1:
            parts = (1, shape[0] - 1)
            self.node("Split", [name, self.integers(*parts)], *((part, *shape[1:]) for part in parts), axis=0)

    def reduce(self):
        name, shape = self.value()
        self.node("ReduceMean", [name, self.integers(0)], shape[1:] or (1,), keepdims=int(len(shape) == 1))

    def clip(self):
        name, shape = self.value()
        self.node("Clip", [name, "", self.store(np.array(2, np.float32))], shape)

    def choice(self):
        """If, by a condition that is known or not; both branches see the outer value."""
        name, shape = self.value()
        known = self.store(np.array(self.dice.random() < 0.5))
        asked = self.helper_node(
            "Greater", [self.helper_node("ReduceMax", [name], keepdims=0), self.store(np.float32(1))]
        )
        bodies = [self.body([helper.make_node(op, [name], [self.fresh()])], shape) for op in ("Relu", "Exp")]
        self.node("If", [self.dice.choice([known, asked])], shape, then_branch=bodies[0], else_branch=bodies[1])

    def loop(self):
        name, shape = self.value()
        turn, goes_on, carried = self.fresh(), self.fresh(), self.fresh()
        nodes = [
            helper.make_node("Identity", [goes_on], [self.fresh()]),
            helper.make_node("Tanh", [carried], [self.fresh()]),
        ]
        given = [
            helper.make_tensor_value_info(turn, TensorProto.INT64, []),
            helper.make_tensor_value_info(goes_on, TensorProto.BOOL, []),
            helper.make_tensor_value_info(carried, TensorProto.FLOAT, shape),
        ]
        times = self.dice.randint(1, 4)
        body = self.body(nodes, shape, given)
        body.output[0].CopyFrom(helper.make_tensor_value_info(body.output[0].name, TensorProto.BOOL, []))
        body.output.add().CopyFrom(body.output[1])
        self.node("Loop", [self.store(np.array(times)), "", name], shape, (times, *shape), body=body)

    def body(self, nodes, shape, given=()):
        wanted = [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape) for node in nodes]
        return helper.make_graph(nodes, "body", given, wanted)

    def call(self):
        name, shape = self.value()
        extra = self.dice.choice([{}, {"by": 3.0}])
        if self.dice.random() < 0.5:
            self.node(
                "scale", [name, self.dice.choice([self.weight(shape[-1]), self.weight(1)])], shape, domain="f", **extra
            )
        else:
            self.node("norm", [name, *self.dice.choice([[], [""], [self.weight(1)]])], shape, domain="f")


SCALE = onnx.parser.parse_function(
    '<opset_import: ["" : 18], domain: "f"> scale <by: float = 2.0> (x, w) => (y) '
    "{ b = Constant <value_float: float = @by> () a = Mul(x, b) y = Mul(a, w) }"
)
NORM = onnx.parser.parse_function(
    '<opset_import: ["" : 18, "f" : 1], domain: "f"> norm (x, limit) => (y) '
    "{ one = Constant <value_floats = [1.0]> () a = f.scale(x, one) y = Clip(a, limit) }"
)
NORM.node[2].input[:] = ["a", "", ""]
STEPS = {
    "unary": _Builder.unary,
    "binary": _Builder.binary,
    "matmul": lambda self: self.value(rank=2) and self.matmul(),
    "gemm": _Builder.gemm,
    "conv": lambda self: self.value(rank=3) and self.conv(),
    "transpose": _Builder.transpose,
    "reshape": _Builder.reshape,
    "arithmetic": lambda self: self.value(rank=2) and self.reshape_by_arithmetic(),
    "concat": _Builder.concat,
    "split": _Builder.split,
    "reduce": _Builder.reduce,
    "clip": _Builder.clip,
    "if": _Builder.choice,
    "loop": _Builder.loop,
    "call": _Builder.call,
}


def _node(built, dice):
    """Return one of the nodes, those of bodies and functions included."""
    nodes = [*built.graph.node, *(node for one in built.functions for node in one.node)]
    nodes += [inner for node in nodes for one in node.attribute for inner in one.g.node]
    return dice.choice(nodes)


def _attribute(built, dice):
    node = _node(built, dice)
    return dice.choice(node.attribute) if node.attribute else node.attribute.add(name="axis", i=1, type="INT")


def _dangling(built, dice):
    node = _node(built, dice)
    node.input.append("nowhere")


def _another_input(built, dice):
    node = _node(built, dice)
    if node.input:
        names = [
            *built.graph.node[-1].output,
            *(one.name for one in (*built.graph.input, *built.graph.initializer)),
            "",
        ]
        node.input[dice.randrange(len(node.input))] = dice.choice(names)


def _fewer_inputs(built, dice):
    node = _node(built, dice)
    del node.input[dice.randint(0, len(node.input)) :]


def _doubled_output(built, dice):
    node = _node(built, dice)
    node.output.append(dice.choice([built.graph.input[0].name, "extra", ""]))


def _fewer_outputs(built, dice):
    node = _node(built, dice)
    del node.output[dice.randint(0, len(node.output)) :]


def _number(built, dice):
    one = _attribute(built, dice)
    wild = (0, -1, 1, 7, 1 << 31, -(1 << 63), (1 << 63) - 1)
    one.i = dice.choice(wild)
    one.ints[:] = [dice.choice(wild) for _ in range(dice.randint(0, 4))]


def _another_type(built, dice):
    _attribute(built, dice).type = dice.randint(0, 14)


def _another_name(built, dice):
    _attribute(built, dice).name = dice.choice(["axis", "perm", "group", "body", "then_branch", "unheard", ""])


def _no_attributes(built, dice):
    del _node(built, dice).attribute[:]


def _another_operator(built, dice):
    _node(built, dice).op_type = dice.choice(
        ["Unheard", "", "Conv", "MatMul", "LSTM", "If", "Loop", "Scan", "norm", "Constant"]
    )


def _another_domain(built, dice):
    _node(built, dice).domain = dice.choice(["", "f", "ai.onnx", "ai.onnx.ml", "com.microsoft", "nowhere"])


def _another_shape(built, dice):
    tensor = dice.choice([*built.graph.initializer] or [TensorProto()])
    tensor.dims[:] = [dice.choice([0, 1, 2, 5, -1, 1 << 40]) for _ in range(dice.randint(0, 4))]
    if dice.random() < 0.7:
        for field in ("raw_data", "float_data", "int64_data"):
            tensor.ClearField(field)


def _another_input_type(built, dice):
    one = dice.choice(built.graph.input).type
    kind = dice.choice(["dims", "unknown", "dtype", "sequence", "symbolic"])
    if kind == "dims":
        one.tensor_type.shape.dim.add(dim_value=dice.choice([0, 1, 3, -1, -2]))
    elif kind == "symbolic":
        one.tensor_type.shape.dim.add(dim_param=dice.choice(["N", "N + 1", "?", "N - 200"]))
    elif kind == "dtype":
        one.tensor_type.elem_type = dice.choice([0, 1, 7, 8, 9, 16, 9999])
    elif kind == "unknown":
        one.Clear()
    else:
        one.CopyFrom(helper.make_sequence_type_proto(one))


def _shuffled(built, dice):
    nodes = [*built.graph.node]
    dice.shuffle(nodes)
    del built.graph.node[:]
    built.graph.node.extend(nodes)


def _another_opset(built, dice):
    built.opset_import[dice.randrange(2)].version = dice.choice([0, 1, 7, 11, 13, 25, 1 << 40, -1])


def _body_without_outputs(built, dice):
    bodies = [one.g for node in built.graph.node for one in node.attribute if one.HasField("g")]
    if bodies:
        body = dice.choice(bodies)
        del body.output[dice.randint(0, len(body.output)) :], body.input[dice.randint(0, len(body.input)) :]


DAMAGES = (
    _dangling, _another_input, _another_input, _fewer_inputs, _doubled_output, _fewer_outputs, _number, _number,
    _another_type, _another_name, _no_attributes, _another_operator, _another_domain, _another_shape,
    _another_input_type, _shuffled, _another_opset, _body_without_outputs,
)  # fmt: skip
