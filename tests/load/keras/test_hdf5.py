"""The attributes of an HDF5 file's root group are what h5py says, and no file can crash, stall or swell the reader."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcost.errors import SourceError
from graphcost.load.keras import hdf5

h5py = pytest.importorskip("h5py")

NAMES = ("model_config", "keras_version")
LARGEST = 1 << 20
CONFIG = '{"class_name": "Sequential", "config": {}}'
NOWHERE = 2**64 - 1


def h5_file(attributes, **options):
    out = io.BytesIO()
    with h5py.File(out, "w", **options) as file:
        file.create_group("model_weights")
        for name, value in attributes.items():
            file.attrs[name] = value
    return out.getvalue()


def read(data):
    return hdf5.root_strings(data, NAMES, largest=LARGEST)


def superblock(end, root=96):
    head = hdf5.SIGNATURE + struct.pack("<8BHHI", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0)
    return head + struct.pack("<6Q", 0, NOWHERE, end, NOWHERE, 0, root) + bytes(24)


def message(kind, body, flags=0):
    return struct.pack("<HHB3x", kind, len(body), flags) + body


def by_hand(*messages, after=b""):
    """Return a file whose root group has these messages, the first of which begins at byte 112."""
    body = b"".join(messages)
    header = struct.pack("<BxHII4x", 1, len(messages), 1, len(body)) + body
    return superblock(96 + len(header) + len(after)) + header + after


def attribute(name, kind, data, version=1, flags=0, space=b"\x01" + bytes(7)):
    def padded(part):
        return part + bytes(-len(part) % 8) if version == 1 else part

    label = name.encode() + b"\0"
    sizes = struct.pack("<BBHHH", version, flags, len(label), len(kind), len(space))
    return message(0x0C, sizes + (b"\0" if version == 3 else b"") + padded(label) + padded(kind) + padded(space) + data)


def fixed(size):
    return struct.pack("<B3BI", 0x13, 0, 0, 0, size)


VARIABLE = struct.pack("<B3BI", 0x19, 1, 0, 0, 16) + fixed(1)


def in_heap(length, number, address):
    return attribute("model_config", VARIABLE, struct.pack("<IQI", length, address, number))


def heap(*objects):
    body = b"".join(struct.pack("<HH4xQ", number, 1, len(one)) + one + bytes(-len(one) % 8) for number, one in objects)
    return b"GCOL\x01\0\0\0" + struct.pack("<Q", 16 + len(body)) + body


BEHIND = len(by_hand(in_heap(0, 0, 0)))
"""Where a heap is that follows upon one attribute."""

# Files that libhdf5 writes.


@pytest.mark.parametrize("libver", ["earliest", ("v108", "v108"), ("v110", "v110"), "latest"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_strings_are_what_h5py_reads(libver, data):
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
    value = text | text.map(str.encode) | st.just("x" * 70_000)
    others = st.dictionaries(st.sampled_from("abcdef"), value | st.integers(0, 9), max_size=4)
    wanted = st.dictionaries(st.sampled_from(NAMES), value, max_size=2)
    attributes = data.draw(others) | data.draw(wanted)
    written = h5_file(attributes, libver=libver)
    with h5py.File(io.BytesIO(written)) as file:
        there = {name: file.attrs[name] for name in NAMES if name in file.attrs}
    assert read(written) == {name: one.encode() for name, one in there.items()}


def test_attributes_that_go_on_elsewhere_are_found():
    many = {f"a{number}": "z" * 90 for number in range(300)}
    assert read(h5_file(many | {"model_config": CONFIG})) == {"model_config": CONFIG.encode()}


def test_strings_of_one_length_lose_what_fills_them():
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs.create("model_config", CONFIG, dtype="S99")
    assert read(out.getvalue()) == {"model_config": CONFIG.encode()}


def test_no_group_and_no_link_is_followed(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["model_config"] = h5py.ExternalLink("/etc/passwd", "/")
        file["keras_version"] = h5py.SoftLink("/model_config")
        file.create_group("g").attrs["model_config"] = CONFIG
    assert read((tmp_path / "m.h5").read_bytes()) == {}


@pytest.mark.parametrize("value", [[CONFIG, CONFIG], 3, [1.5], h5py.Empty("S3"), True])
def test_what_is_no_single_string_is_refused(value):
    with pytest.raises(SourceError, match="its attribute model_config is not one string"):
        read(h5_file({"model_config": value}))


def test_attributes_that_are_kept_apart_are_refused():
    many = {f"a{number}": number for number in range(20)}
    with pytest.raises(SourceError, match="keeps its attributes apart"):
        read(h5_file(many | {"model_config": CONFIG}, libver="latest"))


# Files that lie.


def test_the_files_made_here_by_hand_are_read_too():
    text = CONFIG.encode()
    short = [attribute("keras_version", fixed(8), b"3.15.1\0\0", version=version) for version in (1, 2, 3)]
    for one in short:
        assert read(by_hand(one)) == {"keras_version": b"3.15.1"}
    strings = heap((3, b"other"), (7, text), (0, b""))
    assert read(by_hand(in_heap(len(text), 7, BEHIND), after=strings)) == {"model_config": text}
    assert read(by_hand(in_heap(0, 0, 0))) == {"model_config": b""}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (by_hand(in_heap(1 << 30, 1, 0)), f"model_config of at most {LARGEST} bytes is read, this has {1 << 30}"),
        (by_hand(attribute("model_config", fixed(1 << 30), b"x")), f"says {1 << 30} more bytes"),
        (by_hand(in_heap(9, 1, NOWHERE)), "says 4 more bytes"),
        (by_hand(in_heap(9, 1, 0)), "at byte 0 strings should be"),
        (by_hand(in_heap(9, 2, BEHIND), after=heap((1, b"x" * 9))), "more bytes"),
        (by_hand(in_heap(9, 2, BEHIND), after=heap(*[(1, b"")] * 70_000)), "string 2 is not where it should be"),
        (by_hand(in_heap(99, 1, BEHIND), after=heap((1, b"x" * 9))), "says 99 more bytes"),
        (by_hand(attribute("model_config", fixed(4), b"text", flags=1)), "is not one string"),
        (by_hand(attribute("model_config", fixed(4), b"text", version=9)), "an attribute of version 9"),
        (by_hand(message(0x0C, bytes(20), flags=2)), "keeps its attributes apart"),
        (by_hand(message(0x10, struct.pack("<QQ", 112, 24))), "more than 2097152 bytes"),
        (by_hand(message(0x10, struct.pack("<QQ", 112, 1 << 40))), f"says {1 << 40} more bytes"),
        (by_hand(message(0x10, struct.pack("<QQ", NOWHERE, 24))), "says 24 more bytes"),
        (by_hand(message(0x10, b"")), "more bytes"),
        (superblock(96), "says 1 more bytes"),
        (superblock(96, root=0), "its root group has no header"),
        (superblock(96, root=NOWHERE), "says 1 more bytes"),
        (superblock(97), "was cut off: it says 97 bytes, and has 96"),
        (hdf5.SIGNATURE + b"\x04", "of format 4; 0 to 3 are read"),
        (hdf5.SIGNATURE + bytes(40), "its addresses have 0 bytes"),
    ],
)
def test_a_file_that_lies_is_refused(data, what):
    with pytest.raises(SourceError, match=r"HDF5 file|attribute|model_config") as caught:
        read(data)
    assert what in str(caught.value)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_wherever_a_file_is_cut_off_it_is_refused(libver):
    data = h5_file({"model_config": CONFIG, "keras_version": "3.15.1"}, libver=libver)
    for size in range(len(hdf5.SIGNATURE), len(data)):
        with pytest.raises(SourceError, match="HDF5 file that"):
            read(data[:size])


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_whatever_byte_changes_nothing_else_is_raised(libver):
    good = h5_file({"model_config": CONFIG, "keras_version": "3.15.1", "backend": "tensorflow"}, libver=libver)
    outcomes = set()
    for at in range(len(hdf5.SIGNATURE), len(good)):
        for value in (0, 1, 0x7F, 0xFF):
            try:
                outcomes.add(len(read(good[:at] + bytes([value]) + good[at + 1 :])))
            except SourceError:
                outcomes.add(None)
    assert {None, 1, 2} <= outcomes
