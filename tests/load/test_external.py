"""External data is judged by its description and by the size of its file; no file is opened."""

from __future__ import annotations

import builtins
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcost.load import external


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a file of 100 bytes, where opening anything fails the test."""
    (tmp_path / "w.bin").write_bytes(bytes(100))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w..bin").write_bytes(bytes(100))
    (tmp_path / "link").symlink_to("w.bin")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for module, name in ((builtins, "open"), (os, "open")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("a file was opened"))
    return tmp_path


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "w.bin"},
        {"location": "sub/w..bin"},
        {"location": "./w.bin", "checksum": "0"},
        {"location": "w.bin", "offset": "60"},
        {"location": "w.bin", "offset": "60", "length": "40"},
        {"location": "w.bin", "length": "100"},  # more than needed
    ],
)
def test_sound_data_give_no_finding(folder, entries):
    assert external.check("w", entries, 40, folder) is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "no location says in which"),
        ({"location": ""}, "no location says in which"),
        ({"location": "../w.bin"}, r"'\.\./w\.bin', which leads out of the model's folder"),
        ({"location": "sub/../../w.bin"}, "leads out of the model's folder"),
        ({"location": "sub\\..\\w.bin"}, "leads out of the model's folder"),
        ({"location": "/etc/passwd"}, "'/etc/passwd', where a path inside the model's folder is wanted"),
        ({"location": "\\\\server\\share"}, "a path inside the model's folder is wanted"),
        ({"location": "C:w.bin"}, "a path inside the model's folder is wanted"),
        ({"location": "w\0.bin"}, r"'w\\x00\.bin', which holds a NUL"),
        ({"location": "w.bin", "offset": "-1"}, "its offset is '-1', where a number of bytes from 0 to 2"),
        ({"location": "w.bin", "offset": "٣"}, "its offset is '٣'"),
        ({"location": "w.bin", "offset": ""}, "its offset is ''"),
        ({"location": "w.bin", "length": "1e3"}, "its length is '1e3'"),
        ({"location": "w.bin", "length": "9" * 9_999}, "its length is '9+'"),
        ({"location": "w.bin", "length": "39"}, "its dims need 40 bytes, its length is 39"),
    ],
)
def test_a_description_is_judged_with_and_without_a_folder(folder, entries, message):
    for where in (folder, None):
        found = external.check("w", entries, 40, where)
        assert (found.code, found.severity, found.where) == ("external-data", "error", "w")
        assert re.search(message, found.message)


@pytest.mark.parametrize(
    ("entries", "severity", "message"),
    [
        ({"location": "gone.bin"}, "error", "its file 'gone.bin' can't be looked at: No such file or directory"),
        ({"location": "w.bin/inside"}, "error", "its file 'inside' can't be looked at: Not a directory"),
        ({"location": "x" * 5_000}, "error", f"its file '{'x' * 80}'... can't be looked at: File name too long"),
        ({"location": "w.bin", "offset": "61"}, "error", "its file 'w.bin' has 100 bytes, 101 are wanted"),
        ({"location": "w.bin", "length": "101"}, "error", "its file 'w.bin' has 100 bytes, 101 are wanted"),
        ({"location": "w.bin", "offset": "9" * 19}, "error", f"has 100 bytes, {int('9' * 19) + 40} are wanted"),
        ({"location": "pipe"}, "error", "its file 'pipe' is no plain file"),
        ({"location": "sub"}, "error", "its file 'sub' is no plain file"),
        ({"location": "."}, "error", "is no plain file"),
        (
            {"location": "link"},
            "warning",
            "its file 'link' is a link, which is not followed: 40 bytes are wanted there",
        ),
        ({"location": "loop"}, "warning", "its file 'loop' is a link"),
    ],
)
def test_the_file_is_judged_by_its_size_and_kind(folder, entries, severity, message):
    found = external.check("w", entries, 40, folder)
    assert (found.severity, found.where) == (severity, "w")
    assert message in found.message
    assert external.check("w", entries, 40, None) is None


def test_what_is_needed_may_be_unknown(folder):
    assert external.check("w", {"location": "w.bin", "offset": "100"}, None, folder) is None
    found = external.check("w", {"location": "w.bin", "offset": "101"}, None, folder)
    assert "has 100 bytes, 101 are wanted" in found.message


def test_a_tensor_costs_one_look_at_its_file(folder, monkeypatch):
    looks = []
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: looks.append(path) or lstat(path))
    monkeypatch.setattr(os, "stat", lambda *_, **__: pytest.fail("a second look"))
    external.check("w", {"location": "w.bin"}, 40, folder)
    assert looks == [str(folder / "w.bin")]


ENTRIES = st.dictionaries(st.sampled_from(["location", "offset", "length"]), st.text(max_size=20))


@given(ENTRIES, st.none() | st.integers(0, 1 << 70))
def test_any_description_gives_one_sentence_or_none(tmp_path_factory, entries, needed):
    found = external.check("w", entries, needed, tmp_path_factory.getbasetemp())
    assert found is None or "\n" not in found.message
