"""Every type is the one that onnxruntime computes: each value of the main graph, in models that people use.

Values in the bodies of If and Loop are out of reach: onnxruntime returns only what the main graph holds.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from build import model
from onnx.backend.test import data
from runtime import real_types
from test_real_models import LIGHT, PACKAGES

from graphcost import analyze
from graphcost.types import TensorType

FOLDER = Path(__file__).parents[1] / "models"
FILES = [
    *sorted(FOLDER.glob("*.onnx")),
    *(Path(data.__path__[0]) / "light" / f"{name}.onnx" for name in LIGHT),
]
SIZES = {
    "batch": (1, 3), "batch_size": (1, 3), "N": (1, 3), "D": (1, 3), "X[0]": (1, 3), "unk__214": (1, 3),
    "input[0]": (1, 3), "state[1]": (1, 3), "x[0]": (1, 3), "p2o.DynamicDimension.0": (1, 3), "unk__1915": (1, 3),
    "sequence": (512, 512), "input[1]": (512, 512), "sequence_length": (1, 5), "seq": (128, 9), "seq_len": (128, 9),
    "T": (128, 200), "K": (4, 7), "unk__1916": (5, 16), "x[2]": (48, 48), "x[3]": (192, 96),
    "p2o.DynamicDimension.1": (320, 96), "p2o.DynamicDimension.2": (320, 64),
    "new": (1, 4), "past": (7, 0),
}  # fmt: skip
"""Two sizes for each free dimension of these models, by its name or its place."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_type_of_a_model_is_what_onnxruntime_computes(path):
    assert_real(path)


@pytest.mark.downloads
@pytest.mark.parametrize("package", PACKAGES)
def test_every_type_of_a_shipped_model_is_what_onnxruntime_computes(package, shipped):
    for path in shipped(package).values():
        assert_real(path)


DATA_DEPENDENT = {
    "silero_vad.onnx": {"If_0_outputs_0", "If_0_outputs_1", "output", "stateN"},
}
"""The values of these models whose types depend on data, and why.

silero_vad.onnx: its If asks for the sampling rate, an input; the 512 samples for 16,000 Hz break the branch for 8,000.
"""


def assert_real(path):
    """Hold every type that was inferred against the real one."""
    for dims in bindings(path):
        real, found = real_types(onnx.load(path), dims), inferred(path, dims)
        unknown = {name for name, one in found.items() if not one.is_known}
        assert found, path
        assert found == {name: as_known(real[name], one) for name, one in found.items()}, (path, dims)
        assert unknown == DATA_DEPENDENT.get(path.name, set()), (path, dims)


def bindings(path):
    """Return what binds every free dimension: two ways, or one where all are fixed."""
    free = [one.dimension for one in analyze(path).assumptions]
    return [{name: SIZES[name][nth] for name in free} for nth in ((0, 1) if free else (0,))]


def inferred(source, dims):
    """Return the type of each value that a node of the main graph computes and that is read."""
    report = analyze(source, dims=dims)
    assert report.assumptions == ()
    costs = [row.cost for row in report.rows if row.parent is None]
    return {name: one for cost in costs for name, one in zip(cost.node.outputs, cost.call.outputs, strict=True) if name}


SIZED_BY_DATA = {
    "as many as are not 0": ("int64[2,N] y", ["y = NonZero(x)"]),
    "as many as the condition lets through": (
        "float[N] y",
        ["zero = Constant<value_float = 0.5>()", "c = Greater(x, zero)", "m = Constant<value_ints = [-1]>()",
         "flat = Reshape(c, m)", "y = Compress(x, flat)"],
    ),
    "as many as differ": ("float[N] y", ["y = Unique(x)"]),
    "as long as a number says that is computed": (
        "int64[N] y",
        ["s = ReduceSum<keepdims = 0>(x)", "n = Cast<to = 7>(s)", "a = Constant<value_int = 0>()",
         "d = Constant<value_int = 1>()", "y = Range(a, n, d)"],
    ),
    "as large as numbers say that are computed": (
        "float[M,N] y",
        ["s = ReduceSum<keepdims = 0>(x)", "n = Cast<to = 7>(s)", "z = Constant<value_ints = [0]>()",
         "v = Unsqueeze(n, z)", "w = Concat<axis = 0>(v, v)", "y = ConstantOfShape(w)"],
    ),
}  # fmt: skip
"""By what the last node's size depends on: that output, and the nodes that compute it from 3x4 numbers."""


@pytest.mark.parametrize("reason", SIZED_BY_DATA)
def test_a_size_that_depends_on_data_is_unknown_and_what_is_known_beside_it_is_real(reason):
    output, nodes = SIZED_BY_DATA[reason]
    built = model(f"float[3,4] x => {output}", *nodes)
    real, found = real_types(built, {}), inferred(built, {})
    assert found == {name: as_known(real[name], one) for name, one in found.items()}
    assert [name for name, one in found.items() if not one.is_known] == ["y"]
    assert found["y"].shape is not None


def as_known(real, found):
    """Return the real type as far as it was inferred; all of it where even the ranks differ."""
    dtype = found.dtype and real.dtype
    if found.shape is None:
        return TensorType(dtype, None)
    if len(found.shape) != real.rank:
        return real
    pairs = zip(real.dims, found.shape, strict=True)
    return TensorType(dtype, tuple(None if known is None else size for size, known in pairs))
