"""What prepares features: scaling, normalizing, filling gaps, and the look-ups between categories and numbers.

The readings that all operators of ai.onnx.ml share are those of common.py: a look-up is one comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphcost.errors import UnknownShapeError
from graphcost.rules.ml.common import at_least_one, computes_in, rows_of
from graphcost.rules.registry import ML
from graphcost.rules.shared.lists import entries, length
from graphcost.terms import Arith, work
from graphcost.types import UNKNOWN, DType, MapType, SequenceType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim, Type


@ML.rule("Scaler", overwrites=True)
def scaler(call: Call) -> Iterator[Term]:
    """Y = (X - offset) * scale, with only those of both attributes that are given.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_Scaler.html
    """
    elements, dtype = call.input("X").elements, computes_in(call)
    if length(call, "offset"):
        yield work("X - offset", Arith.ADD, dtype=dtype, elements=elements)
    if length(call, "scale"):
        yield work("* scale", Arith.MUL, dtype=dtype, elements=elements)


@ML.rule("Normalizer", overwrites=True)
def normalizer(call: Call) -> Iterator[Term]:
    """Y = X / max(X), X / sum(|X|) or sqrt(X^2 / sum(X^2)), row by row, as `norm` is MAX, L1 or L2.

    X: (N, C) or (C,). The text has sum(X) for L1, but the name of the norm says whose sum it is. X^2 is computed once
    per element. Every divisor is compared with zero, where Y is X.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_Normalizer.html
    """
    (rows, features), norm, dtype = rows_of(call), call.choice("norm", _NORMS), computes_in(call)
    what, per_element, combining = _NORMS[norm]
    for arith in per_element:
        yield work(what, arith, dtype=dtype, rows=rows, elements=features)
    yield work(what, combining, dtype=dtype, rows=rows, steps=max(features - 1, 0))
    yield work("divisor = 0", Arith.CMP, dtype=dtype, rows=rows)
    yield work("X / divisor", Arith.DIV, dtype=dtype, rows=rows, elements=features)
    if norm == "L2":
        yield work("sqrt(X^2 / sum(X^2))", Arith.SQRT, dtype=dtype, rows=rows, elements=features)


_NORMS: dict[str, tuple[str, tuple[Arith, ...], Arith]] = {
    "MAX": ("max(X)", (), Arith.CMP),
    "L1": ("sum(|X|)", (Arith.SIGN,), Arith.ADD),
    "L2": ("sum(X^2)", (Arith.MUL,), Arith.ADD),
}


@ML.rule("Binarizer", overwrites=True)
def binarizer(call: Call) -> Iterator[Term]:
    """Y = X > threshold ? 1 : 0.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_Binarizer.html
    """
    yield work("x > threshold", Arith.CMP, dtype=computes_in(call), elements=call.input("X").elements)


@ML.rule("Imputer", overwrites=True)
def imputer(call: Call) -> Iterator[Term]:
    """Y = X = replaced ? imputed : X, where the value to replace can be NaN.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_Imputer.html
    """
    yield work("x = replaced", Arith.CMP, elements=call.input("X").elements)


@ML.rule("LabelEncoder", since=2)
def label_encoder(call: Call) -> Iterator[Term]:
    """Y = values[i] where keys[i] = X, else the default: every element is looked up among the keys.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html
    """
    yield work("look x up", Arith.CMP, elements=call.input("X").elements)


@ML.rule("LabelEncoder")
def first_label_encoder(call: Call) -> Iterator[Term]:
    """Y = the place of X in classes_strings, or, for an integer X, the string at that place.

    A string is looked up; a place is read without any work.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html
    """
    x = call.input("X")
    if x.dtype is DType.STRING:
        yield work("look x up", Arith.CMP, elements=x.elements)


@ML.rule("CategoryMapper")
def category_mapper(call: Call) -> Iterator[Term]:
    """Y = cats_int64s[i] where cats_strings[i] = X, or the other way: every element is looked up.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_CategoryMapper.html
    """
    yield work("look x up", Arith.CMP, elements=call.input("X").elements)


@ML.rule("OneHotEncoder")
def one_hot_encoder(call: Call) -> Iterator[Term]:
    """Y = 1 at the place of X among the categories, 0 elsewhere: every element is looked up, the 1 is written there.

    Y: (*X, categories).

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_OneHotEncoder.html
    """
    yield work("look x up", Arith.CMP, elements=call.input("X").elements)


@ML.rule("DictVectorizer")
def dict_vectorizer(call: Call) -> Iterator[Term]:
    """Y = the values of a map, each at the place of its key in the vocabulary, 0 elsewhere.

    Every key of the map is looked up. Each stands in the vocabulary, so they are at most as many; the map can be empty.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_DictVectorizer.html
    """
    keys = length(call, *_VOCABULARIES)
    dtype = DType.STRING if length(call, "string_vocabulary") else DType.INT64
    yield work("look a key up", Arith.CMP, dtype=dtype, keys=keys, least=0)


_VOCABULARIES = ("int64_vocabulary", "string_vocabulary")


@ML.rule("CastMap")
def cast_map(call: Call) -> Iterator[Term]:
    """Y = the values of a map: in the order of their keys (DENSE), or each at the place that is its key (SPARSE).

    SPARSE computes nothing: the key is the place. For DENSE the keys are sorted, and how many there are is known only
    once the map is.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_CastMap.html
    """
    if not _is_sparse(call):
        raise UnknownShapeError("how many keys the map has, which are sorted, is not known")
    return iter(())


def _is_sparse(call: Call) -> bool:
    return call.choice("map_form", ("DENSE", "SPARSE")) == "SPARSE"


@ML.types("Scaler", "Normalizer")
def float_like(call: Call) -> Iterator[Type]:
    """Yield X's shape, of floats."""
    yield TensorType(DType.FLOAT32, call.partial("X").shape)


ML.like_input("Imputer")


@ML.types("CategoryMapper")
def other_category(call: Call) -> Iterator[Type]:
    """Yield X's shape: strings become integers, integers strings."""
    yield _other_category(call)


def _other_category(call: Call) -> TensorType:
    x = call.partial("X")
    return TensorType(DType.INT64 if x.dtype is DType.STRING else DType.STRING, x.shape)


@ML.types("LabelEncoder")
def encoded_label(call: Call) -> Iterator[Type]:
    """Yield X's shape, of the values' type; before opset 2, strings become integers, integers strings."""
    if call.opset < 2:
        yield _other_category(call)
    else:
        yield TensorType(_values_type(call), call.partial("X").shape)


def _values_type(call: Call) -> DType | None:
    lists = {"values_strings": DType.STRING, "values_int64s": DType.INT64, "values_floats": DType.FLOAT32}
    for name, dtype in lists.items():
        if length(call, name):
            return dtype
    return _element_type(call.attributes.get("values_tensor"))


def _element_type(tensor: Any) -> DType | None:
    """Return the element type of a tensor attribute, in hand or left on disk."""
    if isinstance(tensor, TensorType):
        return tensor.dtype
    name = str(getattr(tensor, "dtype", "")).replace("object", "string")
    return next((one for one in DType if one.value == name), None)


@ML.types("OneHotEncoder")
def one_hot(call: Call) -> Iterator[Type]:
    """Yield X's shape with an axis more, one place for each category."""
    yield TensorType(DType.FLOAT32, (*shape_of(call.partial("X")), length(call, "cats_int64s", "cats_strings")))


@ML.types("ArrayFeatureExtractor")
def extracted(call: Call) -> Iterator[Type]:
    """Yield X's shape with as many features as there are indices; a vector becomes one row."""
    x, indices = call.partial("X"), call.partial("Y")
    found = indices.elements if indices.is_known else None
    yield TensorType(x.dtype, (*(shape_of(x)[:-1] if x.rank > 1 else (1,)), found))


@ML.types("FeatureVectorizer")
def vectorized(call: Call) -> Iterator[Type]:
    """Yield one row of all features for each row of the inputs; a vector is one row.

    Where `inputdimensions` are given, each input is cut or filled up with zeros to its own.
    """
    shapes = [shape_of(_ranked(one)) for one in call.inputs]
    given = entries(call, "inputdimensions", int)
    widths: list[Dim] = list(given) if given else [shape[-1] if shape else None for shape in shapes]
    known = [width for width in widths if isinstance(width, int) and width >= 0]
    features = sum(known) if given is not None and len(known) == len(widths) else None
    yield TensorType(DType.FLOAT32, (shapes[0][0] if len(shapes[0]) > 1 else 1, features))


def _ranked(found: Type | None) -> TensorType:
    if not isinstance(found, TensorType) or found.shape is None:
        raise UnknownShapeError("the rank of an input is not known")
    return found


@ML.types("DictVectorizer")
def vectorized_map(call: Call) -> Iterator[Type]:
    """Yield a row with a place for each key of the vocabulary: the text has a vector, runtimes and converters a row."""
    yield TensorType(_value_type(call), (1, length(call, *_VOCABULARIES)))


@ML.types("CastMap")
def cast_entries(call: Call) -> Iterator[Type]:
    """Yield a row of the map's values: as many as it has, or as `max_map` says."""
    names = {"TO_FLOAT": DType.FLOAT32, "TO_STRING": DType.STRING, "TO_INT64": DType.INT64}
    dtype = names[call.choice("cast_to", names)]
    yield TensorType(dtype, (1, at_least_one(call, "max_map") if _is_sparse(call) else None))


def _value_type(call: Call) -> DType | None:
    found = call.inputs[0] if call.inputs else None
    value = found.value if isinstance(found, MapType) else UNKNOWN
    return value.dtype if isinstance(value, TensorType) else None


@ML.types("ZipMap")
def zipped(call: Call) -> Iterator[Type]:
    """Yield a map for each row, from labels to numbers."""
    key = DType.STRING if length(call, "classlabels_strings") else DType.INT64
    yield SequenceType(MapType(key, TensorType(DType.FLOAT32, ())))
