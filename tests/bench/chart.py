"""The picture of what a request costs: an SVG whose colours hold on light and dark paper."""

from collections.abc import Iterator
from html import escape
from typing import Final

from tests.bench.comparison import KINDS
from tests.bench.figures import Figure, Figures
from tests.bench.subjects import NGINX, OURS, PEER

# Each stands out from white and from black alike.
INK: Final = "#7a8490"
COLOURS: Final = {NGINX: "#8b98a5", PEER: "#d9822b", OURS: "#3b82f6"}
KINDS_SHOWN: Final = {
    "get": "GET, RS256",
    "get-es256": "GET, ES256",
    "many": "GET, 300 groups, 10,000 entitlements",
    "unseen": "GET, token never seen before",
    "denied": "denied, 403",
    "patch": "PATCH, judged before it is sent",
}
WIDTH: Final = 760
LEFT: Final = 285
RIGHT: Final = 70
TOP: Final = 64
BAR: Final = 14
GAP: Final = 14


def draw(figures: Figures) -> str:
    """Bars of all kinds that were measured, each with its median and spread."""
    groups = [
        (KINDS_SHOWN[kind.name], found)
        for kind in KINDS
        if kind.name in KINDS_SHOWN and (found := _measured(figures, kind.name))
    ]
    largest = max((figure.spread[1] for _, found in groups for figure in found), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / largest
    lines, y = [], TOP
    for title, found in groups:
        middle = y + BAR * len(found) / 2
        lines.append(_text(LEFT - 12, middle + 4, title, anchor="end"))
        for figure in found:
            lines.extend(_bar(figure, y, scale))
            y += BAR
        y += GAP
    return _svg(y, [*_legend(), *lines])


def _measured(figures: Figures, kind: str) -> list[Figure]:
    found = (figures.find(kind, name, "cpu") for name in COLOURS)
    return [figure for figure in found if figure is not None]


def _bar(figure: Figure, y: float, scale: float) -> Iterator[str]:
    low, high = (LEFT + value * scale for value in figure.spread)
    length, middle = figure.median * scale, y + BAR / 2
    yield (
        f'<rect x="{LEFT}" y="{y + 1}" width="{length:.1f}" height="{BAR - 2}" rx="2"'
        f' fill="{COLOURS[figure.subject]}"/>'
    )
    yield (
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{INK}" stroke-width="1.5" fill="none"/>'
    )
    yield _text(max(high, LEFT + length) + 6, middle + 4, f"{figure.median:,.0f}", size=11)


def _legend() -> Iterator[str]:
    yield _text(12, 24, "CPU of the proxy per request, µs: less is better", size=15, weight=600)
    x = LEFT
    for name, colour in COLOURS.items():
        yield f'<rect x="{x}" y="38" width="12" height="12" rx="2" fill="{colour}"/>'
        yield _text(x + 18, 48, name)
        x += 150


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
        f' font-weight="{weight}">{escape(words)}</text>'
    )


def _svg(height: float, lines: list[str]) -> str:
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}"'
        f' font-family="system-ui, sans-serif" fill="{INK}" role="img">\n'
        f"<title>CPU of the proxy per request</title>\n{body}\n</svg>\n"
    )
