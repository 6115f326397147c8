"""The sweep over keras.layers: some 500 configurations, family by family."""

from sweep import (
    activations,
    attention,
    convolutions,
    core,
    free,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    reshaping,
    together,
)

FAMILIES = (
    core,
    convolutions,
    activations,
    reshaping,
    pooling,
    normalization,
    attention,
    recurrent,
    preprocessing,
    together,
    free,
)
ROWS = [row for family in FAMILIES for row in family.ROWS]
"""Each configuration."""
