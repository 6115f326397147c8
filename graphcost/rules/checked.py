"""The operators whose rule agrees with loops that count what they do; a test holds this to what the tests compare."""

from __future__ import annotations

CHECKED: dict[str, frozenset[str]] = {}
"""By domain, the operators; the empty name is ai.onnx."""
