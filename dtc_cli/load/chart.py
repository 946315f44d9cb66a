"""Pieces of the pages of a load: tables and line charts, self-contained, escaped."""

import html
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
WIDTH, HEIGHT, MARGIN = 720, 220, 48


def document(title: str, parts: Sequence[str]) -> bytes:
    """The page as an HTML 5 document in UTF-8, with its style inside and no script."""
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>",
            f"<h1>{text(title)}</h1>",
            *parts,
            "</main>\n</body>\n</html>\n",
        ]
    ).encode("utf-8")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table under a heading; nothing without rows."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<h2>{text(title)}</h2>\n{_wide(title, table)}"


def _wide(label: str, inside: str) -> str:
    """What a narrow screen scrolls sideways; the keyboard can reach it."""
    return f'<div class="wide" role="region" aria-label="{text(label)}" tabindex="0">{inside}</div>'


def _cell(word: str) -> str:
    kind = f' class="{word}"' if word in {"passed", "failed", "inconclusive", "scaled"} else ""
    return f"<td{kind}>{text(word)}</td>"


def chart(
    curves: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    label: str,
    unit: str,
    mark: tuple[float, str] | None = None,
) -> str:
    """Lines over a common scale that begins at zero; a mark is a named line across."""
    points = [point for _, curve in curves for point in curve]
    if not points:
        return "<p>Nothing was measured.</p>"
    right = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> str:
        across = MARGIN + x / right * (WIDTH - 2 * MARGIN)
        return f"{across:.1f},{HEIGHT - MARGIN / 2 - y / top * (HEIGHT - MARGIN):.1f}"

    lines = [
        f'<polyline class="line{at % 5}" points="{" ".join(place(x, y) for x, y in curve)}"/>'
        for at, (_, curve) in enumerate(curves)
    ]
    names = [
        f'<text class="line{at % 5}" x="{MARGIN + 8 + 110 * at}" y="14">{text(name)}</text>'
        for at, (name, _) in enumerate(curves)
    ]
    if mark is not None:
        (across, _), bottom = place(mark[0], 0).split(","), HEIGHT - MARGIN / 2
        lines.append(f'<path class="mark" d="M{across} {MARGIN / 2:.0f}V{bottom:.0f}"/>')
        names.append(f'<text class="mark" x="{across}" y="{MARGIN / 2 - 4:.0f}">{text(mark[1])}</text>')
    marks = (
        f'<text x="2" y="{MARGIN / 2:.0f}">{top:.4g}</text><text x="2" y="{HEIGHT - MARGIN / 2:.0f}">0</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 6}">{right:.4g} {text(unit)}</text>'
    )
    drawn = f"{''.join(lines)}{''.join(names)}{marks}"
    return _wide(
        label, f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(label)}">{drawn}</svg>'
    )


def number(value: float | None) -> str:
    """A value of four digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def text(value: object) -> str:
    """Escaped."""
    return html.escape(str(value))
