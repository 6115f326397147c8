"""Whatever is no ONNX model is named for what it is, and nothing that could block is opened."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import re
import socket
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from encoder import record
from google.protobuf import json_format, text_format
from onnx import helper, numpy_helper, parser, printer

from graphcost.errors import SourceError
from graphcost.load import wire

GRAPH = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
MODEL = helper.make_model(GRAPH, producer_name="TFL3")
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 102400\n"


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 100)
    return out.getvalue()


def tarred():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return out.getvalue()


def numpy_file():
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


def safetensors():
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def flatbuffer(identifier):
    return struct.pack("<I", 28) + identifier + bytes(100)


FOREIGN = {
    "git lfs": (LFS, "is a Git LFS pointer"),
    "html": (b"\n <!DOCTYPE html>\n<html><body>403</body></html>", "is an HTML page"),
    "html without doctype": (b"<HTML><head>", "is an HTML page"),
    "gzip": (gzip.compress(MODEL.SerializeToString()), "is compressed with gzip"),
    "bzip2": (bz2.compress(b"model"), "is compressed with bzip2"),
    "xz": (lzma.compress(b"model"), "is compressed with xz"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(20), "is compressed with zstd"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "is a 7z archive"),
    "tar": (tarred(), "is a tar archive"),
    "zip": (zipped("model.onnx"), "is a zip archive"),
    "keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "is a Keras model.*tf2onnx"),
    "pytorch": (zipped("archive/data.pkl", "archive/data/0"), "is a PyTorch checkpoint.*torch.onnx.export"),
    "numpy arrays": (zipped("arr_0.npy"), "holds NumPy arrays"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file.*tf2onnx"),
    "tflite": (flatbuffer(b"TFL3"), "is a TensorFlow Lite model.*tf2onnx"),
    "ort": (flatbuffer(b"ORTM"), "is a model in onnxruntime's own format"),
    "safetensors": (safetensors(), "is a safetensors file.*no graph"),
    "gguf": (b"GGUF" + struct.pack("<I", 3) + bytes(20), "is a GGUF file"),
    "numpy": (numpy_file(), "is a NumPy array"),
    "json": (json_format.MessageToJson(MODEL).encode(), "is JSON.*onnx.load"),
    "protobuf text": (text_format.MessageToString(MODEL).encode(), "is protobuf text.*onnx.load"),
    "xml": (b"<?xml version='1.0'?><net/>", "is XML"),
    "text": (b"Entry not found", "is plain text that begins with 'Entry not found'"),
    "no graph": (record(2, b"producer"), "has a graph, this file has none"),
    "tensor": (numpy_helper.from_array(np.zeros(3)).SerializeToString(), "is no ONNX model"),
    "zeros": (bytes(5_000), "is no ONNX model, or a damaged one: field 0 at byte 0 has the field number 0"),
    "noise": (np.random.default_rng(1).bytes(5_000), "is no ONNX model, or a damaged one: .* at byte"),
} | {
    f"pickle {number}": (pickle.dumps({"w": [1.0]}, number), "is a Python pickle.*torch.load")
    for number in (2, 3, 4, 5)
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_no_model_is_named_for_what_it_is(tmp_path, content, message):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"^{re.escape(str(path))}: .*{message}") as fault:
        wire.read(path)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("content", [record(1, b"node"), b"\x08\x01" + record(2, b"\x0a\x07serving")])
def test_a_tensorflow_graph_is_told_by_its_suffix_as_well(tmp_path, content):
    path = tmp_path / "saved_model.pb"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="is no ONNX model; if it is a TensorFlow graph, tf2onnx"):
        wire.read(path)


def test_a_damaged_model_is_no_tensorflow_graph(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(b"\x08\x0a" + record(7, GRAPH.SerializeToString())[:-1])
    with pytest.raises(SourceError, match=r"or a damaged one: graph.name at byte"):
        wire.read(path)


def test_a_model_may_begin_like_something_else(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x0a" + record(2, b"TFL3") + record(7, b""))
    assert path.read_bytes()[4:8] == b"TFL3"
    assert wire.read(path).format == "onnx"


@pytest.mark.parametrize("before", ["", "# a comment\n \n# and another\n", "\n\t "])
@pytest.mark.parametrize("name", ["model.onnxtxt", "model.onnxtext", "model.onnx", "model"])
def test_text_is_handed_through(tmp_path, name, before):
    path = tmp_path / name
    path.write_text(before + printer.to_text(MODEL))
    found = wire.read(path)
    assert found == wire.Skeleton(path.read_bytes(), "onnxtxt", 0)
    assert [one.op_type for one in parser.parse_model(found.data.decode()).graph.node] == ["Relu"]


def test_text_without_a_header_is_known_by_its_suffix(tmp_path):
    text = b"agraph (float[N] x) => (float[N] y) { y = Relu(x) }"
    (tmp_path / "model.onnxtxt").write_bytes(text)
    (tmp_path / "model.onnx").write_bytes(text)
    assert wire.read(tmp_path / "model.onnxtxt").format == "onnxtxt"
    with pytest.raises(SourceError, match="is plain text that begins with 'agraph"):
        wire.read(tmp_path / "model.onnx")


@pytest.mark.parametrize("name", ["git lfs", "html", "gzip", "json", "noise"])
def test_a_suffix_alone_makes_no_text(tmp_path, name):
    content, message = FOREIGN[name]
    path = tmp_path / "model.onnxtxt"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        wire.read(path)


def test_text_that_is_too_large_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.onnxtxt"
    path.write_text(printer.to_text(MODEL))
    monkeypatch.setattr(wire, "LARGEST_SKELETON", 10)
    with pytest.raises(SourceError, match=rf"at most 10 bytes is read, this has {path.stat().st_size}"):
        wire.read(path)


def directory(path):
    path.mkdir()


def saved_model(path):
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"\x08\x01")


def unix_socket(path):
    short = Path(os.path.relpath(path))  # a socket's path holds about 100 bytes
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(min(path, short, key=lambda p: len(str(p)))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "can't be read: No such file or directory"),
        (lambda path: path.symlink_to("nowhere"), "can't be read: No such file or directory"),
        (lambda path: path.symlink_to(path), "can't be read: Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b""), "is empty, it has 0 bytes"),
        (directory, "an ONNX model is a file, this is a directory$"),
        (saved_model, "this is a directory, a TensorFlow SavedModel: tf2onnx"),
        (os.mkfifo, "an ONNX model is a file, this is a named pipe"),
        (unix_socket, "an ONNX model is a file, this is a socket"),
        (lambda path: path.symlink_to(os.devnull), "an ONNX model is a file, this is a device"),
    ],
)
def test_what_is_no_plain_file_is_never_opened(tmp_path, monkeypatch, make, message):
    path = tmp_path / "model.onnx"
    make(path)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(SourceError, match=message):
        wire.read(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (Path("a\0b"), "embedded null"),
        (Path("x" * 5_000), "File name too long"),
        (Path(__file__) / "model.onnx", "Not a directory"),
    ],
)
def test_a_path_that_can_not_be_is_refused(path, message):
    with pytest.raises(SourceError, match=f"can't be read: {message}"):
        wire.read(path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(MODEL.SerializeToString())
    refusal = PermissionError(13, "Permission denied")

    def refuse(*_, **__):
        raise refusal

    monkeypatch.setattr(Path, "open", refuse)  # not chmod: nothing is forbidden to root
    with pytest.raises(SourceError, match="can't be read: Permission denied"):
        wire.read(path)


def test_a_link_to_a_model_is_followed(tmp_path):
    (tmp_path / "blob").write_bytes(MODEL.SerializeToString())
    (tmp_path / "model.onnx").symlink_to("blob")
    assert onnx.ModelProto.FromString(wire.read(tmp_path / "model.onnx").data) == MODEL
