"""What prepares features, against plain loops; the types of its outputs against onnx's reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from oracles import classical
from oracles.checked import checks
from oracles.counting import Tally

from graphcost.call import Call, Stage
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.load import schema
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import UNKNOWN, DType, MapType, SequenceType, TensorType

ML = "ai.onnx.ml"
many = settings(max_examples=200, deadline=None)
shapes = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)
matrices = st.tuples(st.integers(0, 3), st.integers(1, 3))
seeds = st.integers(0, 999).map(np.random.default_rng)
positive = st.sampled_from(("float32", "float64", "int32", "int64"))


def ml(op_type, *inputs, opset=3, outputs=1, **attributes):
    return make_call(op_type, *inputs, opset=opset, outputs=outputs, domain=ML, **attributes)


def of_map(op_type, found, **attributes):
    """Return a call of an operator that takes a map."""
    names = schema.names_of(op_type, ML, 1)
    call = Call(op_type, ML, 1, names, attributes, (found,), (UNKNOWN,), (None,), (Stage.RUN,))
    return replace(call, outputs=tuple(registry.types_of(op_type, ML)(call)))


def drawn(rng, shape, dtype="float32"):
    return rng.uniform(1.0, 9.0, shape).astype(dtype)


def looped(tally, x, row):
    """Return what a function of one row makes of every row of X; a vector is one."""
    numbers = tally.tensor(x).reshape(-1, x.shape[-1]) if x.size else []
    return np.array([[float(one) for one in row(list(numbers_of_row))] for numbers_of_row in numbers]).reshape(x.shape)


def check(call, tally, values, expected):
    """Assert that the rule counts what the loop did, the loop computes what onnx does, and the type says its shape."""
    assert counts(call) == tally.as_dict()
    np.testing.assert_allclose(np.asarray(values, float), np.asarray(expected, float), rtol=1e-4, atol=1e-5)
    assert call.outputs[0].shape == np.shape(expected)


@checks("Scaler", domain=ML)
@many
@given(shapes, seeds, st.booleans(), positive)
def test_scaler(shape, rng, per_feature, dtype):
    x, tally = drawn(rng, shape, dtype), Tally()
    length = shape[-1] if per_feature and shape[-1] else 1
    offset, scale = rng.uniform(0.5, 2, (2, length)).round(2).tolist()
    values = looped(tally, x, lambda row: classical.scaled(row, offset, scale))
    call = ml("Scaler", ts(*shape, dtype=DType(dtype)), offset=offset, scale=scale)
    (expected,) = classical.computed("Scaler", [x.astype(float)], offset=offset, scale=scale)
    check(call, tally, values, expected)
    assert call.outputs[0].dtype is DType.FLOAT32
    assert {term.dtype for term in terms(call)} == {DType(dtype) if "float" in dtype else DType.FLOAT32}


def test_scaler_does_only_what_is_given():
    assert counts(ml("Scaler", ts(2, 3), scale=[2.0])) == {Arith.MUL: 6}
    assert counts(ml("Scaler", ts(2, 3), offset=[2.0])) == {Arith.ADD: 6}


@checks("Normalizer", domain=ML)
@many
@given(matrices, st.booleans(), seeds, st.sampled_from(("MAX", "L1", "L2")))
def test_normalizer(shape, is_vector, rng, norm):
    x, tally = drawn(rng, shape[1:] if is_vector else shape), Tally()
    values = looped(tally, x, lambda row: classical.normalized(row, norm, tally))
    (expected,) = classical.computed("Normalizer", [x.reshape(-1, shape[1])], norm=norm) if x.size else (x,)
    check(ml("Normalizer", ts(*x.shape), norm=norm), tally, values, expected.reshape(x.shape))


@checks("Binarizer", domain=ML)
@many
@given(shapes, seeds)
def test_binarizer(shape, rng):
    x, tally = drawn(rng, shape), Tally()
    values = [float(one > 5.0) for one in tally.tensor(x).flat] if x.size else []
    (expected,) = classical.computed("Binarizer", [x], threshold=5.0)
    check(ml("Binarizer", ts(*shape), threshold=5.0), tally, np.reshape(values, shape), expected)


@checks("Imputer", domain=ML)
@many
@given(matrices, seeds, st.booleans())
def test_imputer(shape, rng, is_float):
    x, tally = rng.integers(0, 3, shape).astype(np.float32 if is_float else np.int64), Tally()
    imputed = [7, 8, 9][: shape[1]]
    kind = {"imputed_value_floats": [*map(float, imputed)], "replaced_value_float": 1.0}
    said = kind if is_float else {"imputed_value_int64s": imputed, "replaced_value_int64": 1}
    values = looped(
        tally, x, lambda row: [new if one.equals(1.0) else one for one, new in zip(row, imputed, strict=True)]
    )
    call = ml("Imputer", ts(*shape, dtype=DType(x.dtype.name)), **said)
    check(call, tally, values, classical.computed("Imputer", [x], **said)[0])
    assert call.outputs[0].dtype is DType(x.dtype.name)


# Look-ups

KEYS = {DType.STRING: ["a", "b", "c"], DType.INT64: [1, 2, 4], DType.FLOAT32: [1.5, 2.5, 3.5]}
SUFFIX = {DType.STRING: "strings", DType.INT64: "int64s", DType.FLOAT32: "floats"}
OTHERS = {DType.STRING: "z", DType.INT64: 9, DType.FLOAT32: 9.5}


def draw_keys(rng, shape, dtype):
    kinds = {DType.STRING: object, DType.INT64: np.int64, DType.FLOAT32: np.float32}
    choices = [*KEYS[dtype], OTHERS[dtype]]
    places = rng.integers(0, len(choices), shape)
    return np.array([choices[place] for place in places.flat], kinds[dtype]).reshape(shape)


def looked_up(tally, x, table, default):
    return np.array([classical.look_up(tally, table, key, default) for key in x.flat], object).reshape(x.shape)


@checks("LabelEncoder", domain=ML)
@many
@given(shapes, seeds, st.sampled_from([*KEYS]), st.sampled_from([*KEYS]), st.integers(2, 5), st.booleans())
def test_label_encoder(shape, rng, key, value, opset, has_tensor):
    x, tally = draw_keys(rng, shape, key), Tally()
    found = looked_up(tally, x, dict(zip(KEYS[key], KEYS[value], strict=True)), OTHERS[value])
    said = {f"keys_{SUFFIX[key]}": KEYS[key], f"values_{SUFFIX[value]}": KEYS[value]}
    defaults = {DType.STRING: "default_string", DType.INT64: "default_int64", DType.FLOAT32: "default_float"}
    default = {defaults[value]: OTHERS[value]}
    if x.size:
        (expected,) = classical.computed("LabelEncoder", [x], opset=max(opset, 4), **said, **default)
        assert expected.tolist() == found.tolist()
    if has_tensor and opset >= 4 and value is not DType.STRING:
        array = np.array(KEYS[value], value.value)
        said = {f"keys_{SUFFIX[key]}": KEYS[key], "values_tensor": numpy_helper.from_array(array)}
    call = ml("LabelEncoder", ts(*shape, dtype=key), opset=opset, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(value, shape),)


def test_a_tensor_of_values_tells_the_type_in_hand_and_on_disk():
    strings = numpy_helper.from_array(np.array(["a", "b"], object))
    shorts = numpy_helper.from_array(np.array([1, 2], np.int16))
    for tensor, dtype in ((strings, DType.STRING), (shorts, DType.INT16)):
        call = ml("LabelEncoder", ts(3, dtype=DType.INT64), opset=4, keys_int64s=[1, 2], values_tensor=tensor)
        assert call.outputs == (TensorType(dtype, (3,)),)
    left = replace(call, attributes=call.attributes | {"values_tensor": TensorType(DType.INT32, (9_999,))})
    assert list(registry.types_of("LabelEncoder", ML)(left)) == [TensorType(DType.INT32, (3,))]


@many
@given(shapes, seeds)
def test_the_first_label_encoder(shape, rng):
    x, tally = draw_keys(rng, shape, DType.STRING), Tally()
    looked_up(tally, x, {"a": 0, "b": 1, "c": 2}, -1)
    call = ml("LabelEncoder", ts(*shape, dtype=DType.STRING), opset=1, classes_strings=["a", "b", "c"])
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(DType.INT64, shape),)
    reading = ml("LabelEncoder", ts(*shape, dtype=DType.INT64), opset=1, classes_strings=["a", "b", "c"])
    assert terms(reading) == ()  # the integer is the place of its string
    assert reading.outputs == (TensorType(DType.STRING, shape),)


@checks("CategoryMapper", domain=ML)
@many
@given(shapes, seeds, st.sampled_from((DType.STRING, DType.INT64)))
def test_category_mapper(shape, rng, key):
    x, tally = draw_keys(rng, shape, key), Tally()
    other = DType.INT64 if key is DType.STRING else DType.STRING
    looked_up(tally, x, dict(zip(KEYS[key], KEYS[other], strict=True)), None)
    call = ml("CategoryMapper", ts(*shape, dtype=key), cats_int64s=KEYS[DType.INT64], cats_strings=KEYS[DType.STRING])
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(other, shape),)


@checks("OneHotEncoder", domain=ML)
@many
@given(shapes.filter(lambda shape: len(shape) < 3), seeds, st.sampled_from((DType.STRING, DType.INT64)))
def test_one_hot_encoder(shape, rng, key):
    x, tally = draw_keys(rng, shape, key), Tally()
    found = looked_up(tally, x, {one: place for place, one in enumerate(KEYS[key])}, -1)
    said = {f"cats_{SUFFIX[key]}": KEYS[key]}
    (expected,) = classical.computed("OneHotEncoder", [x], **said)
    assert [list(row).index(1.0) if 1.0 in row else -1 for row in expected.reshape(-1, 3)] == found.ravel().tolist()
    call = ml("OneHotEncoder", ts(*shape, dtype=key), **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(DType.FLOAT32, expected.shape),)


def test_a_list_that_was_left_on_disk_still_has_a_length():
    call = ml("OneHotEncoder", ts(2, 3, dtype=DType.STRING), cats_strings=["a"])
    left = replace(call, attributes={"cats_strings": TensorType(DType.STRING, (70_000,))})
    assert list(registry.types_of("OneHotEncoder", ML)(left)) == [TensorType(DType.FLOAT32, (2, 3, 70_000))]


# Maps


@checks("DictVectorizer", domain=ML)
@many
@given(st.sets(st.sampled_from(["a", "b", "c", "d"])), st.integers(1, 4))
def test_dict_vectorizer(keys, size):
    vocabulary, tally = ["a", "b", "c", "d"][:size], Tally()
    entries = {key: 2.0 for key in keys if key in vocabulary}
    values, places = [0.0] * size, {key: place for place, key in enumerate(vocabulary)}
    for key, value in entries.items():
        values[classical.look_up(tally, places, key, None)] = value
    if entries:
        (expected,) = classical.computed("DictVectorizer", [np.array([entries])], string_vocabulary=vocabulary)
        assert [values] == expected.tolist()
    found = MapType(DType.STRING, TensorType(DType.FLOAT32, ()))
    call = of_map("DictVectorizer", found, string_vocabulary=tuple(vocabulary))
    (term,) = terms(call)
    assert term.bounds.low == 0 <= tally[Arith.CMP] <= term.bounds.high == size
    assert (term.arith, term.dtype) == (Arith.CMP, DType.STRING)
    assert call.outputs == (TensorType(DType.FLOAT32, (1, size)),)


def test_cast_map():
    found = MapType(DType.INT64, TensorType(DType.FLOAT32, ()))
    sparse = of_map("CastMap", found, map_form="SPARSE", max_map=6, cast_to="TO_STRING")
    assert terms(sparse) == ()
    assert sparse.outputs == (TensorType(DType.STRING, (1, 6)),)
    dense = of_map("CastMap", found, cast_to="TO_INT64")
    assert dense.outputs == (TensorType(DType.INT64, (1, None)),)
    with pytest.raises(UnknownShapeError, match="how many keys the map has"):
        terms(dense)


def test_zip_map():
    for said, key in (
        ({"classlabels_strings": ["a", "b"]}, DType.STRING),
        ({"classlabels_int64s": [0, 1]}, DType.INT64),
    ):
        call = ml("ZipMap", ts(5, 2), **said)
        assert call.outputs == (SequenceType(MapType(key, TensorType(DType.FLOAT32, ()))),)
        assert terms(call) == ()
        assert registry.of(call).traffic(call) == (40, 40)


# Copies


@many
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple), st.sampled_from([(2,), (1, 2), (1,)]))
def test_array_feature_extractor(shape, indices):
    x = np.zeros(shape, np.float32)
    (expected,) = classical.computed("ArrayFeatureExtractor", [x, np.zeros(indices, np.int64)])
    call = ml("ArrayFeatureExtractor", ts(*shape), ts(*indices, dtype=DType.INT64))
    assert terms(call) == ()
    assert call.outputs == (TensorType(DType.FLOAT32, expected.shape),)
    written = expected.size * 4
    assert registry.of(call).traffic(call) == (written + int(np.prod(indices)) * 8, written)


@many
@given(st.integers(1, 3), st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=3))
def test_feature_vectorizer(rows, widths):
    inputs = [np.zeros((rows, width), np.float32) for width, _ in widths]
    wanted = [wanted for _, wanted in widths]
    (expected,) = classical.computed("FeatureVectorizer", inputs, inputdimensions=wanted)
    call = ml("FeatureVectorizer", *(ts(*one.shape) for one in inputs), inputdimensions=wanted)
    assert terms(call) == ()
    assert call.outputs == (ts(*expected.shape),)
    plain = ml("FeatureVectorizer", *(ts(*one.shape) for one in inputs))
    assert plain.outputs == (ts(rows, sum(width for width, _ in widths)),)


def test_a_vector_of_features_is_one_row():
    assert ml("FeatureVectorizer", ts(3), ts(2), inputdimensions=[3, 2]).outputs == (ts(1, 5),)


def test_what_is_unknown_stays_so():
    open_ = TensorType(DType.FLOAT32, (None, 3))
    assert ml("Scaler", open_, scale=[2.0]).outputs == (open_,)
    assert ml("FeatureVectorizer", open_, TensorType(DType.FLOAT32, (None, None))).outputs == (
        TensorType(DType.FLOAT32, (None, None)),
    )
    with pytest.raises(UnknownShapeError):
        terms(ml("Scaler", open_, scale=[2.0]))
    with pytest.raises(UnknownShapeError, match="the rank of an input"):
        ml("FeatureVectorizer", open_, UNKNOWN)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ml("Normalizer", ts(2, 3), norm="L3"), "wants norm to be one of MAX, L1, L2, it is 'L3'"),
        (lambda: ml("Normalizer", ts(2, 3, 4)), "wants X of shape"),
        (lambda: ml("Scaler", ts(2, 3), scale=2.0), "wants scale to be a list, it is 2.0"),
        (lambda: of_map("CastMap", MapType(None, UNKNOWN), map_form="OTHER"), "map_form to be one of DENSE, SPARSE"),
        (lambda: of_map("CastMap", MapType(None, UNKNOWN), cast_to="TO_BOOL"), "wants cast_to to be one of"),
        (
            lambda: of_map("CastMap", MapType(None, UNKNOWN), map_form="SPARSE", max_map=0),
            "wants max_map of 1 or more, it is 0",
        ),
    ],
)
def test_what_breaks_the_specification_is_named(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call())
