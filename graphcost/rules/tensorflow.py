"""What comes out of operators of TensorFlow that ONNX can't express: they have no price, what reads them has.

They have no signature either, so that they are in no list of what is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import types
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call

DOMAIN = "tensorflow"
"""Where a conversion puts them."""

_INTEGERS = {
    "Bucketize": "int32",
    "StringToHashBucketFast": "int64",
    "StringToHashBucketStrong": "int64",
}
"""Operators that give an integer for each element, and its type."""


@types(*_INTEGERS, domain=DOMAIN)
def _integer(call: Call) -> Iterator[TensorType]:
    """output: an integer for each element of the input."""
    given = call.inputs[0]
    if isinstance(given, TensorType):
        yield TensorType(DType(_INTEGERS[call.op_type]), given.shape)


@types("ResizeArea", "ScaleAndTranslate", domain=DOMAIN)
def _image(call: Call) -> Iterator[TensorType]:
    """resized_images: (batch, *size, channels), of images (batch, height, width, channels)."""
    images, size = call.inputs[0], call.constants[1]
    if isinstance(images, TensorType) and images.shape is not None and size is not None:
        yield TensorType(DType("float32"), (images.shape[0], *map(int, size), images.shape[-1]))
