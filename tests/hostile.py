"""Builders of hostile and broken models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from build import model
from onnx import AttributeProto, TensorProto, helper, numpy_helper

FLOATS = "float[2,3] x => float[M,N] y"
IF = "y = If({}) <then_branch = t () => (float a) {{ {} }}, else_branch = e () => (float b) {{ {} }}>"
LOOP = "y = Loop({}) <body = b (int64 i, bool c, float[N] v) => (bool d, float[M] w) {{ {} }}>"


def relu(dims=(2, 3), weights=(), nodes=None, **details):
    """Return y = Relu(x), with some other part than usual."""
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)]
    wanted = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    nodes = nodes or [helper.make_node("Relu", ["x"], ["y"])]
    return helper.make_model(helper.make_graph(nodes, "g", given, wanted, weights), **details)


def bodies(depth, inner="Relu"):
    """Return an If inside an If, and so on; the condition is the model's input."""
    nodes = [helper.make_node(inner, ["x"], ["v0"])]
    for level in range(1, depth + 1):
        wanted = [helper.make_tensor_value_info(f"v{level - 1}", TensorProto.FLOAT, None)]
        taken = helper.make_graph(nodes, f"g{level}", [], wanted)
        empty = helper.make_graph([helper.make_node("Identity", ["x"], [f"o{level}"])], "e", [], wanted[:0])
        empty.output.append(helper.make_tensor_value_info(f"o{level}", TensorProto.FLOAT, None))
        nodes = [helper.make_node("If", ["c"], [f"v{level}"], then_branch=taken, else_branch=empty)]
    given = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
    ]
    wanted = [helper.make_tensor_value_info(f"v{depth}", TensorProto.FLOAT, None)]
    return helper.make_model(helper.make_graph(nodes, "g", given, wanted))


def levels(depth, calls):
    """Return functions of which each calls the one below some times: calls ** depth nodes."""
    imports = [helper.make_opsetid("", 22), helper.make_opsetid("f", 1)]
    functions = [helper.make_function("f", "f0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], imports)]
    for level in range(1, depth + 1):
        chain = ["a", *(f"v{i}" for i in range(1, calls)), "b"]
        nodes = [helper.make_node(f"f{level - 1}", [one], [two], domain="f") for one, two in pairwise(chain)]
        functions.append(helper.make_function("f", f"f{level}", ["a"], ["b"], nodes, imports))
    call = helper.make_node(f"f{depth}", ["x"], ["y"], domain="f")
    return relu(nodes=[call], opset_imports=imports, functions=functions)


def calls_itself(*names):
    imports = [helper.make_opsetid("", 22), helper.make_opsetid("f", 1)]
    functions = [
        helper.make_function("f", name, ["a"], ["b"], [helper.make_node(callee, ["a"], ["b"], domain="f")], imports)
        for name, callee in zip(names, (*names[1:], names[0]), strict=True)
    ]
    return relu(
        nodes=[helper.make_node(names[0], ["x"], ["y"], domain="f")], opset_imports=imports, functions=functions
    )


def stored(dims, data_type=TensorProto.FLOAT, name="w", **data):
    return relu(weights=[TensorProto(name=name, dims=dims, data_type=data_type, **data)])


def doubled_function():
    built = levels(1, 1)
    built.functions.append(built.functions[0])
    return built


def doubled_attribute():
    built = model(FLOATS, "y = LeakyRelu <alpha = 0.5> (x)")
    built.graph.node[0].attribute.append(helper.make_attribute("alpha", 0.25))
    return built


def without_graph():
    built = relu()
    built.ClearField("graph")
    return built


def very_deep(depth):
    """Return an If in an If, deeper than protobuf would parse; it can be built in memory all the same."""
    built = relu()
    graph = built.graph
    for _ in range(depth):
        one = graph.node.add(op_type="If", input=["x"]).attribute.add(name="then_branch", type=AttributeProto.GRAPH)
        graph = one.g
    return built


def sparse(dims):
    built = relu()
    values = TensorProto(name="w", dims=[1], data_type=TensorProto.FLOAT, float_data=[1])
    indices = TensorProto(name="", dims=[1], data_type=TensorProto.INT64, int64_data=[0])
    built.graph.sparse_initializer.add(values=values, indices=indices, dims=dims)
    return built


def external(**entries):
    tensor = TensorProto(name="w", dims=[3], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return relu(nodes=[helper.make_node("Add", ["x", "w"], ["y"])], weights=[tensor])


def opsets(*versions, op_type="Relu"):
    built = relu(nodes=[helper.make_node(op_type, ["x"], ["y"])])
    del built.opset_import[:]
    built.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions)
    return built


def renamed_node(name):
    return relu(
        nodes=[helper.make_node("Relu", ["x"], ["a"], name=name), helper.make_node("Neg", ["a"], ["y"], name=name)]
    )


def lies():
    built = relu(nodes=[helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])])
    built.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, [4, 3]))
    return built


def resized(scale):
    built = model("float[1,1,4,4] x => float[A,B,C,D] y <float[4] scales>", "y = Resize(x, , scales)")
    built.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1, 1, scale, 2], np.float32), "scales"))
    return built


def untyped_attribute():
    built = model(FLOATS, "y = Flatten <axis = 1> (x)")
    built.graph.node[0].attribute[0].ClearField("type")
    return built


def model_of_type(data_type):
    built = relu()
    built.graph.input[0].type.tensor_type.elem_type = data_type
    return built


def with_function(call):
    one = '<opset_import: ["" : 22], domain: "f"> one (a) => (b) { b = Relu(a) }'
    return model(FLOATS, call, functions=one, domains=', "f" : 1')


def branchless():
    built = model("bool c, float x => float y", IF.format("c", "a = Relu(x)", "b = Relu(x)"))
    del built.graph.node[0].attribute[1].g.output[:]
    return built


def scan(attributes):
    body = "b (float v) => (float w) { w = Relu(v) }"
    return model("float[4] x => float y", f"y = Scan <body = {body}{attributes}> (x)")


def chain(count):
    return relu(
        nodes=[
            helper.make_node("Relu", [f"v{i}" if i else "x"], [f"v{i + 1}" if i < count - 1 else "y"])
            for i in range(count)
        ]
    )


def loops(depth):
    """Return a Loop in a Loop, and so on; each doubles what it carries in every turn."""
    inner = "w = Concat <axis = 0> (v, v)"
    body = "b (int64 i, bool c, float[N] v) => (bool d, float[M] w) { d = Identity(c) %s }"
    for _ in range(depth):
        inner = f"w = Loop(n, , v) <{'body = ' + body % inner}>"
    return model("float[4] x => float y <int64 n = {3}>", inner.replace("w = Loop(n, , v)", "y = Loop(n, , x)", 1))


def many_bodies(count):
    """Return a chain of Ifs."""
    names = ["x", *(f"v{i}" for i in range(1, count))]
    calls = [
        IF.format("c", f"a = Relu({one})", f"b = Neg({one})").replace("y =", f"v{i} =", 1)
        for i, one in enumerate(names, 1)
    ]
    return model(f"float[2,3] x, bool c => float v{count}", *calls)


def products():
    names = "abcdef"
    stored_vectors = ", ".join(f"float[4096] {one}" for one in names)
    return model(
        f"float x => float y <{stored_vectors}>", f'y = Einsum <equation = "{",".join(names)}->"> ({", ".join(names)})'
    )


def nested_messages(depth):
    """Return a model of graphs inside one another: graph.node[0].attribute[0].g and so on."""
    graph = b""
    for _ in range(depth):
        graph = record(1, record(5, record(6, graph)))
    return record(7, graph)


def record(number, content):
    length, octets = len(content), []
    while length > 127:
        octets.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *octets, length]) + content
