"""What is read is what onnx reads, without the large payloads; whatever is no model is refused in a sentence."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from drawn import SEEDS, models, without_large
from encoder import encode, record, varint
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from graphcost.errors import GraphcostError, InvalidModelError, SourceError
from graphcost.load import wire
from graphcost.load.payload import LARGEST_KEPT_BYTES

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))
MOST = wire.LARGEST_KEPT


@pytest.fixture(scope="module")
def read_bytes(tmp_path_factory):
    """Return a function that writes bytes into a file and reads it."""
    path = tmp_path_factory.mktemp("models") / "model.onnx"

    def read(data):
        path.write_bytes(data)
        return wire.read(path)

    return read


SLOW = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@SLOW
@given(model=models(), choose=SEEDS)
def test_the_skeleton_is_the_model_without_its_large_payloads(read_bytes, model, choose):
    written = encode(model, choose)
    assert ModelProto.FromString(written) == model
    skeleton = read_bytes(written)
    assert ModelProto.FromString(skeleton.data) == without_large(model)
    assert skeleton.format == "onnx"


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_a_model_of_small_tensors_is_read_whole(path):
    assert wire.read(path) == wire.Skeleton(path.read_bytes(), "onnx", 0)


def test_the_light_models_are_there():
    assert len(LIGHT) == 9


def model_of(*initializers, nodes=()):
    return helper.make_model(helper.make_graph(list(nodes), "g", [], [], list(initializers)))


def weight(name, count):
    return numpy_helper.from_array(np.zeros(count, np.float32), name)


def test_the_bytes_that_are_left_are_counted(read_bytes):
    model = model_of(weight("a", MOST), weight("b", MOST + 1), weight("c", 9_000))
    assert read_bytes(model.SerializeToString()).left_on_disk == 4 * (MOST + 1 + 9_000)


def test_a_large_attribute_keeps_its_number_of_elements_and_is_told_of(read_bytes):
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], nodes_values=[0.5] * 5_000, nodes_modes=["LEAF"] * 5_000
    )
    skeleton = read_bytes(model_of(nodes=[helper.make_node("Relu", ["x"], ["y"]), node]).SerializeToString())
    left = {one.name: one for one in ModelProto.FromString(skeleton.data).graph.node[1].attribute}
    assert [(one.type, one.i) for one in (left["nodes_values"], left["nodes_modes"])] == [
        (AttributeProto.FLOATS, 5_000),
        (AttributeProto.STRINGS, 5_000),
    ]
    (found,) = skeleton.findings
    assert (found.code, found.severity, found.where) == ("large-attribute", "info", "graph.node[1].attribute[0]")


def test_the_smallest_payload_that_is_left(read_bytes):
    model = model_of(TensorProto(dims=[MOST + 1], data_type=TensorProto.INT2, raw_data=bytes(MOST // 4 + 1)))
    assert read_bytes(model.SerializeToString()).left_on_disk == MOST // 4 + 1


def test_few_elements_of_very_many_bytes_are_left_too(read_bytes):
    long = helper.make_tensor("long", TensorProto.STRING, [1], [b"x" * (LARGEST_KEPT_BYTES + 1)])
    surplus = TensorProto(name="surplus", data_type=1, dims=[1], raw_data=bytes(LARGEST_KEPT_BYTES + 1))
    blob = helper.make_node("EPContext", ["x"], ["y"], ep_cache_context=b"x" * (LARGEST_KEPT_BYTES + 1))
    skeleton = read_bytes(model_of(long, surplus, nodes=[blob]).SerializeToString())
    assert len(skeleton.data) < 1_000
    assert ModelProto.FromString(skeleton.data).graph.node[0].attribute[0].type == AttributeProto.STRING


def test_what_occurs_twice_merges_as_protobuf_merges_it(read_bytes):
    first, second = model_of(weight("a", 9_000)), model_of(weight("b", 9_000))
    written = first.SerializeToString() + second.SerializeToString()
    merged = ModelProto.FromString(written)
    assert len(merged.graph.initializer) == 2
    assert ModelProto.FromString(read_bytes(written).data) == without_large(merged)


def test_unknown_fields_and_groups_are_copied(read_bytes):
    odd = record(99, b"unknown") + varint(98 << 3 | 3) + record(5, b"x") + varint(98 << 3 | 4)
    skeleton = read_bytes(odd + model_of(weight("a", 9_000)).SerializeToString() + odd)
    assert skeleton.data.startswith(odd)
    assert skeleton.data.endswith(odd)


SHORT = [
    (
        TensorProto(name="w", data_type=1, dims=[5_000], raw_data=bytes(19_999)),
        "20000 bytes of raw_data, there are 19999",
    ),
    (
        TensorProto(name="w", data_type=1, dims=[5_000], float_data=[0.0] * 4_999),
        "5000 entries of float_data, there are 4999",
    ),
    (
        TensorProto(name="w", data_type=7, dims=[5_000], int64_data=[300] * 4_999),
        "5000 entries of int64_data, there are 4999",
    ),
    (
        TensorProto(name="w", data_type=8, dims=[5_000], string_data=[b"a"] * 4_999),
        "5000 entries of string_data, there are",
    ),
    (
        TensorProto(name="w", data_type=14, dims=[5_000], float_data=[0.0] * 9_999),
        "10000 entries of float_data, there are 9999",
    ),
    (
        TensorProto(name="w", data_type=21, dims=[9_999], raw_data=bytes(4_999)),
        "5000 bytes of raw_data, there are 4999",
    ),
    (
        TensorProto(name="w", data_type=1, dims=[2, 5_000], raw_data=bytes(39_999)),
        "need 40000 bytes of raw_data, there are 39999",
    ),
    (TensorProto(name="w", data_type=1, dims=[-1], raw_data=bytes(20_000)), r"0 or more are wanted, there are \[-1\]"),
    (TensorProto(name="w", data_type=1, dims=[1 << 62, 4], raw_data=bytes(20_000)), r"at most 2\^63 - 1 elements"),
]


@pytest.mark.parametrize(("tensor", "message"), SHORT)
def test_a_large_tensor_with_less_than_its_dims_need_is_invalid(read_bytes, tensor, message):
    for seed in range(8):
        with pytest.raises(InvalidModelError, match=f"model.onnx: tensor 'w': .*{message}"):
            read_bytes(encode(model_of(tensor), random.Random(seed)))  # noqa: S311  # only shuffles


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (b"\x0a\x01\x02" + record(1, varint(5_000)) + b"\x10\x01", r"dims \[2, 5000\] of FLOAT need 40000 bytes"),
        (b"\x08\x02" + record(1, varint(5_000)) + b"\x10\x01", r"dims \[2, 5000\] of FLOAT need 40000 bytes"),
        (record(1, varint(50_000)) + b"\x10\x01\x10\x03", r"dims \[50000\] of INT8 need 50000 bytes"),
    ],
)
def test_dims_in_parts_are_joined_and_the_last_type_holds(read_bytes, written, message):
    for name in (b"", b"\x42\x00"):
        with pytest.raises(InvalidModelError, match=r"tensor 'graph\.initializer\[0\]': " + message):
            read_bytes(record(7, record(5, written + name + record(9, bytes(20_000)))))


@pytest.mark.parametrize(("tensor", "_"), SHORT)
def test_a_file_that_is_cut_short_is_no_invalid_model(read_bytes, tensor, _):
    with pytest.raises(SourceError, match=r"graph\.initializer\[0\]"):
        read_bytes(record(7, record(5, tensor.SerializeToString()))[:-1])


def nested(depth):
    """Return a model whose innermost message is so many messages deep."""
    content = record(9, bytes(5_000))
    for number in reversed(([7] + [1, 5, 6] * depth)[:depth]):
        content = record(number, content)
    return content


def test_messages_nest_as_deep_as_protobuf_follows(read_bytes):
    assert ModelProto.FromString(read_bytes(nested(100)).data) == ModelProto.FromString(nested(100))
    with pytest.raises(DecodeError):
        ModelProto.FromString(nested(101))
    with pytest.raises(SourceError, match=r"graph\.node\[0\]\.attribute\[0\]\.g\..* is more than 100 messages deep"):
        read_bytes(nested(101))


THREE_NODES = helper.make_graph([helper.make_node("Relu", ["x"], ["yyy"])] * 3, "", [], [])


@pytest.mark.parametrize(
    ("graph", "cut_in", "path", "size"),
    [
        (
            model_of(weight("a", 10), weight("b", 9_000)).graph,
            b"\x4a\xa0\x99\x02",
            "graph.initializer[1].raw_data",
            36_000,
        ),
        (model_of(weight("a", 10), weight("b", 10)).graph, b"\x4a\x28", "graph.initializer[1].raw_data", 40),
        (THREE_NODES, b"\x0a\x0e", "graph.node[2]", 14),
        (THREE_NODES, b"\x12\x03", "graph.node[2].output", 3),
    ],
)
def test_a_fault_is_named_by_its_field_and_its_byte(read_bytes, graph, cut_in, path, size):
    written = record(7, graph.SerializeToString())
    at = written.rindex(cut_in)
    with pytest.raises(SourceError) as fault:
        read_bytes(written[: at + len(cut_in)])
    sentence = (
        f"model.onnx: is no ONNX model, or a damaged one: {path} at byte {at} is {size} bytes long, and 0 are left"
    )
    assert str(fault.value).endswith(sentence)


PAYLOAD_BYTES = (0, 3)


@pytest.fixture(scope="module")
def seed_model():
    """Return a serialized model with something of everything, and little in it that is no structure."""
    tensor = helper.make_tensor("w", TensorProto.INT8, [5_000], bytes(5_000), raw=True)
    typed = helper.make_tensor("t", TensorProto.INT64, [5_000], [3] * 5_000)
    body = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "body", [], [], [typed])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)
    tree = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], ids=[3] * 4_200, modes=["LEAF"] * 4_200)
    return model_of(tensor, typed, weight("small", 3), nodes=[branch, tree]).SerializeToString()


def read_or_refused(read_bytes, data):
    """Return the skeleton, or the error of ours; anything else comes through and fails the test."""
    try:
        return read_bytes(data)
    except GraphcostError as fault:
        return fault


def parsed(data):
    try:
        return ModelProto.FromString(data)
    except DecodeError:
        return None


def without_payloads(message):
    """Clear every payload in place, large or small, and what the skeleton writes instead of one."""
    for field, value in message.ListFields():
        for one in (value if field.is_repeated else [value]) if field.message_type else ():
            without_payloads(one)
    for name in PAYLOADS.get(type(message), ()):
        message.ClearField(name)
    return message


PAYLOADS = {
    TensorProto: [one.name for one in TensorProto.DESCRIPTOR.fields if one.name.endswith("_data")],
    AttributeProto: ["floats", "ints", "strings", "s", "i"],
}


def assert_read_as_onnx_reads(read_bytes, data):
    result, whole = read_or_refused(read_bytes, data), parsed(data)
    if whole is None or not whole.HasField("graph"):
        assert not isinstance(result, wire.Skeleton) or parsed(result.data) is None
    elif isinstance(result, wire.Skeleton):
        assert without_payloads(parsed(result.data)) == without_payloads(whole)
    else:
        assert isinstance(result, InvalidModelError)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_truncation_is_refused_or_read_as_onnx_reads_it(read_bytes, seed_model, data):
    cut = data.draw(st.one_of(st.integers(0, 300), st.integers(0, len(seed_model) - 1)))
    assert_read_as_onnx_reads(read_bytes, seed_model[:cut])


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_damage_is_refused_or_read_as_onnx_reads_it(read_bytes, seed_model, data):
    damaged = bytearray(seed_model)
    structure = [at for at, byte in enumerate(damaged) if byte not in PAYLOAD_BYTES]
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.sampled_from(structure))] = data.draw(st.integers(0, 255))
    assert_read_as_onnx_reads(read_bytes, bytes(damaged))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused_or_read_as_onnx_reads_them(read_bytes, data):
    assert_read_as_onnx_reads(read_bytes, data)


def test_what_protobuf_refuses_in_a_small_message_is_explained(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(record(7, record(1, record(3, b"name")) + record(1, record(3, b"name") + b"\x1a\x09x")))
    with pytest.raises(DecodeError):
        ModelProto.FromString(wire.read(path).data)
    assert "graph.node[1].name at byte 18 is 9 bytes long, and 1 are left" in str(wire.why_refused(path))


def test_a_file_larger_than_protobuf_reads_takes_no_memory(tmp_path):
    size, path = 3 << 30, tmp_path / "large.onnx"
    head = TensorProto(name="w", data_type=1, dims=[size // 4]).SerializeToString() + b"\x4a" + varint(size)
    tensor = b"\x2a" + varint(len(head) + size) + head
    tail = record(8, b"\x10\x16")
    with path.open("wb") as file:  # a sparse file: the weights take no disk
        file.write(b"\x3a" + varint(len(tensor) + size) + tensor)
        file.seek(size, 1)
        file.write(tail)
    tracemalloc.start()
    skeleton = wire.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert skeleton.left_on_disk == size
    assert peak < 1 << 20
    model = ModelProto.FromString(skeleton.data)
    assert model.graph.initializer == [TensorProto(name="w", data_type=1, dims=[size // 4])]
    assert model.opset_import[0].version == 22


def test_a_structure_that_is_too_large_is_refused(read_bytes, monkeypatch):
    monkeypatch.setattr(wire, "LARGEST_SKELETON", 1_000)
    assert read_bytes(model_of(weight("w", 9_000)).SerializeToString())
    with pytest.raises(SourceError, match=r"at most 1000 bytes is read, this takes \d+ without weights"):
        read_bytes(model_of(weight("w" * 2_000, 9_000)).SerializeToString())
