"""What can be left on disk is what onnx's own descriptors say can be long."""

from __future__ import annotations

import onnx

from graphcost.load.payload import FIELDS, STRING_LISTS


def _descriptors():
    """Return every message that a model can hold, by its name without the package."""
    found, waiting = {}, [onnx.ModelProto.DESCRIPTOR]
    while waiting:
        one = waiting.pop()
        if one.full_name not in found:
            found[one.full_name] = one
            waiting += [field.message_type for field in one.fields if field.message_type]
    return {name.removeprefix("onnx."): one for name, one in found.items()}


def test_every_list_of_numbers_or_bytes_in_a_tensor_or_attribute_can_be_left_on_disk():
    small = {"dims"}  # no payload: it says how large the payload is
    for name, fields in FIELDS.items():
        descriptor = _descriptors()[name]
        lists = {one.name for one in descriptor.fields if one.is_repeated and not one.message_type} - small
        singles = {one.name for one in descriptor.fields if not one.is_repeated and one.type == one.TYPE_BYTES}
        assert set(fields) == lists | singles


def test_an_element_has_the_wire_type_that_its_field_wants():
    wire_types = {"TYPE_FLOAT": 5, "TYPE_DOUBLE": 1, "TYPE_BYTES": 2, "TYPE_STRING": 2}
    for name, fields in FIELDS.items():
        for field, wire_type in fields.items():
            descriptor = _descriptors()[name].fields_by_name[field]
            kind = next(
                k for k in dir(descriptor) if k.startswith("TYPE_") and getattr(descriptor, k) == descriptor.type
            )
            assert wire_types.get(kind, 0) == wire_type, field


def test_the_lists_of_strings_have_their_numbers():
    for name, number in STRING_LISTS.items():
        field = _descriptors()[name].fields_by_number[number]
        assert field.is_repeated
        assert FIELDS[name][field.name] == 2
