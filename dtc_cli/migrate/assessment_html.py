"""The assessment as one HTML file: a summary for managers, a map picture, charts, all defects; no scripts."""

import math
from html import escape

from dtc_cli.migrate.assess import Assessment, LayerAssessment

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
h1,h2,h3{line-height:1.2}table{border-collapse:collapse;margin:.5rem 0 1rem;width:100%}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
.ready{color:#116329}.not{color:#a40e26}.cond{color:#7d4e00}
body{color:#1b1f24;background:#fff}svg{max-width:100%;border:1px solid #d8dee4;background:#f6f8fa}
figure{margin:1rem 0}figcaption{color:#57606a}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th,td{border-color:#30363d}
svg{background:#161b22;border-color:#30363d}.ready{color:#3fb950}.not{color:#ff7b72}.cond{color:#d29922}figcaption{color:#9198a1}}
"""
_CLASS = {"ready": "ready", "ready with conditions": "cond", "not ready": "not", "unknown": "cond"}
WIDTH, HEIGHT = 640, 420


def render(found: Assessment) -> bytes:
    """The report as UTF-8 HTML."""
    records = sum(layer.read for layer in found.layers)
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>Assessment of {escape(found.source)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Assessment of {escape(found.source.rpartition('/')[2])}</h1>",
        f"<p><strong class='{_CLASS[found.readiness]}'>{escape(found.readiness)}</strong>; "
        f"{len(found.layers)} layers, {records:,} records, format {escape(found.format)}, "
        f"data quality <strong>{found.score:.1%}</strong>.</p>",
        "<h2>In short</h2><ul>",
        *(f"<li>{escape(one)}</li>" for one in found.summary),
        "</ul>",
        _head("Layer", "Records", "Becomes", "State", "Quality"),
    ]
    for layer in found.layers:
        parts.append(
            f"<tr><td>{escape(layer.name)}</td><td>{layer.read:,}</td><td>{escape(layer.type)}</td>"
            f"<td class='{_CLASS[layer.readiness]}'>{escape(layer.readiness)}</td>"
            f"<td>{layer.score:.0%}</td></tr>"
        )
    parts.append("</tbody></table>")
    for layer in found.layers:
        parts.extend(_layer(layer))
    parts.append("</body></html>\n")
    return "\n".join(parts).encode()


def _layer(layer: LayerAssessment) -> list[str]:
    parts = [f"<h2>{escape(layer.name)}</h2>"]
    if layer.remarks:
        parts.append("<ul>")
        for one in layer.remarks:
            remedy = f" <em>Try: {escape(one.remedy)}</em>" if one.remedy else ""
            parts.append(f"<li><strong>{one.severity}</strong>: {escape(one.text)}{remedy}</li>")
        parts.append("</ul>")
    if layer.picture:
        parts.append(_picture(layer))
    parts.append(_bars("Parts of the quality score", layer.parts, 1.0, "{:.0%}"))
    if layer.defects:
        top = float(max(layer.defects.values()))
        parts.append(
            _bars(
                "Geometry by class of defect",
                {k: float(v) for k, v in sorted(layer.defects.items())},
                top,
                "{:,.0f}",
            )
        )
    parts.append("<h3>Fields</h3>" + _head("Field", "Kind", "Filled", "Different", "Range", "Examples"))
    for field in layer.fields:
        span = (
            f"{field.least:g} to {field.most:g}" if field.least is not None and field.most is not None else ""
        )
        distinct = f"{field.distinct}{'' if field.distinct_exact else ' or more'}"
        parts.append(
            f"<tr><td>{escape(field.name)}</td><td>{escape(field.kind)}</td><td>{field.filled:.0%}</td><td>{distinct}</td>"
            f"<td>{span}</td><td>{escape(', '.join(field.examples))}</td></tr>"
        )
    parts.append("</tbody></table>")
    if layer.suggestions:
        parts.append("<h3>Suggested mapping</h3>" + _head("Field", "Member", "Sure", "Why"))
        for rule in layer.suggestions:
            parts.append(
                f"<tr><td>{escape(rule.field)}</td><td>{escape(rule.member)}</td><td>{rule.confidence:.0%}</td>"
                f"<td>{escape(rule.why)}</td></tr>"
            )
        parts.append("</tbody></table>")
    return parts


def _picture(layer: LayerAssessment) -> str:
    west, south, east, north = layer.extent_degrees or [0.0, 0.0, 1.0, 1.0]
    narrow = max(0.05, math.cos(math.radians((south + north) / 2)))  # degrees towards the poles
    across, up = max((east - west) * narrow, 1e-9), max(north - south, 1e-9)
    scale = min((WIDTH - 20) / across, (HEIGHT - 20) / up)
    left, height = (WIDTH - across * scale) / 2, up * scale + 20
    shapes = []
    for line in layer.picture:
        points = [(left + (p[0] - west) * narrow * scale, 10 + (north - p[1]) * scale) for p in line]
        if len(points) == 1:
            shapes.append(f"<circle cx='{points[0][0]:.1f}' cy='{points[0][1]:.1f}' r='2' fill='#0969da'/>")
        else:
            told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            shapes.append(f"<polyline points='{told}' fill='none' stroke='#0969da' stroke-width='.8'/>")
    caption = f"{west:.5f} {south:.5f} to {east:.5f} {north:.5f} degrees, {len(layer.picture)} outlines"
    label = f"Map of {escape(layer.name)}"
    return (
        f"<figure><svg viewBox='0 0 {WIDTH} {height:.0f}' role='img' aria-label='{label}'>"
        f"{''.join(shapes)}</svg><figcaption>{caption}</figcaption></figure>"
    )


def _bars(title: str, values: dict[str, float], top: float, form: str) -> str:
    rows = []
    for place, (name, value) in enumerate(values.items()):
        y = 8 + place * 24
        width = 300 * value / top if top else 0
        rows.append(
            f"<text x='0' y='{y + 12}' fill='currentColor' font-size='12'>{escape(name)}</text>"
            f"<rect x='290' y='{y}' width='{max(width, 1):.1f}' height='16' fill='#0969da'/>"
            f"<text x='{295 + width:.1f}' y='{y + 12}' fill='currentColor' font-size='12'>"
            f"{form.format(value)}</text>"
        )
    height = 16 + 24 * len(values)
    drawing = f"<svg viewBox='0 0 660 {height}' role='img' aria-label='{title}'>{''.join(rows)}</svg>"
    return f"<figure><figcaption>{title}</figcaption>{drawing}</figure>"


def _head(*titles: str) -> str:
    cells = "".join(f"<th>{title}</th>" for title in titles)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>"
