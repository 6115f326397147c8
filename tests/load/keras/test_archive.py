"""What a Keras file is, what it says of its model, and what is refused before Keras sees it."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcost.errors import GraphcostError, InvalidModelError, SourceError
from graphcost.load.keras import archive, config, zipped
from graphcost.load.keras.sizes import parameters_at_least

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras and TensorFlow warn of their own insides

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2}, "registered_name": None}
MODEL = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [DENSE]}}
CONFIG = json.dumps(MODEL).encode()
METADATA = b'{"keras_version": "3.15.1"}'
MEMBERS = {"metadata.json": METADATA, "config.json": CONFIG, "model.weights.h5": b"weights"}


def zip_of(members, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return out.getvalue()


def keras_file(tmp_path, data=None, **members):
    """Write an archive: these bytes, or Keras' members with some of them replaced."""
    path = tmp_path / "m.keras"
    path.write_bytes(
        zip_of(MEMBERS | {name.replace("_", "."): one for name, one in members.items()}) if data is None else data
    )
    return path


def central(data, name, offset, form, value):
    """Return an archive whose directory says something else of a member."""
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 46 + len(name)] != name.encode():
        at = data.index(b"PK\x01\x02", at + 1)
    changed = bytearray(data)
    struct.pack_into(form, changed, at + offset, value)
    return bytes(changed)


def refused(path, kind=SourceError):
    with pytest.raises(kind) as caught:
        archive.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# Files that Keras wrote.


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a folder with models as Keras saves them, and the number of parameters of each."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    layers = keras.layers

    class Scale(layers.Layer):
        def call(self, x):
            return x * 2

    def wave(x):
        return keras.ops.sin(x)

    def known(kind):
        return keras.saving.register_keras_serializable("mine", "Known")(type("Known", (kind,), {}))

    Scale.__module__ = "__main__"
    x = keras.Input((8,))
    models = {
        "sequential": keras.Sequential(
            [keras.Input((4, 4, 2)), layers.Conv2D(3, 2), layers.Flatten(), layers.Dense(2)]
        ),
        "functional": keras.Model(x, layers.Dense(3, "gelu", kernel_regularizer="l2")(x) + keras.ops.ones((3,))),
        "operation": keras.Model(x, keras.ops.sin(x)),
        "dense": keras.Model(x, layers.Dense(3, "relu")(x)),
        "lambda": keras.Sequential([x, layers.Lambda(lambda t: t + 1, name="plus")]),
        "builtin_lambda": keras.Sequential([x, layers.Lambda(keras.activations.relu, name="calls")]),
        "custom": keras.Sequential([x, Scale(name="scaled"), known(Scale)(name="known")]),
        "activation": keras.Sequential([x, layers.Dense(3, activation=wave, name="waves")]),
    }
    models["functional"].compile(loss=wave, optimizer="adam")
    folder = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
    models["dense"].save_weights(folder / "dense.weights.h5")
    return folder, {name: model.count_params() for name, model in models.items()}


@pytest.mark.parametrize("name", ["sequential", "functional", "dense"])
def test_an_archive_holds_what_keras_wrote_but_what_only_training_wants(written, name):
    folder, parameters = written
    found = archive.read(folder / f"{name}.keras")
    with zipfile.ZipFile(found.path) as source:
        there = json.loads(source.read("config.json"))
    there.pop("compile_config", None)
    keras = pytest.importorskip("keras")
    assert (found.kind, found.config, found.custom) == ("keras", there, ())
    assert found.keras_version == keras.__version__
    assert 0 < parameters_at_least(found.config) <= parameters[name]
    assert keras.saving.deserialize_keras_object(found.config).count_params() == parameters[name]


@pytest.mark.parametrize("name", ["sequential", "dense"])
def test_a_legacy_file_holds_what_keras_wrote(written, name):
    folder, _ = written
    found = archive.read(folder / f"{name}.h5")
    h5py = pytest.importorskip("h5py")
    with h5py.File(found.path) as source:
        assert found.config == json.loads(source.attrs["model_config"])
        assert found.keras_version == source.attrs["keras_version"]
    assert (found.kind, found.custom) == ("h5", ())


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("name", "custom"),
    [
        ("lambda", ("'Lambda' (layer 'plus')",)),
        ("builtin_lambda", ("'Lambda' (layer 'calls')",)),
        ("custom", ("'Scale' (layer 'scaled')", "'mine>Known' (layer 'known')")),
        ("activation", ("'wave' (layer 'waves')",)),
    ],
)
def test_what_is_not_keras_own_is_named_and_wants_trust(written, name, custom, suffix):
    found = archive.read(written[0] / f"{name}.{suffix}")
    assert found.custom == custom
    with pytest.raises(SourceError, match="holds what is not Keras' own") as caught:
        archive.refuse_unsafe(found, trust=False)
    assert all(one in str(caught.value) for one in (*custom, "--trust", "trust=True", str(found.path)))
    archive.refuse_unsafe(found, trust=True)


def test_an_operation_has_a_module_in_an_archive_and_none_in_a_legacy_file(written):
    archive.refuse_unsafe(archive.read(written[0] / "operation.keras"), trust=False)
    with pytest.raises(SourceError, match=r"'Sin' \(layer 'sin'\); an \.h5 file does not say what is from keras\.ops"):
        archive.refuse_unsafe(archive.read(written[0] / "operation.h5"), trust=False)


def test_a_model_without_custom_code_passes(written):
    found = archive.read(written[0] / "functional.keras")
    archive.refuse_unsafe(found, trust=False)
    archive.refuse_absurd(found)


def test_weights_alone_are_no_model(written):
    assert archive.kind_of(written[0] / "dense.weights.h5") == "h5"
    assert "it has no attribute model_config, so it holds weights alone" in refused(written[0] / "dense.weights.h5")


# What a path is.


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        os.mkdir,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04"),
        lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18)),
        lambda path: path.write_bytes(zip_of({"config.json": CONFIG, "metadata.json": METADATA})),
        lambda path: path.write_bytes(zip_of({f"m/{name}": data for name, data in MEMBERS.items()})),
        lambda path: path.write_bytes(b"front" + zip_of(MEMBERS)),
        lambda path: path.symlink_to(path),
        Path.exists,
    ],
    ids=["fifo", "folder", "empty", "zip head", "empty zip", "no weights", "one deeper", "a prefix", "loop", "nothing"],
)
def test_what_is_no_keras_file_has_no_kind_and_is_refused(tmp_path, make):
    path = tmp_path / "m.keras"
    make(path)
    assert archive.kind_of(path) is None
    assert refused(path)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_is_not_read(path):
    assert archive.kind_of(Path(path)) is None
    assert "this is no plain file" in refused(Path(path))


def test_a_name_with_nul_is_no_path(tmp_path):
    assert archive.kind_of(tmp_path / "a\0b") is None
    assert "null byte" in refused(tmp_path / "a\0b")


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.onnx", "m"])
def test_the_kind_is_what_it_holds_not_what_it_is_called(tmp_path, name):
    (tmp_path / name).write_bytes(zip_of(MEMBERS))
    assert archive.kind_of(tmp_path / name) == "keras"
    assert archive.read(tmp_path / name).config == MODEL


def numpy_zip():
    out = io.BytesIO()
    np.savez(out, np.zeros(3))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (numpy_zip(), "holds NumPy arrays"),
        (zip_of({"archive/data.pkl": b"", "archive/data/0": b""}), "is a PyTorch checkpoint"),
        (zip_of({"readme.txt": b""}), "is a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
        (b"\x08\x09\x12\x00", "is no Keras model: a Keras model is a .keras archive"),
    ],
)
def test_another_file_is_named_for_what_it_is(tmp_path, data, what):
    assert what in refused(keras_file(tmp_path, data))


# SavedModel directories.


def test_a_saved_model_is_known_by_its_file_alone(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"anything")
    assert archive.kind_of(tmp_path) == "saved_model"
    assert archive.read(tmp_path) == archive.Archive(tmp_path, "saved_model", {}, (), "")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkfifo, "its saved_model.pb is no plain file"),
        (os.mkdir, "its saved_model.pb is no plain file"),
        (lambda path: path.write_bytes(b""), "1 to 2147483648 bytes, this one has 0"),
        (lambda path: path.symlink_to("nowhere"), "can't be read: No such file"),
        (lambda path: path.touch() or os.truncate(path, (1 << 31) + 1), "this one has 2147483649"),
    ],
    ids=["fifo", "folder", "empty", "dangling", "large"],
)
def test_a_saved_model_that_is_no_file_of_its_size_is_refused(tmp_path, make, what):
    make(tmp_path / "saved_model.pb")
    assert archive.kind_of(tmp_path) == "saved_model"
    assert what in refused(tmp_path)


# Hostile and broken archives.


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit on memory")
def test_what_unpacks_to_more_than_is_read_is_refused_within_little_memory(tmp_path):
    squeeze = zlib.compressobj(wbits=-15)
    piece = squeeze.compress(b" " * (1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    data = zip_of(MEMBERS | {"config.json": piece * 1_500 + squeeze.flush()})
    data = central(data, "config.json", 10, "<H", zipfile.ZIP_DEFLATED)
    path = keras_file(tmp_path, central(data, "config.json", 24, "<I", 1_500 << 20))
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))\n"
        "from pathlib import Path\nfrom graphcost.load.keras import archive\n"
        "assert {'h5py', 'keras', 'tensorflow', 'tf2onnx'}.isdisjoint(sys.modules)\n"
        "archive.read(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", limited, path], capture_output=True, text=True, check=False)
    assert "SourceError" in done.stderr.splitlines()[-1]
    assert f"a config.json of at most {config.LARGEST} bytes is read" in done.stderr


@pytest.mark.parametrize(
    "claim", [0, 1, len(CONFIG) - 1, len(CONFIG) + 1, config.LARGEST, config.LARGEST + 1, 2**32 - 2]
)
def test_a_directory_that_lies_about_a_size_is_refused(tmp_path, claim):
    data = zip_of(MEMBERS, compression=zipfile.ZIP_DEFLATED)
    path = keras_file(tmp_path, central(data, "config.json", 24, "<I", claim))
    kind = InvalidModelError if len(CONFIG) < claim <= config.LARGEST else SourceError
    assert any(word in refused(path, kind) for word in ("CRC", "the archive says", "bytes is read"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_without_a_bound_is_not_unpacked(tmp_path, method):
    path = keras_file(tmp_path, zip_of(MEMBERS | {"config.json": b" " * (10 << 20)}, compression=method))
    assert "compressed in a way that is not read" in refused(path)


@pytest.mark.parametrize(
    "name", ["../x", "assets/../../x", "/etc/x", "\\x", "C:\\x", "c:x", "assets\\..\\..\\x", "..", "assets/.."]
)
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    assert "leads out of the archive" in refused(keras_file(tmp_path, zip_of(MEMBERS | {name: b""})), InvalidModelError)


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = keras_file(tmp_path)
    with zipfile.ZipFile(path, "a") as target:
        target.writestr(link, "/etc/passwd")
    assert "'assets/link' leads out" in refused(path, InvalidModelError)


@pytest.mark.parametrize("name", ["assets/a..b/vocabulary.txt", "assets/x:y", "assets/", "...", "assets/ü"])
def test_an_ordinary_member_is_not(tmp_path, name):
    assert archive.read(keras_file(tmp_path, zip_of(MEMBERS | {name: b""}))).config == MODEL


@pytest.mark.parametrize("name", list(MEMBERS))
def test_an_encrypted_member_is_refused(tmp_path, name):
    path = keras_file(tmp_path, central(zip_of(MEMBERS), name, 8, "<H", 1))
    assert "is encrypted" in refused(path)


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "config.json\0"])
def test_a_second_member_of_the_same_name_is_refused(tmp_path, name):
    path = keras_file(tmp_path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as target:
        warnings.simplefilter("ignore")  # that it is there twice
        target.writestr("config.jsonX", CONFIG) if "\0" in name else target.writestr(name, CONFIG)
    path.write_bytes(path.read_bytes().replace(b"config.jsonX", b"config.json\0"))
    assert refused(path, InvalidModelError)


def test_so_many_members_are_refused_and_no_large_directory_is_read(tmp_path):
    data = zip_of(MEMBERS)
    begin, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    nameless = struct.pack("<4s42x", b"PK\x01\x02")
    for count, what in ((zipped.MOST_MEMBERS, "members is read, this has 100003"), (250_000, "directory of at most")):
        directory = data[begin:end] + nameless * count
        tail = data[end : end + 12] + struct.pack("<IIH", len(directory), begin, 0)
        assert what in refused(keras_file(tmp_path, data[:begin] + directory + tail))


@pytest.mark.parametrize("at", [2**31, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("what", ["member", "directory"])
def test_what_begins_behind_the_end_is_refused(tmp_path, what, at):
    data = zip_of(MEMBERS)
    begin, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    directory, extra = data[begin:end], struct.pack("<HHQ", 1, 8, at)
    if what == "member":
        config = directory.index(b"PK\x01\x02", 1)
        head = bytearray(directory[config : config + 57])
        struct.pack_into("<H", head, 30, len(extra))
        struct.pack_into("<I", head, 42, 2**32 - 1)
        directory = directory[:config] + bytes(head) + extra + directory[config + 57 :]
        tail = data[end : end + 12] + struct.pack("<IIH", len(directory), begin, 0)
    else:
        here = begin + len(directory)
        tail = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 3, 3, len(directory), at)
        tail += struct.pack("<4sIQI", b"PK\x06\x07", 0, here, 1) + data[end : end + 12] + b"\xff" * 8 + b"\0\0"
    path = keras_file(tmp_path, data[:begin] + directory + tail)
    assert archive.kind_of(path) == "keras"
    assert "cut off or damaged" in refused(path) or "can't be read" in refused(path)


def test_wherever_an_archive_is_cut_off_it_says_so(tmp_path):
    data = zip_of(MEMBERS)
    for size in range(len(data)):
        path = keras_file(tmp_path, data[:size])
        seen = size >= 30 + len("metadata.json")
        assert archive.kind_of(path) == ("keras" if seen else None)
        assert ("is a .keras archive that was cut off or damaged" in refused(path)) is seen


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "config.json is no JSON that Keras writes"),
        (b"[1]", "config.json is a list, wanted is an object"),
        (b"null", "config.json is null, wanted is an object"),
        (b"{}", "a model has class_name and config, this one has nothing"),
        (b'{"class_name": "Dense"}', "this one has 'class_name'"),
        (b'{"class_name": ["Dense"], "config": {}}', "a class_name is a list, wanted is a string"),
        (b'{"class_name": "\xff", "config": {}}', "is not UTF-8 at byte 16"),
        (b"\xef\xbb\xbf" + CONFIG, "no JSON that Keras writes"),
        (CONFIG.decode().encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_configuration_that_breaks_the_format_is_refused(tmp_path, text, what):
    assert what in refused(keras_file(tmp_path, config_json=text), InvalidModelError)


@pytest.mark.parametrize(("text", "version"), [(METADATA, "3.15.1"), (b"{}", ""), (b'{"keras_version": [3]}', "")])
def test_the_version_is_what_a_file_says_if_it_is_a_string(tmp_path, text, version):
    assert archive.read(keras_file(tmp_path, metadata_json=text)).keras_version == version


def test_metadata_that_is_large_or_no_json_is_refused(tmp_path):
    assert "metadata.json of at most" in refused(
        keras_file(tmp_path, metadata_json=b" " * (zipped.LARGEST_METADATA + 1))
    )
    assert "metadata.json is no JSON" in refused(keras_file(tmp_path, metadata_json=b"{"), InvalidModelError)


def test_a_model_that_only_older_versions_read_is_named(tmp_path):
    old = json.dumps({"module": "keras.src.engine.functional", "class_name": "Functional", "config": {"name": "m"}})
    path = keras_file(tmp_path, config_json=old.encode(), metadata_json=b'{"keras_version": "2.15.0"}')
    assert "Keras '2.15.0' wrote it, with what Keras 3 can't read: 'keras.src.engine.functional" in refused(path)


def test_absurd_sizes_are_refused_and_large_ones_are_not(tmp_path):
    for units, absurd in ((10**9, False), (10**12, False), (2**40 + 1, True), (10**39, True)):
        wide = json.dumps(MODEL).replace('"units": 2', f'"units": {units}')
        found = archive.read(keras_file(tmp_path, config_json=wide.encode()))
        if absurd:
            with pytest.raises(SourceError, match=f"m.keras: Dense 'd' has units = {units}, a size of at most"):
                archive.refuse_absurd(found)
        else:
            archive.refuse_absurd(found)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_bytes_change_nothing_else_is_raised(tmp_path_factory, data):
    good = bytearray(
        zip_of(MEMBERS, compression=data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(4, len(good) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    path = tmp_path_factory.getbasetemp() / "changed.keras"
    path.write_bytes(good)
    archive.kind_of(path)
    try:
        found = archive.read(path)
        archive.refuse_absurd(found)
        archive.refuse_unsafe(found, trust=False)
    except GraphcostError:
        pass


KEYS = st.sampled_from(
    ["class_name", "config", "module", "registered_name", "name", "layers", "units", "filters", "kernel_size", "groups",
     "build_config", "shapes_dict", "input_shape", "activation", "vocabulary", "data_format", "inbound_nodes"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["function", "Dense", "Conv2D", "Lambda", "__typespec__", "__tensor__", "keras.layers", "n", ""]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
CONFIGS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=30
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(KEYS, CONFIGS, max_size=6), st.sampled_from(["Dense", "Conv2D", "LSTM", "function", "Mine"]))
def test_whatever_a_configuration_says_nothing_else_is_raised(tmp_path_factory, found, name):
    path = tmp_path_factory.getbasetemp() / "said.keras"
    path.write_bytes(zip_of(MEMBERS | {"config.json": json.dumps(found | {"class_name": name}).encode()}))
    try:
        read = archive.read(path)
        archive.refuse_absurd(read)
        assert parameters_at_least(read.config) >= 0
        archive.refuse_unsafe(read, trust=False)
    except GraphcostError:
        pass
