"""Strings and text: what is looked up, what is counted, and what no type can tell."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import classical, texts
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed

from graphcost.bounds import Bounds
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

many = settings(max_examples=200, deadline=None)
rows_of_tokens = st.integers(0, 5).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 2), min_size=size, max_size=size), min_size=1, max_size=3)
)


def strings(*shape):
    return ts(*shape, dtype=DType.STRING)


def bounds(call):
    total = {}
    for term in terms(call):
        total[term.arith] = total.get(term.arith, Bounds(0, 0)) + term.bounds
    return {arith: found for arith, found in total.items() if found.high}


@st.composite
def pools(draw):
    """N-grams of 1 to 3 tokens, in the order of their lengths, and the attributes that say so."""
    pool = []
    starts = []
    for size in range(1, 4):
        starts.append(sum(map(len, pool)))
        pool += draw(st.lists(st.sampled_from([*product(range(3), repeat=size)]), unique=True, max_size=4))
    return pool or [(0,)], starts if pool else [0, 1, 1]


def attributes(pool, starts, lengths, mode, weights=()):
    first, last, skips = lengths
    said = {"min_gram_length": first, "max_gram_length": last, "max_skip_count": skips, "mode": mode}
    said |= {"pool_int64s": [token for one in pool for token in one], "ngram_counts": starts}
    return said | {"ngram_indexes": [*range(len(pool))]} | ({"weights": weights} if weights else {})


lengths_ = st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 3)).map(
    lambda found: (found[0], min(found[0] + found[1], 3), found[2])
)


@checks("TfIdfVectorizer")
@many
@given(rows_of_tokens, pools(), lengths_, st.sampled_from(("TF", "IDF", "TFIDF")), st.booleans())
def test_tf_idf_vectorizer(rows, pooled, lengths, mode, has_weights):
    (pool, starts), tally = pooled, Tally()
    weights = [0.5 * (1 + place) for place in range(len(pool))] if has_weights else []
    found = [texts.counted(row, pool, [*range(len(pool))], lengths, tally) for row in rows]
    found = [texts.weighted(row, mode, weights, tally) for row in found]
    said = attributes(pool, starts, lengths, mode, weights)
    ones = {"weights": weights or [1.0] * len(pool)}  # the reference does not do without
    (expected,) = computed("TfIdfVectorizer", [np.array(rows, np.int64)], 9, **(said | ones))
    np.testing.assert_allclose(found, expected)
    call = make_call("TfIdfVectorizer", ts(len(rows), len(rows[0]), dtype=DType.INT64), opset=9, **said)
    for arith, done in tally.as_dict().items():
        assert bounds(call)[arith].low <= done <= bounds(call)[arith].high
    assert bounds(call).get(Arith.MUL, Bounds(0, 0)) == Bounds.exactly(tally[Arith.MUL])
    assert call.outputs == (ts(*expected.shape),)


@many
@given(st.integers(1, 3), st.integers(1, 7), lengths_)
def test_the_ends_of_the_search_are_those_of_a_pool_with_nothing_and_with_everything(rows, size, lengths):
    everything = [(0,), (0, 0), (0, 0, 0)]
    said = attributes(everything, [0, 1, 3], lengths, "TF")
    call = make_call("TfIdfVectorizer", ts(rows, size, dtype=DType.INT64), opset=9, **said)
    ends = []
    for token in (9, 0):
        tally = Tally()
        for _ in range(rows):
            texts.counted([token] * size, everything, [0, 1, 2], lengths, tally)
        ends.append(tally)
    least, most = ends
    assert {arith: end.high for arith, end in bounds(call).items()} == most.as_dict()
    assert {arith: end.low for arith, end in bounds(call).items() if end.low} == least.as_dict()


def test_n_grams_of_a_length_that_the_pool_does_not_have_may_not_be_looked_for():
    said = attributes([(1, 2)], [0, 0], (1, 2, 0), "TF")
    call = make_call("TfIdfVectorizer", ts(6, dtype=DType.INT64), opset=13, **said)
    assert bounds(call)[Arith.CMP].low == 5  # six elements are five pairs


def test_a_vector_of_tokens_is_one_row():
    said = attributes([(0,), (1,)], [0], (1, 1, 0), "TF")
    call = make_call("TfIdfVectorizer", ts(4, dtype=DType.INT64), opset=9, **said)
    assert counts(call) == {Arith.CMP: 4, Arith.ADD: 4}
    assert call.outputs == (ts(2),)


def test_indexes_that_were_left_on_disk_leave_the_width_unknown():
    said = attributes([(0,), (1,)], [0], (1, 1, 0), "IDF")
    call = make_call("TfIdfVectorizer", ts(3, 4, dtype=DType.INT64), opset=9, **said)
    left = replace(call, attributes=call.attributes | {"ngram_indexes": TensorType(DType.INT64, (9_000,))})
    assert list(registry.types_of("TfIdfVectorizer", "")(left)) == [TensorType(DType.FLOAT32, (3, None))]
    assert counts(left)[Arith.CMP] == 3 * 4 + 3 * 9_000


def test_huge_lengths_and_skips_take_no_time():
    said = attributes([(0,), (1,)], [0, 1, 1], (1, 10**9, 10**12), "TF")
    call = make_call("TfIdfVectorizer", ts(10**9, dtype=DType.INT64), opset=9, **said)
    pairs, triples = 10**9 * (10**9 - 1) // 2, sum(10**9 - 2 * far for far in (1, 499_999_999)) * 499_999_999 // 2
    assert bounds(call)[Arith.ADD] == Bounds(0, 10**9 + pairs + triples)


@checks("StringNormalizer")
@many
@given(st.lists(st.sampled_from("abcd"), max_size=5), st.sets(st.sampled_from("abcd"), min_size=1), st.booleans())
def test_stopwords_are_looked_up(words, stopwords, is_matrix):
    shape, tally = (1, len(words)) if is_matrix else (len(words),), Tally()
    table = dict.fromkeys(stopwords, True)
    left = [word for word in words if not classical.look_up(tally, table, word, False)]
    assert left == [word for word in words if word not in stopwords]
    call = make_call("StringNormalizer", strings(*shape), stopwords=sorted(stopwords), is_case_sensitive=1)
    assert counts(call) == tally.as_dict()
    assert counts(replace(call, attributes=call.attributes | {"is_case_sensitive": 0})) == tally.as_dict()
    assert call.outputs == (TensorType(DType.STRING, (*shape[:-1], None)),)


def test_without_stopwords_strings_stay_as_they_are():
    plain = make_call("StringNormalizer", strings(1, 4))
    assert terms(plain) == ()
    assert plain.outputs == (strings(1, 4),)


TOKENIZER = {"domain": "com.microsoft", "opset": 1, "mark": 0, "mincharnum": 1, "pad_value": "#", "separators": [" "]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (make_call("StringNormalizer", strings(3), case_change_action="LOWER"), "the lengths of the strings"),
        (make_call("StringSplit", strings(3), outputs=2, delimiter=","), "the lengths of the strings"),
        (make_call("RegexFullMatch", strings(3), pattern="a+"), "the lengths of the strings"),
        (make_call("Tokenizer", strings(3), **TOKENIZER), "the lengths of the strings"),
        (make_call("ImageDecoder", ts(3, dtype=DType.UINT8)), "the format and the size of the encoded image"),
    ],
)
def test_what_runs_along_characters_is_unknown(call, message):
    with pytest.raises(UnknownShapeError, match=f"{message} .*not known"):
        terms(call)


def test_no_strings_at_all_take_no_work():
    assert terms(make_call("RegexFullMatch", strings(0, 3), pattern="a+")) == ()
    assert terms(make_call("Tokenizer", strings(0), **TOKENIZER)) == ()


def test_tokens_are_a_new_axis():
    assert make_call("Tokenizer", strings(2, 3), **TOKENIZER).outputs == (TensorType(DType.STRING, (2, 3, None)),)
    assert make_call("Tokenizer", strings(2, 0), **TOKENIZER).outputs == (strings(2, 0),)


def test_joining_strings_computes_nothing():
    assert terms(make_call("StringConcat", strings(2, 3), strings(3))) == ()


SAID = attributes([(0,)], [0], (1, 1, 0), "TF")
TOKENS = ts(2, 3, dtype=DType.INT64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: make_call("TfIdfVectorizer", TOKENS, **(SAID | {"mode": "BM25"})),
            "wants mode to be one of TF, IDF, TFIDF",
        ),
        (lambda: make_call("TfIdfVectorizer", TOKENS, **(SAID | {"min_gram_length": 2})), "they are 2 to 1, and 0"),
        (lambda: make_call("TfIdfVectorizer", ts(1, 2, 3), **SAID), "wants X of shape"),
        (lambda: make_call("TfIdfVectorizer", TOKENS, **(SAID | {"ngram_indexes": [-2]})), "wants ngram_indexes of 0"),
        (lambda: make_call("Tokenizer", strings(1, 2, 3), **TOKENIZER), "wants X of shape"),
        (lambda: make_call("StringNormalizer", strings(2, 3)), "wants X of shape"),
        (lambda: make_call("StringNormalizer", strings(2), case_change_action="TITLE"), "it is 'TITLE'"),
    ],
)
def test_what_breaks_the_specification_is_named(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call())
