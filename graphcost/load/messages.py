"""The messages of the ONNX format by their field numbers: what wire.py walks without onnx, and how it names a fault."""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """One field of a message."""

    name: str
    """Its name; `[]` behind it where it is a list of messages."""
    message: str = ""
    """Which message it holds; empty where it holds a number or a string."""


MESSAGES: dict[str, dict[int, Field]] = {
    "ModelProto": {
        1: Field("ir_version"),
        2: Field("producer_name"),
        3: Field("producer_version"),
        4: Field("domain"),
        5: Field("model_version"),
        6: Field("doc_string"),
        7: Field("graph", "GraphProto"),
        8: Field("opset_import[]", "OperatorSetIdProto"),
        14: Field("metadata_props[]", "StringStringEntryProto"),
        20: Field("training_info[]", "TrainingInfoProto"),
        25: Field("functions[]", "FunctionProto"),
        26: Field("configuration[]", "DeviceConfigurationProto"),
    },
    "OperatorSetIdProto": {
        1: Field("domain"),
        2: Field("version"),
    },
    "GraphProto": {
        1: Field("node[]", "NodeProto"),
        2: Field("name"),
        5: Field("initializer[]", "TensorProto"),
        10: Field("doc_string"),
        11: Field("input[]", "ValueInfoProto"),
        12: Field("output[]", "ValueInfoProto"),
        13: Field("value_info[]", "ValueInfoProto"),
        14: Field("quantization_annotation[]", "TensorAnnotation"),
        15: Field("sparse_initializer[]", "SparseTensorProto"),
        16: Field("metadata_props[]", "StringStringEntryProto"),
    },
    "NodeProto": {
        1: Field("input"),
        2: Field("output"),
        3: Field("name"),
        4: Field("op_type"),
        5: Field("attribute[]", "AttributeProto"),
        6: Field("doc_string"),
        7: Field("domain"),
        8: Field("overload"),
        9: Field("metadata_props[]", "StringStringEntryProto"),
        10: Field("device_configurations[]", "NodeDeviceConfigurationProto"),
    },
    "AttributeProto": {
        1: Field("name"),
        2: Field("f"),
        3: Field("i"),
        4: Field("s"),
        5: Field("t", "TensorProto"),
        6: Field("g", "GraphProto"),
        7: Field("floats"),
        8: Field("ints"),
        9: Field("strings"),
        10: Field("tensors[]", "TensorProto"),
        11: Field("graphs[]", "GraphProto"),
        13: Field("doc_string"),
        14: Field("tp", "TypeProto"),
        15: Field("type_protos[]", "TypeProto"),
        20: Field("type"),
        21: Field("ref_attr_name"),
        22: Field("sparse_tensor", "SparseTensorProto"),
        23: Field("sparse_tensors[]", "SparseTensorProto"),
    },
    "TensorProto": {
        1: Field("dims"),
        2: Field("data_type"),
        3: Field("segment", "TensorProto.Segment"),
        4: Field("float_data"),
        5: Field("int32_data"),
        6: Field("string_data"),
        7: Field("int64_data"),
        8: Field("name"),
        9: Field("raw_data"),
        10: Field("double_data"),
        11: Field("uint64_data"),
        12: Field("doc_string"),
        13: Field("external_data[]", "StringStringEntryProto"),
        14: Field("data_location"),
        16: Field("metadata_props[]", "StringStringEntryProto"),
    },
    "TensorProto.Segment": {
        1: Field("begin"),
        2: Field("end"),
    },
    "StringStringEntryProto": {
        1: Field("key"),
        2: Field("value"),
    },
    "SparseTensorProto": {
        1: Field("values", "TensorProto"),
        2: Field("indices", "TensorProto"),
        3: Field("dims"),
    },
    "TypeProto": {
        1: Field("tensor_type", "TypeProto.Tensor"),
        4: Field("sequence_type", "TypeProto.Sequence"),
        5: Field("map_type", "TypeProto.Map"),
        6: Field("denotation"),
        7: Field("opaque_type", "TypeProto.Opaque"),
        8: Field("sparse_tensor_type", "TypeProto.SparseTensor"),
        9: Field("optional_type", "TypeProto.Optional"),
    },
    "TypeProto.Tensor": {
        1: Field("elem_type"),
        2: Field("shape", "TensorShapeProto"),
    },
    "TensorShapeProto": {
        1: Field("dim[]", "TensorShapeProto.Dimension"),
    },
    "TensorShapeProto.Dimension": {
        1: Field("dim_value"),
        2: Field("dim_param"),
        3: Field("denotation"),
    },
    "TypeProto.Sequence": {
        1: Field("elem_type", "TypeProto"),
    },
    "TypeProto.Map": {
        1: Field("key_type"),
        2: Field("value_type", "TypeProto"),
    },
    "TypeProto.Optional": {
        1: Field("elem_type", "TypeProto"),
    },
    "TypeProto.SparseTensor": {
        1: Field("elem_type"),
        2: Field("shape", "TensorShapeProto"),
    },
    "TypeProto.Opaque": {
        1: Field("domain"),
        2: Field("name"),
    },
    "NodeDeviceConfigurationProto": {
        1: Field("configuration_id"),
        2: Field("sharding_spec[]", "ShardingSpecProto"),
        3: Field("pipeline_stage"),
    },
    "ShardingSpecProto": {
        1: Field("tensor_name"),
        2: Field("device"),
        3: Field("index_to_device_group_map[]", "IntIntListEntryProto"),
        4: Field("sharded_dim[]", "ShardedDimProto"),
    },
    "IntIntListEntryProto": {
        1: Field("key"),
        2: Field("value"),
    },
    "ShardedDimProto": {
        1: Field("axis"),
        2: Field("simple_sharding[]", "SimpleShardedDimProto"),
    },
    "SimpleShardedDimProto": {
        1: Field("dim_value"),
        2: Field("dim_param"),
        3: Field("num_shards"),
    },
    "ValueInfoProto": {
        1: Field("name"),
        2: Field("type", "TypeProto"),
        3: Field("doc_string"),
        4: Field("metadata_props[]", "StringStringEntryProto"),
    },
    "TensorAnnotation": {
        1: Field("tensor_name"),
        2: Field("quant_parameter_tensor_names[]", "StringStringEntryProto"),
    },
    "TrainingInfoProto": {
        1: Field("initialization", "GraphProto"),
        2: Field("algorithm", "GraphProto"),
        3: Field("initialization_binding[]", "StringStringEntryProto"),
        4: Field("update_binding[]", "StringStringEntryProto"),
    },
    "FunctionProto": {
        1: Field("name"),
        4: Field("input"),
        5: Field("output"),
        6: Field("attribute"),
        7: Field("node[]", "NodeProto"),
        8: Field("doc_string"),
        9: Field("opset_import[]", "OperatorSetIdProto"),
        10: Field("domain"),
        11: Field("attribute_proto[]", "AttributeProto"),
        12: Field("value_info[]", "ValueInfoProto"),
        13: Field("overload"),
        14: Field("metadata_props[]", "StringStringEntryProto"),
    },
    "DeviceConfigurationProto": {
        1: Field("name"),
        2: Field("num_devices"),
        3: Field("device"),
    },
}
