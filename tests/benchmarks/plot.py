"""A line plot as SVG, for figures that people would rather look at than read."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 50  # margins around the plot
TICKS = 4
STYLE = (
    "text{font:12px sans-serif;fill:#444}.title{font-size:14px;fill:#111}"
    "line{stroke:#ddd}polyline{fill:none;stroke:#2a6fb0;stroke-width:2}circle{fill:#2a6fb0}"
)


def line_plot(title: str, below: str, points: Sequence[tuple[float, float]]) -> str:
    """The points from left to right at even steps, named by their first value; from 0 upwards."""
    top = _round_up(max(y for _, y in points))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(points) - 1)
    placed = [(LEFT + at * step, _height(y, top), x, y) for at, (x, y) in enumerate(points)]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up, _, _ in placed)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
            f"<title>{escape(title)} {escape(below)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            _text(WIDTH / 2, 22, title, "title"),
            *(_grid(top * tick / TICKS, top) for tick in range(TICKS + 1)),
            f'<polyline points="{path}"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y, _, _ in placed),
            *(_text(across, up - 8, f"{y:,.0f}") for across, up, _, y in placed),
            *(_text(across, HEIGHT - BOTTOM + 18, f"{x:,g}") for across, _, x, _ in placed),
            _text(WIDTH / 2, HEIGHT - 10, below),
            "</svg>\n",
        ]
    )


def _height(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _round_up(value: float) -> float:
    """The next number that begins with one digit and goes on with zeros."""
    unit = 10 ** (len(str(int(value))) - 1)
    return float((int(value) // unit + 1) * unit)


def _grid(value: float, top: float) -> str:
    up = _height(value, top)
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up:.1f}" y2="{up:.1f}"/>'
    return line + f'<text x="{LEFT - 8}" y="{up + 4:.1f}" text-anchor="end">{value:,.0f}</text>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle"{attribute}>{escape(text)}</text>'
