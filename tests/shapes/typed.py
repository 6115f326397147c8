"""Typed models in a line or two, for the tests of what bodies give."""

from __future__ import annotations

from build import model

from graphcost.load import load
from graphcost.shapes import infer

IF = "y = If({}) <then_branch = t () => (float a) {{ {} }}, else_branch = e () => (float b) {{ {} }}>"


def typed(*nodes, signature="float[2,3] x => float[] y", opset=22):
    return infer(load(model(signature, *nodes, opset=opset)), {}, {}).graph


def shape(*nodes, signature="float[2,3] x => float[] y"):
    return typed(*nodes, signature=signature).type_of("y").shape


def bodies(*nodes, signature="float[2,3] x => float[] y"):
    return [(body.label, body.times) for call in typed(*nodes, signature=signature).calls for body in call.bodies]
