"""Strings and text.

Comparing two strings is one comparison, as for Equal, and a look-up is one as well. Work that runs along the characters
(a pattern, another case, a delimiter to be found) depends on the lengths of the strings, which no type tells: unknown.
Strings that are only moved or joined cost nothing; those operators stand in movement.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.bounds import Bounds
from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import MICROSOFT, rule, types
from graphcost.rules.shared.lists import entries, length
from graphcost.terms import Arith, ranged, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Type

MICROSOFT.signature("Tokenizer", "X -> Y")


@rule("StringNormalizer")
def string_normalizer(call: Call) -> Iterator[Term]:
    """Y = X without the elements that are stopwords, in lower or upper case.

    X: (C,) or (1, C). Every element is looked up among the stopwords, whether case matters or not. Changing the case
    runs along the characters: unknown.

    Source: https://onnx.ai/onnx/operators/onnx__StringNormalizer.html
    """
    if call.choice("case_change_action", ("NONE", "LOWER", "UPPER")) != "NONE":
        raise _unknown_lengths()
    if length(call, "stopwords"):
        yield work("look x up", Arith.CMP, elements=call.input("X").elements)


@rule("StringSplit", "RegexFullMatch")
def along_the_characters(call: Call) -> Iterator[Term]:
    """A delimiter is searched for, or a pattern matched, along the characters of every string.

    How long the strings are, no type tells: the work is unknown, but for a tensor without any.

    Source: https://onnx.ai/onnx/operators/onnx__StringSplit.html,
    https://onnx.ai/onnx/operators/onnx__RegexFullMatch.html
    """
    return _searches(call)


@MICROSOFT.rule("Tokenizer")
def tokenizer(call: Call) -> Iterator[Term]:
    """Y = the tokens of every string, found by patterns along its characters.

    How long the strings are, no type tells: the work is unknown, but for a tensor without any.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Tokenizer
    """
    return _searches(call)


def _searches(call: Call) -> Iterator[Term]:
    if call.input("X").elements:
        raise _unknown_lengths()
    return iter(())


def _unknown_lengths() -> UnknownShapeError:
    return UnknownShapeError("the lengths of the strings are not known")


@rule("ImageDecoder")
def image_decoder(_call: Call) -> Iterator[Term]:
    """Image = the pixels of an encoded stream, in any of seven formats.

    What is computed depends on the format and the size of the image, which only the stream tells: unknown.

    Source: https://onnx.ai/onnx/operators/onnx__ImageDecoder.html
    """
    raise UnknownShapeError("the format and the size of the encoded image are not known")


@rule("TfIdfVectorizer", since=9)
def tf_idf_vectorizer(call: Call) -> Iterator[Term]:
    """Y[i] = how often n-gram i of the pool occurs in a row of X.

    IDF makes that at most 1; IDF and TFIDF multiply it with weights[i]. X: (C,) or (N, C). An n-gram takes n elements
    at equal distances, of 1 to max_skip_count + 1; a single element has none. It is found element by element: n
    comparisons, fewer where no n-gram of the pool begins like it, at least 1, or none where the pool has no n-gram of
    that n. One that is found is counted: an addition. A weight of 1, the default, multiplies nothing.

    Source: https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html
    """
    x, mode = call.input("X"), call.choice("mode", ("TF", "IDF", "TFIDF"))
    if x.rank not in {1, 2}:
        raise call.error(f"wants X of shape [C] or [N, C], it is {x}")
    rows, grams = (x.dims[0] if x.rank == 2 else 1), length(call, "ngram_indexes")
    candidates = _candidates(call, x.dims[-1])
    found = sum(candidates.values())
    least = sum(number for size, number in candidates.items() if _has_ngrams(call, size))
    yield ranged("element of n-gram", Arith.CMP, Bounds(least, sum(size * n for size, n in candidates.items())), rows)
    yield ranged("count + 1", Arith.ADD, Bounds(0, found), rows, DType.INT64)
    if mode == "IDF":
        yield work("min(1, count)", Arith.CMP, dtype=DType.INT64, rows=rows, ngrams=grams)
    if mode != "TF" and length(call, "weights"):
        yield work("count * weight", Arith.MUL, dtype=DType.FLOAT32, rows=rows, ngrams=grams)


def _candidates(call: Call, elements: int) -> dict[int, int]:
    """Return how many n-grams a row has, by n; as far as the pool has n-grams of that n."""
    first, last, skips = (call.attr(name, int) for name in ("min_gram_length", "max_gram_length", "max_skip_count"))
    if not 1 <= first <= last or skips < 0:
        raise call.error(f"wants n-grams of 1 or more, skips of 0 or more, they are {first} to {last}, and {skips}")
    longest = min(last, elements, length(call, "ngram_counts"))
    return {size: _of_size(elements, size, skips + 1) for size in range(first, longest + 1)}


def _has_ngrams(call: Call, size: int) -> bool:
    """Return whether the pool surely has n-grams of a size: ngram_counts say where those of each size begin."""
    starts = entries(call, "ngram_counts", int)
    ends = (*(starts or ()), length(call, "pool_int64s", "pool_strings"))
    return starts is not None and ends[size] > ends[size - 1]


def _of_size(elements: int, size: int, distances: int) -> int:
    """Return how many n-grams a row has at distances of 1, 2, ...: as many as there are places for the first element.

    >>> _of_size(6, size=3, distances=2)  # 4 places at distance 1, 2 at distance 2
    6
    """
    if size == 1:
        return elements
    fitting = min(distances, (elements - 1) // (size - 1))
    return fitting * elements - (size - 1) * fitting * (fitting + 1) // 2


@types("TfIdfVectorizer")
def counted(call: Call) -> Iterator[Type]:
    """Yield for each row as many counts as the highest of ngram_indexes says; unknown where these are on disk."""
    indexes = entries(call, "ngram_indexes", int)
    if indexes is not None and (not indexes or min(indexes) < 0):
        raise call.error(f"wants ngram_indexes of 0 or more, they are {indexes}")
    yield TensorType(
        DType.FLOAT32,
        (*shape_of(call.partial("X"))[:-1], max(indexes) + 1 if indexes else None),
    )


@types("StringNormalizer")
def normalized(call: Call) -> Iterator[Type]:
    """Yield X's shape, but what is left where stopwords are removed is unknown."""
    x = call.partial("X")
    dims = shape_of(x)
    if len(dims) not in {1, 2} or (len(dims) == 2 and dims[0] not in {1, None}):
        raise call.error(f"wants X of shape [C] or [1, C], it is {x}")
    yield TensorType(DType.STRING, (*dims[:-1], None) if length(call, "stopwords") else dims)


@MICROSOFT.types("Tokenizer")
def tokenized(call: Call) -> Iterator[Type]:
    """Yield X's shape with an axis more: as many places as the string with most tokens has tokens.

    Where there are no strings at all, the shape stays.
    """
    x = call.partial("X")
    dims = shape_of(x)
    if len(dims) not in {1, 2}:
        raise call.error(f"wants X of shape [C] or [N, C], it is {x}")
    yield TensorType(DType.STRING, dims if 0 in dims else (*dims, None))
