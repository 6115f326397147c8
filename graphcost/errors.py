"""Every error that graphcost raises.

GraphcostError                 the base: catch this one to catch them all
├── SourceError                the source can't be read, or is no model         (exit 3)
├── InvalidModelError          a model, but one that breaks the specification   (exit 3)
├── NodeError                  one node breaks its operator's specification     (its status: invalid)
├── UnknownShapeError          a rule needs a dimension that is not known       (its status: unknown)
├── UsageError                 an option that makes no sense for this model     (exit 2)
└── results.IncompleteError    strict, and something is unpriced or unknown     (exit 4)
"""

from __future__ import annotations


class GraphcostError(Exception):
    """The base of all errors that graphcost raises on purpose."""


class SourceError(GraphcostError):
    """The source can't be read, or what it holds is no model."""


class InvalidModelError(GraphcostError):
    """The source is a model, but one that breaks the specification as a whole."""


class NodeError(GraphcostError):
    """One node breaks its operator's specification; the message says what is wanted and what is there."""


class UnknownShapeError(GraphcostError):
    """A rule asked for a dimension or a value that is not known."""


class UsageError(GraphcostError):
    """An option names something that does not exist, or does not fit the model."""
