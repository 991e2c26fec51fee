"""Reads the SVG of a snapshot and draws it again, so that it can stand on a page with others.

Rich names its classes and ids by a checksum, and a file in a pull request may hold anything at all.
So nothing of the file reaches the page but numbers, colours and text, each drawn by code here:
without ids, classes, styles, links or scripts, there is nothing left to collide or to run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from xml.etree import ElementTree as ET

CELL, LINE = 12.2, 24.4  # of one character, in Rich's SVGs
_FRAME = 18, 50  # what Rich draws around the characters
_BASELINE = 18.5
_MARGIN = 8
_SVG = "{http://www.w3.org/2000/svg}"
_RULE = re.compile(r"\.([\w-]+)\s*\{([^}]*)\}")
_PROPERTIES = {"fill", "font-weight", "font-style", "text-decoration", "opacity"}
_HARMLESS = re.compile(r"#?[\w.%-]+")
_PAPER = "#292929"
_MOST = 1000  # columns, and rows

Style = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Run:
    """Characters side by side that look alike, or, without text, what is painted behind some."""

    column: float
    width: float
    style: Style
    text: str = ""


@dataclass(frozen=True)
class Drawing:
    columns: int
    rows: int
    paper: str
    lines: tuple[tuple[Run, ...], ...]


class NotADrawing(ValueError):
    """The text is no SVG of a terminal."""


def read(svg: str) -> Drawing:
    """Raises NotADrawing."""
    try:
        return _read(_parsed(svg))
    except (ET.ParseError, ValueError, OverflowError) as error:
        raise NotADrawing(str(error)) from error


def _parsed(svg: str) -> ET.Element:
    if "<!DOCTYPE" in svg:
        raise NotADrawing("Rich writes no DOCTYPE, and one may define entities without end.")
    return ET.fromstring(svg)  # noqa: S314 - entities are refused above


def _size(root: ET.Element) -> tuple[int, int]:
    _, _, width, height = map(float, root.get("viewBox", "").split())
    columns, rows = round((width - _FRAME[0]) / CELL), round((height - _FRAME[1]) / LINE)
    if not (0 < columns <= _MOST and 0 < rows <= _MOST):
        raise NotADrawing(f"No terminal has {columns} by {rows} characters.")
    return columns, rows


def _read(root: ET.Element) -> Drawing:
    columns, rows = _size(root)
    styles = _styles("".join(style.text or "" for style in root.iter(f"{_SVG}style")))
    lines: list[list[Run]] = [[] for _ in range(rows)]
    for element in _characters(root):
        if run := _run(element, styles):
            row = int((float(element.get("y", "0")) - 1) / LINE)
            if 0 <= row < rows:
                lines[row].append(run)
    return Drawing(columns, rows, _paper(root), tuple(map(tuple, lines)))


def _styles(sheet: str) -> dict[str, Style]:
    """What each class looks like, as far as it is a look and nothing else."""
    return {name: tuple(_declared(body)) for name, body in _RULE.findall(sheet)}


def _declared(body: str) -> Iterator[tuple[str, str]]:
    for declaration in body.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in _PROPERTIES and _HARMLESS.fullmatch(value):
            yield name, value


def _characters(root: ET.Element) -> Iterator[ET.Element]:
    """What is in the window: all that stands in a group, but for the window's three buttons."""
    for group in root.iter(f"{_SVG}g"):
        for element in group:
            if element.tag in {f"{_SVG}rect", f"{_SVG}text"}:
                yield element


def _run(element: ET.Element, styles: dict[str, Style]) -> Run | None:
    """None for the line breaks that Rich draws beyond the last column."""
    column = round(float(element.get("x", "0")) / CELL, 2)
    if element.tag == f"{_SVG}rect":
        width = float(element.get("width", "0")) / CELL
        return Run(column, round(width, 2), _fill(element))
    text = "".join(element.itertext())
    if not text.strip("\n"):
        return None
    width = float(element.get("textLength", "0")) / CELL
    return Run(column, round(width, 2), styles.get(element.get("class", ""), ()), text)


def _fill(element: ET.Element) -> Style:
    fill = element.get("fill", "")
    return (("fill", fill),) if _HARMLESS.fullmatch(fill) else ()


def _paper(root: ET.Element) -> str:
    """The colour behind everything."""
    first = root.find(f"{_SVG}rect")
    return dict(_fill(first)).get("fill", _PAPER) if first is not None else _PAPER


def differing(old: Drawing, new: Drawing) -> list[int]:
    """The rows that do not look alike, counted from 0; of two sizes, those that both have."""
    pairs = zip(old.lines, new.lines, strict=False)
    return [row for row, (before, after) in enumerate(pairs) if before != after]


def draw(drawing: Drawing, label: str, marked: list[int]) -> str:
    """As SVG to stand in a page; marked rows have a bar beside them."""
    width, height = drawing.columns * CELL, drawing.rows * LINE
    return (
        f'<svg viewBox="{-_MARGIN} {-_MARGIN} {width + 2 * _MARGIN:g} {height + 2 * _MARGIN:g}"'
        f' role="group" aria-label="{escape(label)}"'
        f' style="background: {escape(drawing.paper)}">'
        + "".join(_draw_line(row, line) for row, line in enumerate(drawing.lines))
        + "".join(_draw_mark(row) for row in marked)
        + "</svg>"
    )


def _draw_line(row: int, line: tuple[Run, ...]) -> str:
    behind = "".join(_draw_paint(row, run) for run in line if not run.text)
    return behind + "".join(_draw_text(row, run) for run in line if run.text.strip("\xa0 "))


def _draw_paint(row: int, run: Run) -> str:
    return (
        f'<rect x="{run.column * CELL:g}" y="{row * LINE:g}" width="{run.width * CELL:g}"'
        f' height="{LINE + 0.2:g}"{_attributes(run)}/>'
    )


def _draw_text(row: int, run: Run) -> str:
    return (
        f'<text x="{run.column * CELL:g}" y="{row * LINE + _BASELINE:g}"'
        f' textLength="{run.width * CELL:g}"{_attributes(run)}>{escape(run.text)}</text>'
    )


def _attributes(run: Run) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in run.style)


def _draw_mark(row: int) -> str:
    return f'<rect class="mark" x="{-_MARGIN}" y="{row * LINE:g}" width="100%" height="{LINE:g}"/>'
