"""Fourier transforms over counting numbers: by halves where the length is a power of two, else by the definition.

A complex number is a pair of counting numbers; the roots of unity are plain, for they are known beforehand.
"""

from __future__ import annotations

import cmath
import math


def transform(tally, samples, *, inverse=False, kept=None, is_real_result=False):
    """Return the first `kept` bins of the transform of some samples, each a list of one or two numbers."""
    sign, length = 1 if inverse else -1, len(samples)
    kept = length if kept is None else kept
    if length & (length - 1) == 0:
        pairs = [(*sample, tally.number(0))[:2] for sample in samples]
        bins = by_halves(pairs, sign)[:kept]
        bins = [one[:1] for one in bins] if is_real_result else bins
    else:
        bins = [by_definition(samples, k, sign, is_real_result=is_real_result) for k in range(kept)]
    return [[part * (1 / length) for part in one] for one in bins] if inverse else [list(one) for one in bins]


def by_halves(x, sign):
    if len(x) == 1:
        return x
    even, odd, half = by_halves(x[::2], sign), by_halves(x[1::2], sign), len(x) // 2
    result = [None] * len(x)
    for k in range(half):
        turned = times(odd[k], root(sign * k, len(x)))
        result[k] = (even[k][0] + turned[0], even[k][1] + turned[1])
        result[half + k] = (even[k][0] - turned[0], even[k][1] - turned[1])
    return result


def root(k, length):
    return cmath.exp(2j * math.pi * k / length)


def times(x, factor):
    real, imaginary = x
    return real * factor.real - imaginary * factor.imag, real * factor.imag + imaginary * factor.real


def by_definition(samples, k, sign, *, is_real_result):
    """Return bin k: for each of its parts the sum over all numbers of all samples."""
    reals, imaginaries = [], []
    for n, sample in enumerate(samples):
        factor = root(sign * k * n, len(samples))
        reals.append(sample[0] * factor.real)
        reals += [one * -factor.imag for one in sample[1:]]
        if not is_real_result:
            imaginaries.append(sample[0] * factor.imag)
            imaginaries += [one * factor.real for one in sample[1:]]
    return (total(reals),) if is_real_result else (total(reals), total(imaginaries))


def total(numbers):
    result = numbers[0]
    for one in numbers[1:]:
        result = result + one
    return result


def fitted(tally, samples, length):
    """Return as many samples: cut off, or padded with zeros."""
    zero = [tally.number(0)] * len(samples[0]) if samples else []
    return samples[:length] + [zero] * (length - len(samples))


def mirrored(tally, half, length):
    """Return a whole spectrum from its first half; the other is read from it, with the other sign."""
    half = fitted(tally, half, length // 2 + 1)
    return [half[k] if k <= length // 2 else conjugated(tally, half[length - k]) for k in range(length)]


def conjugated(tally, one):
    return [one[0], tally.number(-float(one[1]))]


def frames(tally, signal, step, length, window=None, *, onesided=True):
    """Return the spectrum of each frame of a signal, multiplied by the window where there is one."""
    found = []
    for start in range(0, len(signal) - length + 1, step):
        frame = signal[start : start + length]
        if window is not None:
            frame = [[part * weight for part in sample] for sample, weight in zip(frame, window, strict=True)]
        found.append(transform(tally, frame, kept=length // 2 + 1 if onesided else length))
    return found


def complex_product(a, b, *, conjugate=False):
    """Return a * b, or a * conj(b)."""
    (p, q), (r, s) = a, b
    if conjugate:
        return p * r + q * s, q * r - p * s
    return p * r - q * s, p * s + q * r
