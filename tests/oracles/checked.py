"""Which operators' rules are compared with loops that count."""

from __future__ import annotations

CHECKED: set[tuple[str, str]] = set()
"""Domain and name of each operator that a test said it checks."""


def checks(*op_types: str, domain: str = ""):
    """Say which operators' rules a test compares with loops: @checks("Conv", "ConvTranspose")."""

    def said(test):
        CHECKED.update((domain, op_type) for op_type in op_types)
        return test

    return said
