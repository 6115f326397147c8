"""A TensorFlow graph without variables: each becomes an input of its shape, so that weights never enter the graph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LISTS = ("T", "Tin", "Tout", "Tcond", "output_types")
"""Attributes that list the types of what a node takes or gives to functions."""


@dataclass(frozen=True, slots=True, eq=False)
class Lifted:
    """A graph whose variables are inputs."""

    graph: Any
    """The GraphDef."""
    variables: Mapping[str, Any]
    """By the name of its placeholder, each variable that the graph was given."""


def lift(function: Any) -> Lifted:
    """Return the graph of a concrete function, with an input for each variable that it captured."""
    graph = function.graph.as_graph_def(add_shapes=False)
    nodes = {node.name: node for node in graph.node}
    owners = {id(one.handle): one for one in function.graph.variables}
    variables = {}
    for captured, placeholder in function.graph.captures:
        node = nodes[placeholder.op.name]
        if placeholder.dtype != tf.resource:
            _become_constant(node, captured)
        elif id(captured) in owners:
            variables[node.name] = owners[id(captured)]
            _become_input(node, owners[id(captured)])
    Surgeon(graph).read_from_inputs(variables, {_base(one.name) for one in function.outputs})
    return Lifted(graph, variables)


def renamed(lifted: Lifted, wanted: Mapping[str, str]) -> Lifted:
    """Return the graph with other names for its variables' inputs; nobody else may have such a name."""
    taken = {node.name for node in lifted.graph.node}
    names = {}
    for old, new in wanted.items():
        names[old] = _free(_plain(new), taken)
        taken.add(names[old])
    for node in lifted.graph.node:
        node.name = names.get(node.name, node.name)
        _rewire(node, names)
    return Lifted(lifted.graph, {names.get(name, name): one for name, one in lifted.variables.items()})


def _plain(name: str) -> str:
    """Return a name of which TensorFlow takes every character."""
    found = re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", name)
    return found if re.match(r"[A-Za-z0-9.]", found) else f"v{found}"


def _free(name: str, taken: set[str]) -> str:
    found, again = name, 1
    while found in taken:
        again += 1
        found = f"{name}_{again}"
    return found


def _become_constant(node: Any, value: Any) -> None:
    node.op = "Const"
    node.ClearField("attr")
    node.attr["dtype"].type = value.dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.numpy()))


def _become_input(node: Any, variable: Any) -> None:
    node.ClearField("attr")
    node.attr["dtype"].type = variable.dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(variable.shape.as_proto())


class Surgeon:
    """Takes the handles of variables out of a graph and of the functions that it calls."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.functions = {one.signature.name: one for one in graph.library.function}

    def read_from_inputs(self, variables: Mapping[str, Any], outputs: set[str]) -> None:
        """Let every node read the placeholders of variables; `outputs` names the nodes that are asked for."""
        types = {name: one.dtype.as_datatype_enum for name, one in variables.items()}
        self._rewrite(self.graph.node, types)
        for node in self.graph.node:
            if node.op == _READ and node.name in outputs:
                _become_identity(node)
        _drop_reads(self.graph.node)

    def _rewrite(self, nodes: Iterable[Any], types: dict[str, int]) -> None:
        """Make each node that takes a handle take the variable's elements; `types` has an entry per handle."""
        for node in nodes:
            handles = {place: types[_base(name)] for place, name in enumerate(node.input) if _base(name) in types}
            if not handles:
                continue
            if node.op == "ReadVariableOp":
                node.op = _READ
            elif node.op in _LOOK_UPS:
                _become_look_up(node)
            elif node.op == "Identity":
                types[node.name] = node.attr["T"].type = handles[0]
            else:
                self._enter(node, handles)

    def _enter(self, node: Any, handles: dict[int, int]) -> None:
        """Rewrite the functions that a node with bodies calls, and the types that it says they take."""
        shift = 1 if node.op in _WITH_CONDITION else 0
        for name in _LISTS:
            _retype(node.attr, name, {place - shift: dtype for place, dtype in handles.items()})
        for called in _called(node):
            function = self.functions.get(called)
            if function is None:
                continue
            types = {}
            for place, dtype in handles.items():
                argument = function.signature.input_arg[place - shift]
                argument.type = types[argument.name] = dtype
                argument.ClearField("handle_data")
            self._rewrite(function.node_def, types)
            dropped = _drop_reads(function.node_def)
            for result in function.signature.output_arg:
                function.ret[result.name] = dropped.get(_base(function.ret[result.name]), function.ret[result.name])
                if _base(function.ret[result.name]) in types:
                    result.type = types[_base(function.ret[result.name])]


_READ = "ReadVariableOp, done"
"""The operator of a node that read a variable, and now only names it."""
_LOOK_UPS = {"ResourceGather": "Gather", "ResourceGatherNd": "GatherNd"}
"""What looks elements of a variable up, and what does so in a tensor."""
_WITH_CONDITION = ("If", "StatelessIf", "Case", "StatelessCase")


def _drop_reads(nodes: Any) -> dict[str, str]:
    """Take out the nodes that read a variable, and return what stands for each: the variable itself."""
    dropped = {node.name: node.input[0] for node in nodes if node.op == _READ}
    kept = [node for node in nodes if node.op != _READ]
    for node in kept:
        _rewire(node, dropped)
    del nodes[:]
    nodes.extend(kept)
    return dropped


def _become_look_up(node: Any) -> None:
    dtype, indices = node.attr["dtype"].type, node.attr["Tindices"].type
    node.op = _LOOK_UPS[node.op]
    node.ClearField("attr")
    node.attr["Tparams"].type, node.attr["Tindices"].type = dtype, indices


def _become_identity(node: Any) -> None:
    dtype = node.attr["dtype"].type
    node.op = "Identity"
    node.ClearField("attr")
    node.attr["T"].type = dtype


def _called(node: Any) -> list[str]:
    """Return the names of the functions that a node calls."""
    found = []
    for attribute in node.attr.values():
        found += [attribute.func.name] if attribute.HasField("func") else []
        found += [one.name for one in attribute.list.func]
    return found


def _retype(attributes: Any, name: str, types: Mapping[int, int]) -> None:
    if name in attributes:
        listed = attributes[name].list.type
        for place, dtype in types.items():
            if 0 <= place < len(listed) and listed[place] == tf.resource.as_datatype_enum:
                listed[place] = dtype


def _base(name: str) -> str:
    """Return the node that an input names: `^x`, `x:0` and, in functions, `x:value:0` name x."""
    return name.removeprefix("^").partition(":")[0]


def _rewire(node: Any, names: Mapping[str, str]) -> None:
    """Let a node read from others than before."""
    for place, name in enumerate(node.input):
        if _base(name) in names:
            node.input[place] = ("^" if name.startswith("^") else "") + names[_base(name)]
