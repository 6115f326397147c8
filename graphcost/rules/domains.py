"""The domains of operators beside ai.onnx. Registers no operator."""

from __future__ import annotations

MICROSOFT = "com.microsoft"
"""onnxruntime's own operators."""
NCHWC = "com.microsoft.nchwc"
"""onnxruntime's operators on channels in blocks."""
NHWC = "com.ms.internal.nhwc"
"""onnxruntime's operators on channels last."""
ML = "ai.onnx.ml"
"""Classical machine learning."""
TRAINING = "ai.onnx.preview.training"
"""Optimizers."""
