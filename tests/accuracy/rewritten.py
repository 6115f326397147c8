"""What TensorFlow's profiler counts of a Keras model, what graphcost counts, and what the conversion rewrote.

TensorFlow's own registry prices both graphs: the one that graphcost had TensorFlow trace, and the ONNX graph, each node
of which is put in TensorFlow's words, with the shapes that it has in onnxruntime. Nodes of both are related by name; an
operation that is gone went where its readers are. One operation that became one of the same kind is unchanged, whatever
it counts; all else is a rewrite, and its price on both sides follows from the two graphs. graphcost's own prices have
no part in that. They are right if TensorFlow's count less graphcost's is what the rewrites make it, kind by kind.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from unittest import mock

from accuracy import profiler
from accuracy.words import in_words, nodes_of

from graphcost.analysis import analyze
from graphcost.bounds import NOTHING
from graphcost.load.keras import by_tf2onnx


@dataclass(frozen=True)
class Compared:
    """A model on both sides."""

    profiled: int
    "TensorFlow's total_float_ops"
    total: int
    "graphcost's total"
    theirs: Counter
    "TensorFlow's count by kind of operation"
    ours: Counter
    "graphcost's, by the kinds that ONNX's operators are for TensorFlow"
    hidden: dict
    "what TensorFlow counts less what it would if it looked into functions, by kind"
    rewrites: dict
    "what the conversion rewrote: the regions, by what it made of what"

    @property
    def difference(self):
        """TensorFlow's count less graphcost's, by kind."""
        return less(self.theirs, self.ours)

    @property
    def explained(self):
        """What the two graphs make it: what is hidden, and what went less what came in its place, by kind."""
        regions = [one for listed in self.rewrites.values() for one in listed]
        went, came = summed(one.theirs for one in regions), summed(one.worded for one in regions)
        return less(summed([went, self.hidden]), came)

    @property
    def is_right(self):
        """Whether graphcost's count is TensorFlow's, kind by kind, but for what the two graphs explain."""
        is_whole = self.theirs.total() == self.profiled and self.ours.total() == self.total
        is_known = all(one.reason for listed in self.rewrites.values() for one in listed)
        return is_whole and is_known and self.difference == self.explained


@dataclass
class Region:
    """Operations of TensorFlow's that count, and the ONNX nodes that do their work."""

    kinds: list = field(default_factory=list)
    "the operations' kinds"
    folded: list = field(default_factory=list)
    "the kinds of the operations that are gone, too, and brought elements to a window"
    theirs: Counter = field(default_factory=Counter)
    "what TensorFlow counts of them, by kind"
    nodes: list = field(default_factory=list)
    "the operators of the nodes that compute something"
    worded: Counter = field(default_factory=Counter)
    "what TensorFlow would count of them, by kind"
    needless: str = ""
    "why the operations need no node"
    unpriced: str = ""
    "the kind of the operation that the nodes are named after, where TensorFlow has no rule for it"

    @property
    def is_rewritten(self):
        """Whether it counts at all, and is more than one operation that became one of the same kind."""
        is_one = len(self.kinds + self.folded) == len(self.nodes) == 1
        return bool(self.kinds or self.worded) and not (is_one and self.kinds == list(self.worded))

    @property
    def reason(self):
        """Why both sides count what they do; empty where nothing tells."""
        if self.theirs.total() == self.worded.total():
            return "the same count"
        if "SpaceToBatchND" in self.folded:
            return "TensorFlow pads to whole blocks and cuts off what comes of it"
        return f"TensorFlow has no rule for {self.unpriced}" if self.unpriced and not self.kinds else self.needless


def compared(model, shape=None):
    """Return what both count of a Keras model at batch 1; `shape` is the input's, where it was not built yet."""
    report, trace, proto = analyzed(model, shape)
    theirs = profiler.concrete(model, shape)
    nodes = nodes_of(proto)
    worded = {node.outputs: in_words(node) for node in nodes}
    computing = {row.cost.node.outputs for row in report.rows if row.cost.terms}
    rewrites = defaultdict(list)
    for one in paired(trace, nodes, worded, computing):
        if one.is_rewritten:
            went = " + ".join(sorted(one.kinds + one.folded))
            rewrites[went or one.unpriced, " + ".join(one.nodes)].append(one)
    worth, counted = report.total.value or NOTHING, profiler.by_kind(theirs)
    assert worth.is_exact
    return Compared(
        profiled=profiler.total(theirs),
        total=worth.low,
        theirs=counted,
        ours=summed(attributed(row, worded[row.cost.node.outputs]) for row in report.rows if row.parent is None),
        hidden=less(counted, profiler.by_kind(trace.graph)) if profiler.has_functions(theirs) else {},
        rewrites=dict(rewrites),
    )


def summed(counts):
    found = Counter()
    for one in counts:
        found.update(one)
    return found


def less(one, other):
    found = {kind: one[kind] - other[kind] for kind in {*one, *other}}
    return {kind: count for kind, count in found.items() if count}


@dataclass(frozen=True)
class Trace:
    """What graphcost had TensorFlow trace, at batch 1."""

    graph: object
    "the graph"
    outputs: set
    "the operations whose results are asked for"


def analyzed(model, shape=None):
    """Return graphcost's report, the graph that it had TensorFlow trace, and the ONNX graph that it made of that."""
    kept, convert = [], by_tf2onnx.convert

    def keeping(wanted, **options):
        graph = profiler.at_batch_1(wanted.graph)
        proto = convert(wanted, **options)
        kept.extend([Trace(graph, {name.partition(":")[0] for name in wanted.outputs}), proto])
        return proto

    given = {"shapes": {"inputs": shape}} if shape else {"dims": {"batch": 1}}
    with mock.patch.object(by_tf2onnx, "convert", keeping):
        report = analyze(model, convention="tf-profiler", **given)
    return report, *kept


def attributed(row, words):
    """Return graphcost's count of a node by kind; by its operator, where TensorFlow's words count otherwise."""
    is_left_out = row.value is None or row.cost.status.name == "SHAPE"
    count = 0 if is_left_out else row.value.best
    return words if words.total() == count else Counter({f"ONNX {row.cost.node.op_type}": count})


def paired(trace, nodes, worded, computing):
    """Return the regions of both graphs: each operation that counts and each ONNX node is part of one."""
    homes = Homes(trace, [node.proto for node in nodes])
    regions = defaultdict(Region)
    for one in trace.graph.get_operations():
        count = profiler.count(one)
        if count:
            region = regions[homes.of_operation(one)]
            region.kinds.append(one.type)
            region.theirs[one.type] += count
            region.needless = homes.why_needless(one)
        elif one.type in AROUND and one.name not in homes.kept:
            regions[homes.of_operation(one)].folded.append(one.type)
    for node in nodes:
        home = homes.of_node(node.proto)
        region = regions[home]
        region.worded.update(worded[node.outputs])
        region.nodes += [node.proto.op_type] if node.outputs in computing else []
        region.needless = "follows from shapes alone" if node.is_of_shapes else region.needless
        if home in homes.operations and not profiler.has_rule(homes.operations[home]):
            region.unpriced = homes.operations[home].type
    return regions.values()


AROUND = ("Pad", "SpaceToBatchND")
"""What brings elements to a window, which ONNX's convolutions can do themselves."""


class Homes:
    """Says which region an operation or a node belongs to: that of an operation whose name a node has."""

    def __init__(self, trace, protos):
        self.operations = {one.name: one for one in trace.graph.get_operations()}
        self.kept = {name for node in protos for name in _names(node) if name in self.operations}
        self.readers = {name: node for node in reversed(protos) for name in node.input}
        self.constants, self.needed = set(), set(trace.outputs)
        for name, one in self.operations.items():
            if one.type == "Const" or (one.inputs and self.constants.issuperset(_givers(one))):
                self.constants.add(name)
        for name, one in reversed(self.operations.items()):
            self.needed.update(_givers(one) if name in self.needed else ())

    def why_needless(self, operation):
        """Return why no node need do an operation's work; nothing where one must."""
        if operation.name in self.constants:
            return "works on constants alone"
        return "" if operation.name in self.needed else "no output needs it"

    def of_operation(self, operation):
        """Itself, if a node has its name or none is needed; else where its readers are."""
        seen, waiting = set(), [] if self.why_needless(operation) else [operation]
        for one in waiting:
            if one.name in self.kept:
                return one.name
            after = [reader for tensor in one.outputs for reader in tensor.consumers() if reader not in seen]
            seen.update(after)
            waiting += after
        return operation.name

    def of_node(self, proto):
        """The operation whose name it has, be it with a number that tf2onnx added; else where its reader is."""
        for name in (*_names(proto), *(_NUMBER.sub("", one) for one in _names(proto))):
            if name in self.operations:
                return self.of_operation(self.operations[name])
        reader = next((self.readers[name] for name in proto.output if name in self.readers), None)
        return self.of_node(reader) if reader else proto.output[0]


_NUMBER = re.compile(r"__\d+$")


def _names(proto):
    return proto.name, *(one.partition(":")[0] for one in proto.output)


def _givers(operation):
    return [one.op.name for one in operation.inputs]
