"""Reads tables back, each format by its own rules and none of the writer's code."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from html.parser import HTMLParser

WORDS = {"unpriced", "unknown", "invalid"}
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def terminal(text):
    """Return titles and rows of a table for a terminal: columns stand where the line below the titles says."""
    table = text.split("\n\n")[0].splitlines()
    spans = [match.span() for match in re.finditer("-+", table[1])]
    lines = [line for line in map(_spread, table) if line.strip("- ")]
    rows = [["".join(_spread_part(line, start, end)).strip() for start, end in spans] for line in lines]
    return rows[0], rows[1:]


def _spread(line):
    """Return a line with one character per column: wide ones are followed by a NUL."""
    return "".join(one + "\0" * (unicodedata.east_asian_width(one) in "WF") for one in line)


def _spread_part(line, start, end):
    return line[start:end].replace("\0", "")


def markdown(text):
    """Return titles and rows of the table that a Markdown text begins with; `|` parts cells unless escaped."""
    table = [line for line in text.split("\n\n")[0].split("\n") if line]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]
    return rows[0], rows[2:]


def comma_separated(text):
    """Return titles and rows of a CSV text."""
    titles, *rows = csv.reader(io.StringIO(text))
    return titles, rows


class _Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.tables, self.is_cell = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.is_cell = tag in {"td", "th"}
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif self.is_cell:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        self.is_cell = self.is_cell and tag not in {"td", "th"}

    def handle_data(self, data):
        if self.is_cell:
            self.tables[-1][-1][-1] += data


def html(text):
    """Return the tags with their attributes, and the cells of all tables."""
    parser = _Cells()
    parser.feed(text)
    parser.close()
    return parser.tags, parser.tables


def number(cell):
    """Return the bounds that a cell shows: (low, high), high None where it isn't known."""
    cell = cell.strip("*")
    if cell in WORDS:
        return 0, None
    if cell in {"not counted", ""}:
        return 0, 0
    if cell.startswith(">= "):
        return _one(cell[3:]), None
    low, _, high = cell.partition("–")
    return _one(low), _one(high or low)


def _one(text):
    digits, _, unit = text.partition(" ")
    return round(float(digits) * UNITS[unit]) if unit or "." in digits else int(digits.replace(",", ""))


def added(bounds):
    """Return the sum of bounds."""
    bounds = list(bounds)
    is_known = all(high is not None for _, high in bounds)
    return sum(low for low, _ in bounds), sum(high for _, high in bounds) if is_known else None
