"""What the installed Keras calls its own passes; what could run code of somebody else does not."""

from __future__ import annotations

import inspect
import json

import pytest

from graphcost.load.keras import config, own

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from keras.src import activations, constraints, initializers, layers, regularizers  # noqa: E402  # where there is Keras
from keras.src.api_export import REGISTERED_NAMES_TO_OBJS as EXPORTED  # noqa: E402  # as above

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras and TensorFlow warn of their own insides

BUILDING_BLOCKS = ("layers", "models", "initializers", "regularizers", "constraints", "dtype_policies", "quantizers")
EVIL = {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}


def classes(module):
    return {name for name, one in vars(module).items() if inspect.isclass(one) and name != "keras_export"}


def custom(entry):
    """Return what is custom in an entry, as a file would bring it."""
    return own.custom(config.parsed(json.dumps(entry).encode(), "x"))


def entry(name, **details):
    return {"class_name": name, "config": {"name": "n"}} | details


def exported(kind, modules):
    for path, one in EXPORTED.items():
        module, _, name = path.rpartition(".")
        if kind(one) and module in modules:
            yield name, module


def subclasses(kind):
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


# Keras' own.


def test_every_layer_that_a_legacy_file_can_name_is_known():
    known = own.CLASSES | own.UNSAFE
    assert classes(layers) | {"Functional", "Model", "Sequential"} <= known
    assert own.GONE.isdisjoint(known | classes(layers))


@pytest.mark.parametrize("module", [initializers, regularizers, constraints])
def test_every_part_of_a_layer_that_a_legacy_file_can_name_is_known(module):
    assert {one.__name__ for one in module.ALL_OBJECTS} - {"Initializer", "Regularizer", "Constraint"} <= own.CLASSES


def test_every_activation_is_known():
    assert set(activations.ALL_OBJECTS_DICT) - {None} <= own.ACTIVATIONS


def test_every_exported_building_block_passes_with_its_module():
    modules = {"keras", *(f"keras.{one}" for one in BUILDING_BLOCKS)}
    found = [(name, module) for name, module in exported(inspect.isclass, modules) if name not in own.UNSAFE]
    found.remove(("name_scope", "keras"))  # a class with a function's name, which no model holds
    assert len(found) > 150
    assert [one for one in found if custom(entry(one[0], module=one[1], registered_name=None))] == []


def test_every_operation_that_is_not_exported_passes_by_where_it_is_defined():
    there = {one for one in subclasses(keras.Operation) if one.__module__.startswith("keras.src.ops.")}
    assert len(there) > 200
    for one in there:
        assert custom(entry(one.__name__, module=one.__module__, registered_name=one.__name__)) == ()


@pytest.mark.parametrize("name", ["convnext.LayerScale", "inception_resnet_v2.CustomScaleLayer"])
def test_the_layers_of_an_application_pass(name):
    module, _, name = f"keras.src.applications.{name}".rpartition(".")
    assert custom(entry(name, module=module, registered_name=name)) == ()
    assert custom(entry("ResNet50", module="keras.applications", registered_name=None))


@pytest.mark.parametrize("module", ["builtins", "keras.activations", "keras.src.activations.activations"])
def test_activations_pass(module):
    function = EVIL | {"module": module, "config": "gelu"}
    assert custom(entry("Dense", module="keras.layers") | {"config": {"activation": function}}) == ()
    assert custom(entry("Dense") | {"config": {"activation": "gelu", "recurrent_activation": "tanh"}}) == ()


@pytest.mark.parametrize(
    "kind", ["__tensor__", "__numpy__", "__keras_tensor__", "__slice__", "__bytes__", "__ellipsis__"]
)
def test_data_passes(kind):
    value = {"value": [1], "dtype": "int32", "shape": [1], "keras_history": ["n", 0, 0]}
    assert custom(entry("Add") | {"inbound_nodes": [{"args": [{"class_name": kind, "config": value}]}]}) == ()


# What is not.


def test_every_layer_that_keras_itself_calls_unsafe_is_unsafe():
    exported_layers = [EXPORTED[f"{module}.{name}"] for name, module in exported(inspect.isclass, {"keras.layers"})]
    risky = {one.__name__ for one in exported_layers if "safe_mode" in inspect.signature(one.from_config).parameters}
    assert "Lambda" in risky
    assert risky <= own.UNSAFE


@pytest.mark.parametrize("name", sorted(own.UNSAFE))
def test_an_unsafe_layer_is_named(name):
    assert custom(entry(name)) == (f"'{name}' (layer 'n')",)
    assert custom(entry(name, module="keras.layers")) == (f"'{name}' (layer 'n')",)


def test_no_function_of_keras_passes_but_an_activation():
    for path in EXPORTED:
        module, _, name = path.rpartition(".")
        as_function = EVIL | {"module": module, "config": name}
        assert bool(custom(as_function)) is not (module == "keras.activations" and name in own.ACTIVATIONS)
        if inspect.isfunction(EXPORTED[path]):
            assert custom(entry(name, module=module)), path


@pytest.mark.parametrize(
    "module",
    ["os", "kerasx.layers", "keras_hub", "keras_cv.layers", "keras.src.utils.file_utils", "keras.saving",
     "keras.export", "keras.layers\n", "keras.src.backend.tensorflow", "keras.layers. ", ["keras.layers"], {"a": 1}, 1],
)  # fmt: skip
def test_a_class_from_anywhere_else_is_foreign(module):
    assert custom(entry("Dense", module=module))
    assert custom(entry("__tuple__", module=module))
    assert custom(EVIL | {"module": module, "config": "relu"})


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (entry("Mine"), "'Mine' (layer 'n')"),
        (entry("Mine", module=None, registered_name="Mine"), "'Mine' (layer 'n')"),
        (entry("Mine", module="m", registered_name=None), "'m.Mine' (layer 'n')"),
        (entry("pack>Mine"), "'pack>Mine' (layer 'n')"),
        (entry("Dense", module="keras.layers", registered_name="pack>Dense"), "'pack>Dense' (layer 'n')"),
        (entry("Dense", module="keras.layers", registered_name=["a"]), "\"['a']\" (layer 'n')"),
        (entry("Dense") | {"config": {"activation": "wave"}}, "'wave'"),
        (entry("LSTM") | {"config": {"name": "r", "recurrent_activation": "wave"}}, "'wave' (layer 'r')"),
        (entry("Dense") | {"config": {"activation": EVIL}}, "'exec'"),
        (entry("Dense") | {"config": {"activation": EVIL | {"config": ["a"]}}}, "\"['a']\""),
        (entry("StringLookup") | {"config": {"vocabulary": "/etc/passwd"}}, "'file /etc/passwd'"),
        (entry("Add") | {"inbound_nodes": [[{"deep": [EVIL]}]]}, "'exec' (layer 'n')"),
        (entry("__typespec__", module="os", spec_name="Evil"), "'os.__typespec__' (layer 'n')"),
        (entry("Mine") | {"config": {"name": "\x1b[31m\u202e" + "x" * 99}}, r"'Mine' (layer '\x1b[31m\u202e"),
    ],
)
def test_what_is_foreign_is_named_with_its_layer(found, what):
    assert [one.startswith(what) for one in custom(found)] == [True]


def test_a_specification_of_tensorflow_is_data():
    assert custom(entry("__typespec__", module="tensorflow.python.framework.tensor", spec_name="TensorSpec")) == ()


def test_each_is_named_once_and_a_lambda_stands_for_what_it_calls():
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
    layers = [entry("Mine"), entry("Mine"), entry("Lambda") | {"config": {"name": "l", "f": code}}]
    assert custom(entry("Sequential") | {"config": {"name": "s", "layers": layers}}) == (
        "'Mine' (layer 'n')",
        "'Lambda' (layer 'l')",
    )
    assert custom(entry("Dense") | {"config": {"name": "d", "f": code}}) == ("'__lambda__' (layer 'd')",)


def test_what_only_older_versions_know_is_gone():
    gone = entry("Functional", module="keras.src.engine.functional")
    assert own.gone(entry("Model") | {"config": [entry("TFOpLambda"), gone, entry("Dense")]}) == (
        "'TFOpLambda' (layer 'n')",
        "'keras.src.engine.functional.Functional' (layer 'n')",
    )
    assert own.gone(entry("TFOpLambda", module="mine")) == ()
