"""Names from a file are hostile: what each sink needs so that a name stays a name."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 60
"""Columns of a terminal that a name may take."""
LONGEST_PROSE = 600
"""Columns of a terminal that a sentence with names in it may take."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def visible(text: str) -> str:
    r"""Return text in which every character shows: controls, bidi marks and zero-width characters become escapes.

    >>> print(visible("a\x1b[31m\nb\u202e"))
    a\x1b[31m\nb\u202e
    """
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if _shows(one) else _escaped(one) for one in composed)


def name(text: str) -> str:
    r"""Return a name for a table: visible, and not overlong.

    >>> print(name("conv\n"))
    conv\n
    """
    return shorten(visible(text), LONGEST_NAME)


def prose(text: str) -> str:
    """Return a sentence that holds names: visible, and not overlong."""
    return shorten(visible(text), LONGEST_PROSE)


def markdown_name(text: str) -> str:
    r"""Return a name as a Markdown code span: no markup, mention or link is read inside one.

    >>> print(markdown_name("a|b"))
    `a\x7cb`
    """
    return _code(name(text))


def markdown_prose(text: str) -> str:
    """Return a sentence that holds names as a Markdown code span."""
    return _code(prose(text))


def _code(shown: str) -> str:
    """Escape what would end the cell or the span; readers disagree about a backslash before a backtick."""
    shown = shown.replace("|", r"\x7c").replace("`", r"\x60")
    if shown.endswith("\\"):
        shown = shown[:-1] + r"\x5c"
    return f"`{shown}`" if shown else ""


def markdown_text(text: str) -> str:
    r"""Return text of this package as Markdown that shows it as it is written.

    >>> print(markdown_text("y = |x| * 2"))
    y = \|x\| \* 2
    """
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", visible(text))


def csv_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    >>> csv_cell("=cmd()"), csv_cell("conv")
    ("'=cmd()", 'conv')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def shorten(text: str, limit: int) -> str:
    """Return a visible text cut in its middle to some columns: the ends of node names say more than their middles.

    >>> shorten("/model/layers.0/self_attn/q_proj/MatMul", 24)
    '/model/…tn/q_proj/MatMul'
    """
    if width(text) <= limit:
        return text
    head = _beginning(text, (limit - 1) // 3)
    tail = _beginning(text[::-1], limit - 1 - width(head))[::-1]
    return f"{head}…{tail}"


def width(text: str) -> int:
    """Return how many columns of a terminal a visible text takes.

    >>> width("卷积"), width("conv")
    (4, 4)
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


def _shows(character: str) -> bool:
    return character.isprintable() and unicodedata.category(character) not in {"Mn", "Me"}


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _beginning(text: str, limit: int) -> str:
    """Return as much of the beginning as fits into some columns."""
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > limit:
            return text[:index]
    return text
