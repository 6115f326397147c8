"""Which operators' rules are compared with loops that count."""

from __future__ import annotations

FEWEST = 200
"""Examples that hypothesis draws for each."""
CHECKED: set[tuple[str, str]] = set()
"""Domain and name of each operator that a test said it checks."""


def checks(*op_types: str, domain: str = ""):
    """Say which operators' rules a test compares with loops: @checks("Conv", "ConvTranspose")."""

    def said(test):
        drawn = getattr(test, "_hypothesis_internal_use_settings", None)
        assert getattr(drawn, "max_examples", 0) >= FEWEST, f"{test.__name__} draws too few examples"
        CHECKED.update((domain, op_type) for op_type in op_types)
        return test

    return said
