"""A TensorFlow graph without variables: each becomes an input of its shape, so that weights never enter the graph."""

from __future__ import annotations

import json
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
        else:
            _become_table(node, captured, nodes.values())
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


def _keep_loops(graph: Any) -> None:
    """Keep loops and branches whole: TensorFlow would take them apart, into nodes that switch and merge."""
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            node.attr.pop("_lower_using_switch_merge", None)


def _become_constant(node: Any, value: Any) -> None:
    node.op = "Const"
    node.ClearField("attr")
    node.attr["dtype"].type = value.dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.numpy()))


def _become_input(node: Any, variable: Any) -> None:
    node.ClearField("attr")
    node.attr["dtype"].type = variable.dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(variable.shape.as_proto())


def _become_table(node: Any, handle: Any, nodes: Iterable[Any]) -> None:
    """Let a node whose handle is that of a table say in its shared name what the table holds: keys, then values."""
    readers = (one for one in nodes if one.op == "LookupTableFindV2" and _base(one.input[0]) == node.name)
    reader = next(readers, None)
    if reader is None:
        return
    keys, values = reader.attr["Tin"].type, reader.attr["Tout"].type
    held = tf.raw_ops.LookupTableExportV2(table_handle=handle, Tkeys=keys, Tvalues=values)
    said = json.dumps([[_plainly(one) for one in side.numpy().tolist()] for side in held])
    node.op = "HashTableV2"
    node.ClearField("attr")
    node.attr["key_dtype"].type, node.attr["value_dtype"].type = keys, values
    node.attr["shared_name"].s = said.encode()


def _plainly(element: Any) -> Any:
    return element.decode(errors="replace") if isinstance(element, bytes) else element


class _Elements:
    """What a variable holds."""

    def __init__(self, variable: Any) -> None:
        self.dtype = variable.dtype.as_datatype_enum
        self.shape = variable.shape.as_proto()


class Surgeon:
    """Takes the handles of variables out of a graph and of the functions that it calls."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.functions = {one.signature.name: one for one in graph.library.function}

    def read_from_inputs(self, variables: Mapping[str, Any], outputs: set[str]) -> None:
        """Let every node read the placeholders of variables; `outputs` names the nodes that are asked for."""
        self._rewrite(self.graph.node, {name: _Elements(one) for name, one in variables.items()})
        for node in self.graph.node:
            if node.op == _READ and node.name in outputs:
                _become_identity(node)
        dropped = {node.name: node.input[0] for node in self.graph.node if node.op == _READ}
        for node in self.graph.node:
            _rewire(node, dropped)
        _drop(self.graph.node, {_READ, _WRITE})
        _keep_loops(self.graph)

    def _rewrite(self, nodes: Iterable[Any], known: dict[str, _Elements]) -> None:
        """Make each node that takes a handle take the variable's elements; `known` has an entry per handle."""
        for node in nodes:
            handles = {place: known[_base(name)] for place, name in enumerate(node.input) if _base(name) in known}
            if not handles:
                continue
            if node.op == "ReadVariableOp":
                node.op = _READ
            elif node.op in _WRITES:
                node.op = _WRITE
            elif node.op in _LOOK_UPS:
                _become_look_up(node)
            elif node.op == "Identity":
                known[node.name] = handles[0]
                node.attr["T"].type = handles[0].dtype
            else:
                self._enter(node, handles)

    def _enter(self, node: Any, handles: dict[int, _Elements]) -> None:
        """Rewrite the functions that a node with bodies calls, and what it says of what they take."""
        shift = 1 if node.op in _WITH_CONDITION else 0
        taken = {place - shift: one for place, one in handles.items()}
        _retype(node, taken)
        for called in _called(node):
            if called in self.functions:
                self._rewrite_function(self.functions[called], taken)

    def _rewrite_function(self, function: Any, handles: dict[int, _Elements]) -> None:
        """Let a function take elements where it took handles, by their places."""
        known = {}
        for place, one in handles.items():
            argument = function.signature.input_arg[place]
            known[argument.name] = one
            argument.type = one.dtype
            argument.ClearField("handle_data")
            shapes = function.arg_attr[place].attr["_output_shapes"].list.shape
            del shapes[:]
            shapes.append(one.shape)
        self._rewrite(function.node_def, known)
        read = {node.name for node in function.node_def if node.op == _READ}
        for node in (node for node in function.node_def if node.op == _READ):
            _become_identity(node)
        _drop(function.node_def, {_WRITE})
        for node in function.node_def:
            node.input[:] = [_of_identity(name, read) for name in node.input]
        for result in function.signature.output_arg:
            given = function.ret[result.name] = _of_identity(function.ret[result.name], read)
            if _base(given) in known:
                result.type = known[_base(given)].dtype


_READ, _WRITE = "ReadVariableOp, done", "AssignVariableOp, done"
"""The operators of nodes that read a variable, and now only name it, and of those that wrote one, which ends here."""
_WRITES = ("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp")
_LOOK_UPS = {"ResourceGather": "Gather", "ResourceGatherNd": "GatherNd"}
"""What looks elements of a variable up, and what does so in a tensor."""
_LOOPS = ("While", "StatelessWhile")
_WITH_CONDITION = ("If", "StatelessIf", "Case", "StatelessCase")


def _drop(nodes: Any, operators: set[str]) -> None:
    """Leave nodes of these operators out, and what waits for them."""
    dropped = {f"^{node.name}" for node in nodes if node.op in operators}
    kept = [node for node in nodes if node.op not in operators]
    for node in kept:
        node.input[:] = [name for name in node.input if name not in dropped]
    del nodes[:]
    nodes.extend(kept)


def _of_identity(name: str, read: set[str]) -> str:
    """Return what a function calls the output of a node that read a variable and is an Identity now."""
    return name.replace(":value:", ":output:") if _base(name) in read else name


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


def _retype(node: Any, handles: Mapping[int, _Elements]) -> None:
    """Let a node say the types of elements where it said those of handles; a loop says the shapes of its state too."""
    shapes = node.attr["output_shapes"].list.shape if node.op in _LOOPS else ()
    lists = [node.attr[name].list.type for name in _LISTS if name in node.attr]
    for place, one in handles.items():
        for listed in lists:
            if place < len(listed) and listed[place] == tf.resource.as_datatype_enum:
                listed[place] = one.dtype
        if place < len(shapes):
            shapes[place].CopyFrom(one.shape)


def _base(name: str) -> str:
    """Return the node that an input names: `^x`, `x:0` and, in functions, `x:value:0` name x."""
    return name.removeprefix("^").partition(":")[0]


def _rewire(node: Any, names: Mapping[str, str]) -> None:
    """Let a node read from others than before."""
    for place, name in enumerate(node.input):
        if _base(name) in names:
            node.input[place] = ("^" if name.startswith("^") else "") + names[_base(name)]
