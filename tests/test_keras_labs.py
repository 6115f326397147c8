"""The labs' numbers, digit for digit, from models built in Keras and from their files."""

from __future__ import annotations

import re
from math import prod

import pytest
from labs import LABS

from graphcost.analysis import analyze
from graphcost.chart import panels_of
from graphcost.errors import SourceError, UsageError
from graphcost.load.keras import process

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")

import keras_labs as labs  # noqa: E402  # where there is Keras

from graphcost.load.keras import convert, rebuild  # noqa: E402  # as above

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow and Keras warn of their own insides

SHEETS = {getattr(labs, build.__name__): sheet for build, sheet in LABS.items()}
WAYS = ["live", ".keras", ".h5"]
SHAPES = {labs.lab8: {"inputs": (1, 784)}}
"""What the models are called with that were built without an input shape."""
PARAMETERS = {
    labs.lab1: [401_920, 131_328, 32_896, 129],
    labs.lab5: [896, 55_360, 3_211_392, 645],
    labs.lab6: [24, 8],
    labs.lab7: [4 * ((4 + 3) * 3 + 3)],
    labs.lab9: [2_800, 180_200, 720_400],
    labs.lab10: [2_432, 9_248, 9_248, 9_248, 9_248, 200_832, 1_290],
}
"""The sheets' parameters, layer by layer, of the layers that have some."""
BUILT = [one for one in SHEETS if one not in SHAPES]


@pytest.fixture
def here(monkeypatch):
    """Let files be converted in this process, by the same functions: TensorFlow takes seconds to start."""

    def structure(archive, shapes, *, trust):
        return convert.structure(rebuild.from_config(archive.path, archive.config, trust=trust), shapes)

    monkeypatch.setattr(process, "structure", structure)


@pytest.fixture
def source(here, tmp_path):  # noqa: ARG001  # files are converted here
    """Return what gives a lab's model as it is, or as a file."""

    def made(build, way):
        if way == "live":
            return build()
        path = tmp_path / f"{build.__name__}{way}"
        if not path.exists():
            build().save(path)
        return path

    return made


def layers_of(report):
    """Return the layers of a model that stand in no other, by their names."""
    return {one.layer.name: one for one in report.by_layer() if one.layer.depth == 1}


def working(report):
    return [one for one in layers_of(report).values() if one.sums.parameters]


def macs_of(model):
    """Return the multiply-accumulates of a model's products: a kernel for each position of the output."""
    total = 0
    for layer in model._flatten_layers():  # noqa: SLF001  # `layers` stops at models inside models
        if isinstance(layer, keras.layers.Dense):
            total += prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            total += prod(layer.output.shape[1:-1]) * prod(layer.kernel.shape)
    return total


def findings(report, code):
    return [one for one in report.findings if code in one.code]


# Labs 1 to 10: the table.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("build", SHEETS, ids=lambda one: one.__name__)
def test_the_sheet_holds(source, build, way):
    sheet = SHEETS[build]
    by_convention = {
        "macs": sheet.macs,
        "macs-with-bias": sheet.macs_with_bias,
        "textbook": sheet.textbook,
        "tf-profiler": sheet.tf_profiler,
    }
    for convention, expected in by_convention.items():
        if expected is not None:
            report = analyze(source(build, way), convention=convention, shapes=SHAPES.get(build))
            assert (report.total.value.low, report.total.value.high) == (expected, expected), convention
            assert report.total.parameters == sheet.parameters
            assert report.weights.stored["float32"] == 4 * sheet.parameters
            assert build not in PARAMETERS or [one.sums.parameters for one in working(report)] == PARAMETERS[build]
            assert report.complete


def test_a_file_is_converted_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "lab6.h5"
    labs.lab6().save(path)
    report = analyze(path, convention="textbook")
    assert (report.total.parameters, report.total.macs.best, report.total.value.best) == (32, 111, 239)


@pytest.mark.parametrize("build", BUILT, ids=lambda one: one.__name__)
def test_every_layer_has_the_parameters_that_keras_counts(build):
    model = build()
    layers = layers_of(analyze(model))
    assert {name: one.sums.parameters for name, one in layers.items()} == {
        one.name: one.count_params() for one in model.layers
    }


@pytest.mark.parametrize(
    ("build", "kilobytes"),
    [(labs.lab1, 2212.00390625), (labs.lab2, 2216.5390625), (labs.lab6, 128 / 1024)],
    ids=["lab1", "lab2", "lab6"],
)
def test_the_weights_have_the_sheets_kilobytes(build, kilobytes):
    assert analyze(build()).weights.bytes / 1024 == kilobytes


@pytest.mark.parametrize(("build", "megabytes"), [(labs.lab3, 0.47), (labs.lab4, 1.36), (labs.lab5, 12.47)])
def test_the_weights_have_the_sheets_megabytes(build, megabytes):
    assert round(analyze(build()).weights.bytes / 1024**2, 2) == megabytes


@pytest.mark.parametrize(
    "build",
    BUILT,
    ids=[one.__name__ for one in BUILT],
)
def test_what_is_stored_is_the_parameters_and_nothing_else(build):
    assert analyze(build()).weights.bytes == 4 * SHEETS[build].parameters


@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize(("build", "milliseconds"), [(labs.lab1, "1.131649"), (labs.lab4, "10.751228")])
def test_the_flat_cpu_takes_the_sheets_time(source, build, milliseconds, way):
    (latency,) = analyze(source(build, way), convention="textbook", devices=["cpu-1gflops"]).latency
    assert f"{latency.seconds * 1e3:.6f}" == milliseconds
    assert not latency.is_lower_bound


@pytest.mark.parametrize("build", [labs.lab1, labs.lab3, labs.lab6], ids=lambda one: one.__name__)
def test_the_rows_add_up_to_the_total(build):
    report = analyze(build(), convention="textbook")
    top = [row for row in report.rows if row.parent is None]
    assert sum(row.cost.parameters for row in top) == SHEETS[build].parameters
    assert sum(row.value.best for row in top if row.value and row.cost.status.is_per_run) == SHEETS[build].textbook


def test_no_parameter_is_doubted_that_keras_calls_one():
    assert findings(analyze(labs.lab1()), "doubtful") == []


def test_lab_3_layer_by_layer():
    report = analyze(labs.lab3(), convention="textbook")
    assert [one.sums.value and one.sums.value.best for one in layers_of(report).values()] == [
        (2 * 3 * 3 * 1 + 1) * 26 * 26 * 32,  # a product and a sum per weight, a relu
        2 * 2 * 13 * 13 * 32,  # the window per output
        (2 * 3 * 3 * 32 + 1) * 11 * 11 * 64,
        2 * 2 * 5 * 5 * 64,
        0,
        2 * 1600 * 64 + 64,
        2 * 64 * 10 + 6 * 10,  # softmax is 6 per element
    ]


@pytest.mark.parametrize("way", WAYS[:2])
def test_lab_6_counts_each_step(source, way):
    recurrent, dense = layers_of(analyze(source(labs.lab6, way), convention="textbook")).values()
    assert recurrent.sums.value.best == 5 * (2 * 3 * (3 + 4) + 3)
    assert dense.sums.value.best == 2 * 3 * 2 + 2


@pytest.mark.parametrize(("build", "operator"), [(labs.lab6, "RNN"), (labs.lab7, "LSTM")])
def test_the_profiler_does_not_count_recurrent_layers_and_says_so(build, operator):
    (finding,) = findings(analyze(build(), convention="tf-profiler"), "not-counted")
    assert re.search(rf"\b{operator} \(1\)", finding.message)


def test_lab_7_has_no_textbook_number_and_says_so():
    (finding,) = findings(analyze(labs.lab7(), convention="textbook"), "not-counted")
    assert "LSTM (1)" in finding.message


def test_lab_8_asks_for_the_shape_that_it_lacks():
    with pytest.raises(UsageError, match="never built: say its input's shape with --shape inputs="):
        analyze(labs.lab8())


def test_lab_8_can_be_analysed_twice():
    model = labs.lab8()
    first, second = (analyze(model, shapes=SHAPES[labs.lab8]) for _ in range(2))
    assert first.total.parameters == second.total.parameters == 407_050


def test_lab_8_calls_each_layer_once():
    report = analyze(labs.lab8(), shapes=SHAPES[labs.lab8])
    assert [len(one.layer.outputs) for one in report.by_layer()] == [1, 1, 1]
    assert report.by_layer()[0].activations.best == 4 * (512 + 10)


@pytest.mark.parametrize("way", WAYS[:2])
def test_lab_9_layer_outputs(source, way):
    model, *layers = analyze(source(labs.lab9, way)).by_layer()
    assert [one.activations.best for one in layers] == [4 * 1_500_000, 4 * 750_000, 4 * 380_000]
    assert model.activations.best == 10_520_000
    assert round(model.activations.best / 1024**2, 4) == 10.0327
    assert round(model.sums.parameters * 4 / 1024**2, 4) == 3.4462
    assert round((model.activations.best + model.sums.parameters * 4) / 1024**2, 3) == 13.479


def test_lab_9_the_two_largest_consecutive_layers():
    report = analyze(labs.lab9())
    assert report.memory.peak.best == 9_000_000
    transposes = 4 * (3 * 200 * 300 + 380_000)  # to channels first and back
    assert report.memory.activations.best == 10_520_000 + transposes
    assert round(report.memory.activations.best / 1024**2, 2) == 12.17


def test_lab_9_training_on_50_images_keeps_every_layer_output():
    report = analyze(labs.lab9(), dims={"batch": 50})
    assert report.by_layer()[0].activations.best == 526_000_000
    assert report.total.macs.best == 50 * 1_399_500_000


@pytest.mark.parametrize("way", WAYS[:2])
def test_lab_10_layer_by_layer(source, way):
    report = analyze(source(labs.lab10, way), convention="macs-with-bias")
    assert [one.sums.value.best for one in working(report)] == [
        4_496_768, 4_078_368, 3_338_528, 749_088, 453_152, 200_832, 1_290,
    ]  # fmt: skip


# Labs 11 to 14: what is not on the sheets.


def test_lab_11_twenty_convolutions_each_normalized():
    model = labs.lab11()
    report = analyze(model)
    normalizations = [one for one in report.by_layer() if one.layer.class_name == "Normalize"]
    assert [one.sums.parameters for one in normalizations] == [2 * 32] * 60
    convolutions = 9 * 1 * 32 + 32 + 59 * (9 * 32 * 32 + 32)
    assert report.total.parameters == convolutions + 60 * 2 * 32 + 32 * 10 + 10 == model.count_params()
    first, inner = 9 * 1 * 32, 9 * 32 * 32
    macs = 28 * 28 * (first + 19 * inner) + (9 * 9 + 3 * 3) * 20 * inner + 32 * 10
    assert (report.total.macs.low, report.total.macs.high) == (macs, macs)
    assert report.complete


def test_lab_11_with_one_pair_for_all_channels():
    model = labs.lab11(convolutions=2, is_shared=True)
    report = analyze(model)
    normalizations = [one for one in report.by_layer() if one.layer.class_name == "Normalize"]
    assert [one.sums.parameters for one in normalizations] == [2] * 6
    assert report.total.parameters == model.count_params()
    assert report.total.macs.best == macs_of(model)


def test_lab_11_as_a_file_holds_code_that_nobody_allowed(tmp_path):
    path = tmp_path / "lab11.keras"
    labs.lab11(blocks=1, convolutions=1).save(path)
    with pytest.raises(SourceError, match=r"Normalize.*--trust"):
        analyze(path)


def test_lab_11_as_a_file_that_is_trusted(tmp_path):
    path = tmp_path / "lab11.keras"
    model = labs.lab11(blocks=1, convolutions=1)
    model.save(path)
    assert analyze(path, trust=True).total.parameters == model.count_params()


@pytest.mark.parametrize("build", [labs.lab11, labs.lab12], ids=lambda one: one.__name__)
def test_a_constant_of_a_formula_is_no_parameter(build):
    model = build(1, 1) if build is labs.lab11 else build(filters=(8,), pairs=1)
    report = analyze(model)
    assert sum(row.cost.parameters for row in report.rows) == model.count_params()
    assert findings(report, "doubtful") == []


def test_lab_12_residual_additions():
    model = labs.lab12()
    report = analyze(model, convention="textbook")
    assert report.total.parameters == model.count_params()
    assert report.total.macs.best == macs_of(model)
    matching = [one.sums.parameters for one in report.by_layer() if one.layer.class_name == "Conv2D"]
    assert {1 * 32 + 32, 32 * 64 + 64, 64 * 128 + 128} <= set(matching)
    (finding,) = findings(report, "not-counted")
    assert re.search(r"\bAdd \(\d+\)", finding.message)
    assert report.complete


def test_lab_12_a_layer_that_is_not_counted_is_no_zero():
    report = analyze(labs.lab12(), convention="textbook")
    assert {one.sums.value for one in report.by_layer() if one.layer.class_name == "Normalize"} == {None}


@pytest.mark.parametrize(
    ("application", "side", "published", "channels"),
    [("InceptionV3", 75, 21_802_784, 2_048), ("MobileNetV2", 32, 2_257_984, 1_280)],
)
def test_lab_13_tells_frozen_from_trainable(application, side, published, channels):
    model = labs.lab13(getattr(keras.applications, application), side)
    report = analyze(model)
    whole, base, *rest = [one for one in report.by_layer() if one.layer.depth < 2]
    head = channels * 2 + 2
    assert (whole.trainable, whole.frozen) == (head, published)
    assert (base.trainable, base.frozen) == (0, published)
    assert [(one.trainable, one.frozen) for one in rest] == [(0, 0), (0, 0), (head, 0)]
    assert report.to_dict()["totals"]["trainable_parameters"] == head
    assert report.total.parameters == model.count_params() == published + head
    assert report.total.macs.best == macs_of(model)
    assert report.complete


@pytest.mark.usefixtures("here")
def test_lab_13_a_file_tells_frozen_from_trainable_too(tmp_path):
    path = tmp_path / "lab13.keras"
    labs.lab13(keras.applications.MobileNetV2, 32).save(path)
    whole = analyze(path).by_layer()[0]
    assert (whole.trainable, whole.frozen) == (2_562, 2_257_984)


def test_dropout_costs_nothing_at_inference():
    costs = []
    for dropout in ([keras.layers.Dropout(0.5)], []):
        model = labs.sequential((784,), keras.layers.Dense(512, activation="relu"), *dropout, keras.layers.Dense(10))
        report = analyze(model)
        costs.append((report.total.value, report.total.read, report.total.written, report.memory.activations))
    assert costs[0] == costs[1]


def test_lab_14_of_ones_own_classes():
    report = analyze(labs.lab14(), convention="textbook", shapes={"x": (1, 784)})
    assert report.total.parameters == 407_050
    assert report.weights.bytes == 4 * 407_050
    assert (report.total.macs.best, report.total.value.best) == (406_528, 813_628)
    assert findings(report, "unused") == []


def test_lab_14_broken_never_uses_its_second_layer():
    report = analyze(labs.lab14(labs.BrokenSequential), shapes={"x": (1, 784)})
    assert report.total.parameters == 407_050
    assert report.total.macs.best == 784 * 512
    kernel, bias = findings(report, "unused-initializer")
    assert {kernel.severity, bias.severity} == {"warning"}
    assert "float32[512, 10]" in kernel.message
    assert "20480 B" in kernel.message  # 512 * 10 * 4
    assert "float32[10]" in bias.message
    assert "40 B" in bias.message


def test_lab_14_broken_names_its_second_layer():
    report = analyze(labs.lab14(labs.BrokenSequential), shapes={"x": (1, 784)})
    kernel, bias = findings(report, "unused-initializer")
    assert re.fullmatch(r"layers\W+1\W+kernel", kernel.where)
    assert re.fullmatch(r"layers\W+1\W+bias", bias.where)


class Forgetful(keras.Model):
    """Reads one layer, computes another in vain, never calls the third, and never builds the fourth."""

    def __init__(self):
        super().__init__()
        self.read = keras.layers.Dense(3, name="read")
        self.dead = keras.layers.Dense(4, name="dead")
        self.idle = keras.layers.Dense(5, name="idle")
        self.idle.build((None, 7))
        self.unbuilt = keras.layers.Dense(6, name="unbuilt")

    def call(self, x):
        self.dead(x)
        return self.read(x)


def test_what_no_output_depends_on_is_named():
    report = analyze(Forgetful(), shapes={"x": (1, 6)})
    assert report.total.parameters == (6 * 3 + 3) + (6 * 4 + 4) + (7 * 5 + 5)
    wheres = {one.where: one.message for one in findings(report, "unused-initializer")}
    assert set(wheres) == {"dead/kernel", "dead/bias", "idle/kernel", "idle/bias"}
    assert "96 B" in wheres["dead/kernel"]
    assert "140 B" in wheres["idle/kernel"]


def test_layers_never_called_or_never_built_are_named():
    idle, unbuilt = findings(analyze(Forgetful(), shapes={"x": (1, 6)}), "unused-layer")
    assert idle.where == "idle"
    assert "160 B" in idle.message  # (7 * 5 + 5) * 4
    assert unbuilt.where == "unbuilt"
    assert "never built" in unbuilt.message


def test_a_module_with_a_variable_that_nothing_reads():
    tf = pytest.importorskip("tensorflow")

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = tf.Variable(tf.zeros((4, 5))), tf.Variable(tf.zeros((7,)), name="spare")

        @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
        def __call__(self, x):
            return x @ self.used

    (finding,) = findings(analyze(Module()), "unused-initializer")
    assert finding.where == "spare"
    assert "28 B" in finding.message


# Lab 16, and where students meet the numbers.


def test_lab_16_the_bars_of_two_models():
    reports = [analyze(build(), convention="textbook", devices=["cpu-1gflops"]) for build in (labs.lab1, labs.lab2)]
    sheets = [SHEETS[labs.lab1], SHEETS[labs.lab2]]
    assert {panel.title: [bar.length for bar in panel.bars] for panel in panels_of(reports)} == {
        "parameters": [one.parameters for one in sheets],
        "weights": [4 * one.parameters for one in sheets],
        "FLOPs (textbook)": [one.textbook for one in sheets],
        "time on cpu-1gflops": pytest.approx([one.textbook / 1e9 for one in sheets]),
    }


def test_a_cell_that_ends_in_a_report_shows_the_table():
    shown = analyze(labs.lab1())._repr_html_()
    assert shown.count("<table>") == 2
    assert shown.count(">MatMul</td>") == 4
    assert "566,273" in shown
