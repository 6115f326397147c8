"""An operator that graphcost does not know is priced by a rule of one's own."""

from __future__ import annotations

import importlib
import sys

import pytest
from build import model

import graphcost
from graphcost import custom
from graphcost.errors import UsageError
from graphcost.results import Status

DOMAINS = ', "my": 1'
ROWS = model("float[2,3] x => float[2,5] y <float[3,5] w>", "y = my.Rows(x, w)", domains=DOMAINS)


pytestmark = pytest.mark.usefixtures("forgetful")


@pytest.fixture
def _rows(forgetful):  # noqa: ARG001  # it forgets what this registers
    """Price my.Rows as a product of x and w, one MAC per row, column and element of a row."""

    def types(call):
        x, w = call.input("X"), call.input("W")
        yield graphcost.TensorType(x.dtype, (x.dims[0], w.dims[1]))

    @graphcost.rule("my", "Rows", "X W -> Y", types=types, scale=1.0)
    def formula(call):
        """Y = X*W."""
        assert call.attr("scale", float) == 1.0
        yield graphcost.work("X*W", graphcost.Arith.MAC, outputs=call.output("Y").elements, row=call.input("X").dims[1])


@pytest.mark.usefixtures("_rows")
def test_a_rule_of_ones_own_gives_cost_and_shape():
    report = graphcost.analyze(ROWS, convention="macs", strict=True)
    assert report.total.macs.best == 2 * 3 * 5
    assert report.total.parameters == 3 * 5
    assert str(report.rows[0].cost.call.outputs[0]) == "float32[2, 5]"


@pytest.mark.usefixtures("_rows")
def test_what_follows_an_operator_of_ones_own_has_a_shape():
    built = model("float[2,3] x => float[N,M] z <float[3,5] w>", "y = my.Rows(x, w)", "z = Exp(y)", domains=DOMAINS)
    assert graphcost.analyze(built).rows[1].cost.terms[0].count == 2 * 5


@pytest.mark.usefixtures("_rows")
def test_a_rule_wins_over_a_function_of_the_model():
    function = '<domain: "my", opset_import: ["" : 22]> Rows (x, w) => (y) { p = MatMul(x, w) y = Exp(p) }'
    built = model(
        "float[2,3] x => float[2,5] y <float[3,5] w>", "y = my.Rows(x, w)", domains=DOMAINS, functions=function
    )
    (row,) = graphcost.analyze(built).rows
    assert [term.what for term in row.cost.terms] == ["X*W"]


@pytest.mark.usefixtures("_rows")
def test_a_rule_can_be_given_again():
    @graphcost.rule("my", "Rows", "X W -> Y")
    def nothing(_call):
        yield graphcost.work("X*W", graphcost.Arith.MAC, outputs=1)

    assert graphcost.analyze(ROWS).total.macs.best == 1


def test_without_a_rule_an_operator_is_unpriced():
    built = model("float[2,3] x => float[2,3] y", "y = my.Unheard(x)", domains=DOMAINS)
    assert graphcost.analyze(built).rows[0].cost.status is Status.UNPRICED


def test_a_type_rule_that_refuses_a_node_makes_it_invalid():
    def types(call):
        raise call.error(f"wants X of rank 1, it is {call.input('X').rank}")

    @graphcost.rule("my", "Line", "X -> Y", types=types)
    def formula(_call):
        yield graphcost.work("X", graphcost.Arith.ADD, elements=1)

    built = model("float[2,3] x => float[2,3] y", "y = my.Line(x)", domains=DOMAINS)
    (row,) = graphcost.analyze(built).rows
    assert (row.cost.status, row.cost.reason) == (Status.INVALID, "wants X of rank 1, it is 2")


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Install a package that names its rules by an entry point."""

    def install(code):
        (tmp_path / "rules_of_my_package.py").write_text(code)
        about = tmp_path / "my_package-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[graphcost.rules]\nmy = rules_of_my_package\n")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        custom.load_installed.cache_clear()

    yield install
    sys.modules.pop("rules_of_my_package", None)
    custom.load_installed.cache_clear()


def test_rules_of_installed_packages_are_found(installed):
    installed(
        "import graphcost\n"
        '@graphcost.rule("my", "Installed", "X -> Y", types=lambda call: call.inputs)\n'
        "def formula(call):\n"
        '    yield graphcost.work("X", graphcost.Arith.ADD, elements=call.input("X").elements)\n'
    )
    built = model("float[2,3] x => float[2,3] y", "y = my.Installed(x)", domains=DOMAINS)
    assert graphcost.analyze(built, strict=True).total.value.best == 2 * 3
    assert ("my", "Installed") in {(one.domain, one.op_type) for one in graphcost.list_operators()}


def test_a_package_whose_rules_break_is_named_and_stops_nothing(installed):
    installed("import no_such_module")
    (finding,) = [one for one in graphcost.analyze(ROWS).findings if one.code == "rules-not-loaded"]
    assert (finding.where, finding.severity) == ("my", "warning")
    assert (
        "rules_of_my_package can't be loaded: ModuleNotFoundError: No module named 'no_such_module'" in finding.message
    )


def yields_a_negative(_call):
    yield graphcost.work("X", graphcost.Arith.ADD, elements=-5)


def yields_a_range_upside_down(_call):
    yield graphcost.work("X", graphcost.Arith.ADD, least=50, elements=5)


@pytest.mark.parametrize(
    ("formula", "status", "reason"),
    [
        (lambda call: [call.input("Z")], Status.UNKNOWN, "the rule of my.Rows breaks: "),
        (lambda _call: [1 // 0], Status.UNKNOWN, "the rule of my.Rows breaks: ZeroDivisionError: "),
        (lambda _call: None, Status.UNKNOWN, "the rule of my.Rows breaks: TypeError: "),
        (yields_a_negative, Status.INVALID, "the rule of my.Rows yields from -5 to -5 of 'X'"),
        (yields_a_range_upside_down, Status.INVALID, "the rule of my.Rows yields from 50 to 5 of 'X'"),
    ],
)
def test_a_rule_that_breaks_is_named_and_stops_nothing(formula, status, reason):
    graphcost.rule("my", "Rows", "X W -> Y", types=lambda call: call.inputs[:1])(formula)
    (row,) = graphcost.analyze(ROWS).rows
    assert row.cost.status is status
    assert row.cost.reason.startswith(reason)


def test_a_type_rule_that_breaks_is_named_and_stops_nothing():
    graphcost.rule("my", "Rows", "X W -> Y", types=lambda _call: [1 // 0])(lambda _call: [])
    (row,) = graphcost.analyze(ROWS).rows
    assert row.cost.reason.startswith("the type rule of my.Rows breaks: ZeroDivisionError: ")


def test_a_signature_wants_an_arrow():
    with pytest.raises(UsageError, match="the signature of Rows wants inputs -> outputs, it is 'X W Y'"):
        graphcost.rule("my", "Rows", "X W Y")


def test_what_else_a_rule_says_is_heard():
    """Of 15 bytes each holds two weights, the scale none, and Y is kept; the traffic breaks, which is said."""
    rule = graphcost.rule(
        "my", "Kept", "X W scale -> Y",
        types=lambda call: call.inputs[:1], not_weights="scale", state="Y",
        packed={"W": lambda call: 2 * call.input("W").elements}, traffic=lambda _call: 1 // 0,
    )  # fmt: skip
    rule(lambda call: [graphcost.work("X*W", graphcost.Arith.MAC, outputs=call.output("Y").elements)])
    signature = "float[2,3] x => float[2,3] y <uint8[3,5] w, float[4] s>"
    report = graphcost.analyze(model(signature, "y = my.Kept(x, w, s)", domains=DOMAINS))
    assert report.total.parameters == 2 * 15
    assert report.memory.state.high == 2 * 3 * 4
    assert (report.total.macs.high, report.total.read.high) == (2 * 3, None)
