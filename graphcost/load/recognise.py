"""What a file is: ONNX text, something that can't be opened, or something else than a model of ours."""

from __future__ import annotations

import codecs
import os
import re
import stat
from typing import TYPE_CHECKING

from graphcost.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from graphcost.load.fields import Data

HEAD = 4_096
"""So many bytes from its beginning tell what a file is."""

_ZIP_NAMES = 1 << 16
"""So many bytes from either end of a zip archive show the names of the first and of the last files in it."""

_TEXT_SUFFIXES = (".onnxtxt", ".onnxtext")
_TEXT = re.compile(
    rb"(?:\s|#[^\n]*\n)*<\s*"
    rb"(?:ir_version|opset_import|producer_name|producer_version|domain|model_version|doc_string|metadata_props)\s*:"
)
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_CONVERT = "tf2onnx makes an ONNX model of it"
_CONVERT_KERAS = "keras.models.load_model reads it, tf2onnx makes an ONNX model of that"
_EXPORT = "torch.load reads it, torch.onnx.export makes an ONNX model of the network"
_UNPACK = "unpack it first"
_NO_GRAPH = "it holds numbers and no graph"

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the model: `git lfs pull` fetches that"),
    (0, b"\x89HDF\r\n\x1a\n", f"an HDF5 file, perhaps a Keras model: {_CONVERT_KERAS}"),
    (4, b"TFL3", f"a TensorFlow Lite model: {_CONVERT}"),
    (4, b"ORTM", "a model in onnxruntime's own format: give the ONNX model it was made from"),
    (0, b"GGUF", f"a GGUF file, which llama.cpp reads: {_NO_GRAPH}"),
    (0, b"\x93NUMPY", f"a NumPy array, which numpy.load reads: {_NO_GRAPH}"),
    (0, b"\x1f\x8b", f"compressed with gzip: {_UNPACK}"),
    (0, b"BZh", f"compressed with bzip2: {_UNPACK}"),
    (0, b"\xfd7zXZ\x00", f"compressed with xz: {_UNPACK}"),
    (0, b"\x28\xb5\x2f\xfd", f"compressed with zstd: {_UNPACK}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {_UNPACK}"),
    (257, b"ustar", f"a tar archive: {_UNPACK}"),
    *(
        (0, bytes([0x80, protocol]), f"a Python pickle, perhaps a PyTorch checkpoint: {_EXPORT}")
        for protocol in (2, 3, 4, 5)
    ),
)
"""At which byte, which bytes, and what a file is that has them there."""

_ZIPPED: tuple[tuple[bytes, str], ...] = (
    (b"data.pkl", f"is a PyTorch checkpoint: {_EXPORT}"),
    (b"model.weights.h5", f"is a Keras model: {_CONVERT_KERAS}"),
    (b".npy", f"holds NumPy arrays, which numpy.load reads: {_NO_GRAPH}"),
    (b"", f"is a zip archive: {_UNPACK}"),
)
"""Which file is in a zip archive, and what an archive is that holds it."""

_TEXTS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*" + begin, re.IGNORECASE), what)
    for begin, what in (
        (rb"(?:<!doctype html|<html)", "an HTML page, not the model: what a server answered instead of it"),
        (rb"<\?xml", "XML, which holds no ONNX model"),
        (
            rb"(?:ir_version|producer_name)\s*:|(?:graph|opset_import)\s*{",
            "protobuf text: onnx.load and onnx.save make it .onnx",
        ),
        (rb"[{\[]", "JSON: if it is an ONNX model as .onnxjson, onnx.load and onnx.save make it .onnx"),
    )
)
"""How a text begins, and what it is."""

_TENSORFLOW = (b"\x0a", b"\x08\x01\x12")
"""How TensorFlow's GraphDef and SavedModel begin."""
_PRINTABLE = re.compile(rb"[\t\n\r -~\x80-\xff]+")
_SHOWN = 40


def refuse_unreadable(path: Path) -> None:
    """Raise SourceError for what is no plain file with something in it; nothing is opened."""
    try:
        found = path.stat()
    except (OSError, ValueError) as fault:
        raise SourceError(f"{path}: can't be read: {getattr(fault, 'strerror', None) or fault}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no plain file")
        raise SourceError(f"{path}: an ONNX model is a file, this is {kind}{_saved_model(path)}")
    if found.st_size == 0:
        raise SourceError(f"{path}: is empty, it has 0 bytes")


def is_text(path: Path, head: bytes) -> bool:
    """Return whether a file is ONNX text, by how it begins or by its suffix."""
    if _TEXT.match(head):
        return True
    return path.suffix in _TEXT_SUFFIXES and _is_utf8(head) and _known(head) is None


def foreign(path: Path, data: Data) -> str | None:
    """Return what a file is that is no ONNX model, and what would read it; None where it looks like nothing known.

    Ask only about what can't be read as a model: a model may begin with any bytes.
    """
    head = data[:HEAD]
    if head.startswith(b"PK\x03\x04"):
        names = data[:_ZIP_NAMES] + data[-_ZIP_NAMES:]
        return next(what for name, what in _ZIPPED if name in names)
    if head[8:9] == b"{" and 8 + int.from_bytes(head[:8], "little") <= len(data):
        return f"is a safetensors file: {_NO_GRAPH}"
    if path.suffix == ".pb" and head.startswith(_TENSORFLOW):
        return f"is no ONNX model; if it is a TensorFlow graph, {_CONVERT}"
    return _known(head) or _plain_text(head)


def _saved_model(path: Path) -> str:
    found = os.path.exists(path / "saved_model.pb")  # noqa: PTH110  # Path.exists raises where permission lacks
    return f", a TensorFlow SavedModel: {_CONVERT}" if found else ""


def _known(head: bytes) -> str | None:
    signatures = (what for at, signature, what in _SIGNATURES if head.startswith(signature, at))
    texts = (what for begin, what in _TEXTS if begin.match(head))
    return next((f"is {what}" for what in (*signatures, *texts)), None)


def _plain_text(head: bytes) -> str | None:
    if _PRINTABLE.fullmatch(head) and _is_utf8(head):
        return f"is plain text that begins with {head.decode(errors='ignore').strip()[:_SHOWN]!r}"
    return None


def _is_utf8(head: bytes) -> bool:
    """Return whether it is UTF-8, cut off at the end perhaps."""
    try:
        codecs.utf_8_decode(head, "strict", False)
    except UnicodeDecodeError:
        return False
    return True
