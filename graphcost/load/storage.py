"""How the elements of a stored tensor are written, and how many of them its dims need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.errors import InvalidModelError
from graphcost.load.quote import listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_COUNT = (1 << 63) - 1
"""Elements of the largest tensor that the specification can describe."""


@dataclass(frozen=True, slots=True)
class Storage:
    """How the elements of one data type are stored."""

    name: str
    """The data type, as onnx names it."""
    bits: int | None
    """Bits per element in raw_data; None for strings, which are never raw."""
    field: str
    """The typed field, used where there is no raw_data."""
    entries: int = 1
    """Entries of the typed field ..."""
    elements: int = 1
    """... that hold so many elements."""


STORAGE = {
    1: Storage("FLOAT", 32, "float_data"),
    2: Storage("UINT8", 8, "int32_data"),
    3: Storage("INT8", 8, "int32_data"),
    4: Storage("UINT16", 16, "int32_data"),
    5: Storage("INT16", 16, "int32_data"),
    6: Storage("INT32", 32, "int32_data"),
    7: Storage("INT64", 64, "int64_data"),
    8: Storage("STRING", None, "string_data"),
    9: Storage("BOOL", 8, "int32_data"),
    10: Storage("FLOAT16", 16, "int32_data"),
    11: Storage("DOUBLE", 64, "double_data"),
    12: Storage("UINT32", 32, "uint64_data"),
    13: Storage("UINT64", 64, "uint64_data"),
    14: Storage("COMPLEX64", 64, "float_data", entries=2),
    15: Storage("COMPLEX128", 128, "double_data", entries=2),
    16: Storage("BFLOAT16", 16, "int32_data"),
    17: Storage("FLOAT8E4M3FN", 8, "int32_data"),
    18: Storage("FLOAT8E4M3FNUZ", 8, "int32_data"),
    19: Storage("FLOAT8E5M2", 8, "int32_data"),
    20: Storage("FLOAT8E5M2FNUZ", 8, "int32_data"),
    21: Storage("UINT4", 4, "int32_data", elements=2),
    22: Storage("INT4", 4, "int32_data", elements=2),
    23: Storage("FLOAT4E2M1", 4, "int32_data", elements=2),
    24: Storage("FLOAT8E8M0", 8, "int32_data"),
    25: Storage("UINT2", 2, "int32_data", elements=4),
    26: Storage("INT2", 2, "int32_data", elements=4),
    27: Storage("FLOAT6E2M3", 6, "int32_data"),
    28: Storage("FLOAT6E3M2", 6, "int32_data"),
}
"""Every data type, by its number in onnx.TensorProto.DataType."""


def element_count(dims: Sequence[int]) -> int:
    """Return the product of the dims; InvalidModelError where one is negative or no 64-bit number holds the product.

    >>> element_count([64, 3, 7, 7])
    9408
    """
    if any(dim < 0 for dim in dims):
        raise InvalidModelError(f"dims of 0 or more are wanted, there are [{listed(dims)}]")
    if 0 in dims:
        return 0
    count = 1
    for dim in dims:
        count *= dim
        if count > LARGEST_COUNT:
            raise InvalidModelError(f"at most 2^63 - 1 elements are possible, the dims [{listed(dims)}] hold more")
    return count


def needed_bytes(dims: Sequence[int], data_type: int) -> int | None:
    """Return the bytes of raw_data that a tensor needs; None for strings and for a data type that isn't known.

    `data_type` is a number of onnx.TensorProto.DataType. Elements below a byte are packed; the last byte is filled up.
    Raises InvalidModelError as `element_count` does.

    >>> needed_bytes([2, 3], 1), needed_bytes([3], 21)
    (24, 2)
    """
    count, storage = element_count(dims), STORAGE.get(data_type)
    return None if storage is None or storage.bits is None else -(-count * storage.bits // 8)


def check(name: str, dims: Sequence[int], data_type: int, stored: Mapping[str, int]) -> None:
    """Raise InvalidModelError where a tensor holds data, but less than its dims need.

    `stored` says how many bytes of `raw_data`, or how many entries of `float_data` and the other typed fields, are
    there. No field at all is no error: such a tensor is weightless. A data type that isn't known needs nothing.
    """
    label = f"tensor {shown(name)}"
    try:
        count = element_count(dims)
    except InvalidModelError as fault:
        raise InvalidModelError(f"{label}: {fault}") from None
    storage = STORAGE.get(data_type)
    if storage is None or not stored:
        return
    raw = needed_bytes(dims, data_type) if "raw_data" in stored else None
    field, unit = (storage.field, "entries") if raw is None else ("raw_data", "bytes")
    needed = -(-count * storage.entries // storage.elements) if raw is None else raw
    if stored.get(field, 0) < needed:
        wanted = f"dims [{listed(dims)}] of {storage.name} need {needed} {unit} of {field}"
        raise InvalidModelError(f"{label}: {wanted}, there are {stored.get(field, 0)}")


def stored_elements(data_type: int, stored: Mapping[str, int]) -> int:
    """Return how many elements a tensor's data fields hold, `stored` being as in `check`."""
    storage = STORAGE.get(data_type, Storage("unknown", 8, ""))
    raw = stored.get("raw_data", 0) * 8 // (storage.bits or 8)
    typed = (
        count * storage.elements // storage.entries if field == storage.field else count
        for field, count in stored.items()
        if field != "raw_data"
    )
    return raw + sum(typed)
