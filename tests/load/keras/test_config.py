"""JSON that a stranger wrote is read as Python reads it, or refused before it takes memory."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcost.errors import InvalidModelError, SourceError
from graphcost.load.keras import config

TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ['"', "\\", '\\"', "[{,", "😀", "\n", "class"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=5), st.booleans())
def test_what_json_writes_is_read_again(value, ascii_alone):
    assert config.parsed(json.dumps(value, ensure_ascii=ascii_alone).encode(), "x") == value


def test_keras_own_infinities_are_numbers():
    found = config.parsed(b'{"max_value": Infinity, "min_value": -Infinity, "mask_value": NaN}', "x")
    assert (found["max_value"], found["min_value"]) == (float("inf"), float("-inf"))
    assert found["mask_value"] != found["mask_value"]


def test_what_training_wants_is_left_out_of_models_and_nowhere_else():
    inner = {"class_name": "Sequential", "config": {"compile_config": 1}}
    compiled = inner | {"compile_config": {"loss": "mine"}}
    text = json.dumps({"class_name": "Functional", "config": {"layers": [compiled]}, "compile_config": None})
    assert config.parsed(text.encode(), "x") == {"class_name": "Functional", "config": {"layers": [inner]}}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b'{"a": 1, "b": {"c": 1, "d": 2, "c": 3}}', "an object has the key 'c' more than once"),
        (b'{"units": 1' + b"0" * 40 + b"}", "an integer has 41 digits"),
        (b'{"units": -' + b"1" * 10_000 + b"}", "an integer has 10001 digits"),
        (b'{"a": "\\ud83d"}', "half of a surrogate pair"),
        (b'{"a": "\\ude00\\ud83d"}', "half of a surrogate pair"),
        (b'{"a": "\\ud83d\\ud83d\\ude00"}', "half of a surrogate pair"),
        (b'{"\\\\\\ud83d": 1}', "half of a surrogate pair"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8 at byte 7"),
        (b'{"a": "\x00"}', "no JSON"),
        (b'{"a": 1} {}', "no JSON"),
        (b"\\" * 99, "no JSON"),
        (b'"text"', "x is a string, wanted is an object"),
        (b"true", "x is a boolean, wanted is an object"),
        (b"1.5", "x is a number, wanted is an object"),
    ],
)
def test_what_keras_would_not_write_is_refused(text, what):
    with pytest.raises(InvalidModelError) as caught:
        config.parsed(text, "x")
    assert what in str(caught.value)


@pytest.mark.parametrize("text", [b'{"a": "\\ud83d\\ude00"}', b'{"a": "\\\\ud83d"}', b'{"a": "\\uD83D\\uDE00\\u00e9"}'])
def test_whole_pairs_are_characters(text):
    assert config.parsed(text, "x") == json.loads(text)


def nested(depth, opening=b"[", closing=b"]"):
    return b'{"a": ' + opening * (depth - 1) + closing * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (nested(config.DEEPEST + 1), "nested at most 200 deep is read, this is nested 201 deep"),
        (nested(config.DEEPEST + 1, b'{"b": [', b"]}"), "nested at most 200 deep"),
        (b'{"a":' * 100_000, "this is nested 100000 deep"),
        (b'["\\"[", "]]]",' + b"[" * 1_000, "this is nested 1001 deep"),
        (b'{"a": [' + b"[]," * config.MOST_VALUES + b"0]}", "at most 1000000 values is read, this has 2000002"),
        (b'{"a": [' + b'"",' * (3 * config.MOST_VALUES) + b'""]}', "at most 1000000 values is read, this has more"),
        (b" " * (config.LARGEST + 1), f"x of at most {config.LARGEST} bytes is read"),
    ],
)
def test_what_takes_memory_or_recursion_is_refused(text, what):
    with pytest.raises(SourceError) as caught:
        config.parsed(text, "x")
    assert what in str(caught.value)


def test_the_bounds_themselves_are_read():
    assert config.parsed(nested(config.DEEPEST), "x")
    assert config.parsed(b'{"a": "' + b'[{,\\"' * (1 << 20) + b'"}', "x")
    assert (
        len(config.parsed(b'{"a": [' + b"0," * (config.MOST_VALUES - 3) + b"0]}", "x")["a"]) == config.MOST_VALUES - 2
    )


def test_depth_is_refused_whatever_the_interpreter_allows():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        with pytest.raises(SourceError, match="nested at most 200 deep"):
            config.parsed(b'{"a":' + b"[" * 900_000, "x")
    finally:
        sys.setrecursionlimit(before)


def test_entries_come_in_the_order_of_the_file_with_the_layer_they_are_in():
    inner = {"class_name": "GlorotUniform", "config": {"seed": 1}}
    policy = {"class_name": "DTypePolicy", "config": {"name": "float32"}}
    layer = {"class_name": "Dense", "config": {"name": "d", "dtype": policy, "kernel_initializer": inner}}
    other = {"class_name": "ReLU", "config": {"name": 3}}
    root = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer, other]}}
    assert config.entries(root) == [(root, "s"), (layer, "d"), (policy, "d"), (inner, "d"), (other, "s")]


@pytest.mark.parametrize("name", [None, 1, ["Dense"], {"a": 1}, True])
def test_a_class_name_is_a_string(name):
    with pytest.raises(InvalidModelError, match=r"a class_name is .*, wanted is a string"):
        config.entries({"config": [{"class_name": name}]})
