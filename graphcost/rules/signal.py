"""Signal processing: Fourier transforms.

A transform whose length N is a power of two is the fast one of radix 2: log2(N) stages of N/2 butterflies, each one
complex multiplication and two complex additions, 10 real operations. It is the same for real signals and for those of
which one half of the spectrum is kept. A transform of any other length is the sum that defines it, as the specification
writes it, for the outputs that are kept: each real one is a sum of one product for each real number of its signal, of
which a complex sample is two. Runtimes that know a faster way for such lengths compute less. The powers of the root of
unity and 1/N are known beforehand; samples that are padded count as work; mirrored halves are read, not computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules import matmul
from graphcost.rules.registry import MICROSOFT, rule, types
from graphcost.rules.shared.axes import position
from graphcost.rules.shared.sizes import where_known
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim


MICROSOFT.signature("Rfft", "X -> Y", onesided=1, normalized=0, signal_ndim=1)
MICROSOFT.signature("Irfft", "X -> Y", onesided=1, normalized=0)
MICROSOFT.signature("ComplexMul", "A B -> C")
MICROSOFT.signature("ComplexMulConj", "A B -> C")


def _transformed(call: Call, length: int, parts: int, transforms: int, outputs: int) -> Iterator[Term]:
    """Yield the work of some transforms.

    `parts` says how many real numbers a sample is, `outputs` how many real numbers come out of all transforms.
    """
    if length < 1:
        raise call.error(f"wants a transform of length 1 or more, it is {length}")
    stages = length.bit_length() - 1
    if length == 1 << stages:
        butterflies = transforms * length // 2 * stages
        yield work("even + root * odd", Arith.MUL, butterflies=butterflies, per_butterfly=4)
        yield work("even + root * odd, even - root * odd", Arith.ADD, butterflies=butterflies, per_butterfly=6)
    else:
        yield work("root * x", Arith.MUL, outputs=outputs, numbers=parts * length)
        yield work("sum(root * x)", Arith.ADD, outputs=outputs, additions=parts * length - 1)


@rule("DFT", since=17, not_weights="dft_length axis")
def dft(call: Call) -> Iterator[Term]:
    """Output[m, k] = sum over n < N of exp(-2 pi j k n / N) * input[m, n]; inverse: exp(2 pi j k n / N), and * 1/N.

    input: (..., signal, ..., 1 or 2), output: (..., N, ..., 2), or N // 2 + 1 of N where `onesided`; of an inverse
    onesided one (..., N, ..., 1). N is `dft_length`, or as long as the signal, or of an inverse onesided one
    2 * (signal - 1). Before opset 20 the axis is an attribute.

    Source: https://onnx.ai/onnx/operators/onnx__DFT.html
    """
    x, output = call.input("input"), call.output("output")
    axis, parts = _axis(call, x.rank), x.dims[-1]
    if parts not in {1, 2}:
        raise call.error(f"wants a last axis of 1 or 2, real or complex, it is {parts}")
    transforms = TensorType(x.dtype, (*x.dims[:axis], *x.dims[axis + 1 : -1])).elements
    yield from _transformed(call, _dft_length(call, x.dims[axis]), parts, transforms, output.elements)
    if call.attr("inverse", int):
        yield work("1/N * sum", Arith.MUL, outputs=output.elements)


def _axis(call: Call, rank: int) -> int:
    if call.opset < 20:
        axis = call.attr("axis", int)
    elif call.has_input("axis"):
        axis = int(call.scalar("axis"))
    else:
        axis = -2
    found = position(call, axis, rank)
    if found == rank - 1:
        raise call.error(f"wants an axis before the last, it is {axis} of {rank}")
    return found


def _dft_length(call: Call, signal: int) -> int:
    if call.has_input("dft_length"):
        return int(call.scalar("dft_length"))
    return 2 * (signal - 1) if call.attr("inverse", int) and call.attr("onesided", int) else signal


@types("STFT")
def stft_type(call: Call) -> Iterator[TensorType]:
    """The output is (batch, frames, bins, 2); onnx's own inference takes bins for the length of a frame."""
    signal = call.partial("signal")
    _parts(call, signal)
    batch, samples = shape_of(signal)[:2]
    length, step = _frame_length(call), call.known_integer("frame_step")
    bins = length // 2 + 1 if length is not None and call.attr("onesided", int) else length
    yield TensorType(signal.dtype, (batch, _frames(call, samples, length, step), bins, 2))


def _parts(call: Call, signal: TensorType) -> Dim:
    """Return how many real numbers a sample of the signal is."""
    parts = shape_of(signal)[2] if signal.rank == 3 else 1
    if signal.rank not in {2, 3} or parts not in {1, 2, None}:
        raise call.error(f"wants a signal of shape (batch, samples, 1 or 2), it is {signal}")
    return parts


def _frames(call: Call, samples: Dim, length: int | None, step: int | None) -> int | None:
    if length is None or step is None or not isinstance(samples, int):
        return None
    if step < 1 or not 1 <= length <= samples:
        raise call.error(f"wants a step of 1 or more and a frame from 1 to {samples} long, they are {step}, {length}")
    return (samples - length) // step + 1


def _frame_length(call: Call) -> int | None:
    """Return the length of a frame: as it is given, or as the window, or as the signal; None where it isn't known."""
    if call.has_input("window"):
        length = (*shape_of(call.partial("window")), None)[0]
    elif call.has_input("frame_length"):
        length = None
    else:
        length = shape_of(call.partial("signal"))[1]
    known = call.known_integer("frame_length")
    if call.has_input("window") and isinstance(length, int) and known not in {None, length}:
        raise call.error(f"wants a window as long as a frame, {known}, it is {length} long")
    return known if known is not None else length if isinstance(length, int) else None


@rule("STFT", since=17, not_weights="frame_step window frame_length")
def stft(call: Call) -> Iterator[Term]:
    """Output[b, f, k] = sum over n < N of exp(-2 pi j k n / N) * window[n] * signal[b, f * frame_step + n].

    signal: (batch, samples, 1 or 2), as onnxruntime and exporters have it also (batch, samples); window: (N,);
    output: (batch, frames, N, 2), or N // 2 + 1 of N where `onesided`. N is `frame_length`, or as long as the window,
    or the signal. Without a window nothing is multiplied; every frame is transformed anew.

    Source: https://onnx.ai/onnx/operators/onnx__STFT.html
    """
    output, parts = call.output("output"), 2 if _parts(call, call.input("signal")) == 2 else 1
    length = _frame_length(call)
    if length is None:
        raise UnknownShapeError("the length of a frame is not known")
    frames = output.dims[0] * output.dims[1]
    if call.optional("window"):
        yield work("window * signal", Arith.MUL, frames=frames, samples=length, parts=parts)
    yield from _transformed(call, length, parts, frames, output.elements)


@MICROSOFT.types("Rfft")
def rfft_type(call: Call) -> Iterator[TensorType]:
    """Half of the spectrum of n samples is n // 2 + 1 complex numbers."""
    x = call.partial("X")
    *batch, samples = shape_of(x) or (None,)
    yield TensorType(x.dtype, (*batch, where_known(lambda size: size // 2 + 1, samples), 2))


@MICROSOFT.rule("Rfft")
def rfft(call: Call) -> Iterator[Term]:
    """Y[..., k] = sum over n < N of exp(-2 pi j k n / N) * X[..., n], for k = 0 .. N // 2.

    X: (..., N), Y: (..., N // 2 + 1, 2).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Rfft
    """
    x = call.input("X")
    _check_plain(call, x, rank=1)
    transforms = TensorType(x.dtype, x.dims[:-1]).elements
    yield from _transformed(call, x.dims[-1], 1, transforms, call.output("Y").elements)


@MICROSOFT.types("Irfft")
def irfft_type(call: Call) -> Iterator[TensorType]:
    """N // 2 + 1 complex numbers are half of the spectrum of N samples, where N is even."""
    x = call.partial("X")
    bins = shape_of(x)[-2] if x.rank > 1 else None
    yield TensorType(x.dtype, (*shape_of(x)[:-2], where_known(lambda size: 2 * (size - 1), bins)))


@MICROSOFT.rule("Irfft")
def irfft(call: Call) -> Iterator[Term]:
    """Y[..., n] = 1/N * sum over k < N of exp(2 pi j k n / N) * X[..., k], where the half k > N / 2 mirrors the other.

    X: (..., N // 2 + 1, 2), Y: (..., N), N even.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Irfft
    """
    _check_plain(call, call.input("X"), rank=2)
    y = call.output("Y")
    yield from _transformed(call, y.dims[-1], 2, TensorType(y.dtype, y.dims[:-1]).elements, y.elements)
    yield work("1/N * sum", Arith.MUL, outputs=y.elements)


def _check_plain(call: Call, x: TensorType, *, rank: int) -> None:
    if x.rank < rank:
        raise call.error(f"wants X of rank {rank} or more, it is of rank {x.rank}")
    wanted = {"onesided": 1, "normalized": 0, "signal_ndim": 1}
    for name, value in wanted.items():
        if call.attr_or(name, int, value) != value:
            raise call.error(f"wants {name} to be {value}, it is {call.attr(name, int)}")


@MICROSOFT.types("ComplexMul", "ComplexMulConj")
def complex_mul_type(call: Call) -> Iterator[TensorType]:
    """C is what A and B are broadcast to."""
    a, b = call.partial("A"), call.partial("B")
    yield TensorType(a.dtype, tuple(matmul.broadcast(call, shape_of(a), shape_of(b))))


@MICROSOFT.rule("ComplexMul", "ComplexMulConj")
def complex_mul(call: Call) -> Iterator[Term]:
    """C = A * B, or A * conj(B): (a + bj) * (c + dj) = ac - bd + (ad + bc)j, 4 multiplications and 2 additions.

    A, B: (..., 2), real and imaginary part, broadcast to C. The conjugate takes the other signs, and no more work.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.ComplexMul
    """
    pairs = call.output("C").elements // 2
    yield work("ac, bd, ad, bc", Arith.MUL, outputs=pairs, products=4)
    yield work("ac - bd, ad + bc", Arith.ADD, outputs=pairs, sums=2)
