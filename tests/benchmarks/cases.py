"""The models that are measured, and how each is made: slowly once, with little memory, into a cache folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LIGHT_RESNET50 = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
WIDTH = 4096  # of the large models: one weight is 64 MiB
RAW_DATA, INITIALIZER, GRAPH = 9, 5, 7  # the numbers of TensorProto.raw_data, GraphProto.initializer, ModelProto.graph


@dataclass(frozen=True, slots=True)
class Case:
    """One model."""

    title: str
    "what it is, in a sentence for the reader of the table"
    write: Callable[[Path], None]
    "writes it to a path"

    def made_in(self, cache: Path, name: str) -> Path:
        """Return the model's file, written now if it is not in the cache."""
        path = cache / f"{name}.onnx"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".unfinished")
            self.write(unfinished)
            unfinished.rename(path)
        return path


def light_resnet(path: Path) -> None:
    """Copy the light ResNet-50 that comes with onnx."""
    path.write_bytes(LIGHT_RESNET50.read_bytes())


def stored_resnet(path: Path) -> None:
    """Write ResNet-50 with a stored random weight in the place of each generated one."""
    model = onnx.load(LIGHT_RESNET50)
    model.ir_version = 4  # the first that lets an initializer be no input
    graph = model.graph
    random = np.random.default_rng(seed=0)
    stored = {one.name: one for one in graph.initializer}
    generators = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    for node in generators:
        shape = numpy_helper.to_array(stored[node.input[0]])
        graph.initializer.append(numpy_helper.from_array(random.random(shape, np.float32), node.output[0]))
        graph.initializer.remove(stored[node.input[0]])
        graph.node.remove(node)
    onnx.save(model, path)


def chain(path: Path, nodes: int) -> None:
    """Write a chain of Mul, Add and Relu, each product and sum with a stored vector of its own."""
    names = [f"v{i}" for i in range(nodes + 1)]
    kinds = [("Mul", "Add", "Relu")[i % 3] for i in range(nodes)]
    weights = {i: f"w{i}" for i, kind in enumerate(kinds) if kind != "Relu"}
    graph = helper.make_graph(
        [
            helper.make_node(kind, [names[i], *([weights[i]] if i in weights else [])], [names[i + 1]], f"{kind}_{i}")
            for i, kind in enumerate(kinds)
        ],
        "chain",
        [_tensor(names[0], 1, 64)],
        [_tensor(names[-1], 1, 64)],
        [numpy_helper.from_array(np.ones(64, np.float32), name) for name in weights.values()],
    )
    onnx.save(_model(graph), path)


def single_file(path: Path, layers: int) -> None:
    """Write Gemm and Relu layers into one file whose weights are holes: zeros that take no room on the disk."""
    model = _model(_dense_layers(layers))
    size = 4 * WIDTH * WIDTH
    heads = [_weight(i).SerializeToString() + _field(RAW_DATA, size) for i in range(layers)]
    heads = [_field(INITIALIZER, len(head) + size) + head for head in heads]
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    with path.open("wb") as file:
        file.write(model.SerializeToString())
        file.write(_field(GRAPH, len(graph) + sum(len(head) + size for head in heads)) + graph)
        for head in heads:
            file.write(head)
            file.truncate(file.tell() + size)
            file.seek(0, 2)


def external_data(path: Path, layers: int) -> None:
    """Write Gemm and Relu layers whose weights lie in a second file, which is one hole."""
    size = 4 * WIDTH * WIDTH
    model = _model(_dense_layers(layers))
    data = path.with_name("external.weights")
    with data.open("wb") as file:
        file.truncate(layers * size)
    for i in range(layers):
        weight = _weight(i)
        weight.data_location = TensorProto.EXTERNAL
        place = {"location": data.name, "offset": i * size, "length": size}
        weight.external_data.extend(onnx.StringStringEntryProto(key=k, value=str(v)) for k, v in place.items())
        model.graph.initializer.append(weight)
    path.write_bytes(model.SerializeToString())


CASES = {
    "resnet50-light": Case("ResNet-50 as onnx ships it: 80 kB, its weights made by ConstantOfShape", light_resnet),
    "resnet50": Case("ResNet-50 with its 102 MB of weights stored", stored_resnet),
    "single-2gb": Case(
        f"one file of 2.08 GB: 31 layers of Gemm {WIDTH}x{WIDTH} and Relu, the weights zeros in a sparse file",
        partial(single_file, layers=31),
    ),
    "single-2.7gb": Case(
        "one file of 2.68 GB, beyond protobuf's limit of 2 GiB: 40 such layers", partial(single_file, layers=40)
    ),
    "external-2.7gb": Case(
        "the same 40 layers, their 2.68 GB in an external file, sparse too", partial(external_data, layers=40)
    ),
    **{
        f"chain-{nodes}": Case(
            f"a chain of {nodes:,} nodes: Mul, Add, Relu and again, on 1x64, each Mul and Add with 64 stored floats",
            partial(chain, nodes=nodes),
        )
        for nodes in (2_000, 20_000, 100_000)
    },
}


def _dense_layers(layers: int) -> onnx.GraphProto:
    nodes = []
    for i in range(layers):
        nodes.append(helper.make_node("Gemm", [f"x{i}", f"W{i}"], [f"z{i}"], f"Gemm_{i}"))
        nodes.append(helper.make_node("Relu", [f"z{i}"], [f"x{i + 1}"], f"Relu_{i}"))
    return helper.make_graph(nodes, "dense", [_tensor("x0", 1, WIDTH)], [_tensor(f"x{layers}", 1, WIDTH)])


def _weight(layer: int) -> TensorProto:
    return TensorProto(name=f"W{layer}", dims=(WIDTH, WIDTH), data_type=TensorProto.FLOAT)


def _tensor(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def _field(number: int, size: int) -> bytes:
    """Return what stands before a message or bytes of that size in protobuf's wire format."""
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(size))


def _varint(number: int) -> Iterable[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number
