"""What onnxruntime's kernels compute, for one operator at a time."""

from __future__ import annotations

import onnx
import onnxruntime
from onnx import helper

MICROSOFT = "com.microsoft"


def computed(op_type, inputs, outputs=1, *, domain=MICROSOFT, version=21, **attributes):
    """Return the outputs of a kernel on the CPU, with one thread; an input that is None is left out.

    `version` is that of ai.onnx.
    """
    while inputs and inputs[-1] is None:
        inputs = inputs[:-1]
    names = ["" if one is None else f"x{place}" for place, one in enumerate(inputs)]
    results = [f"y{place}" for place in range(outputs)]
    feeds = {name: one for name, one in zip(names, inputs, strict=True) if name}
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, domain=domain, **attributes)],
        "one",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(one.dtype), one.shape)
            for name, one in feeds.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in results],
    )
    opsets = [helper.make_opsetid("", version), helper.make_opsetid(MICROSOFT, 1)]
    return _session(helper.make_model(graph, opset_imports=opsets, ir_version=10)).run(None, feeds)


def _session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
