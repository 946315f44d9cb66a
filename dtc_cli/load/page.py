"""A load as one self-contained HTML page: verdicts, time series, percentile curves, without a network."""

import html
import math
from collections.abc import Sequence
from pathlib import Path

from dtc_cli.load.histogram import Histogram
from dtc_cli.load.result import Result

_HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
WIDTH, HEIGHT, MARGIN = 720, 220, 48
NINES = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)


def render(result: Result) -> bytes:
    """The page as an HTML 5 document in UTF-8."""
    outcome, terms = result.outcome, result.terms
    title = f"Load on {result.target['name']}"
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>",
            f"<h1>{_text(title)}</h1>",
            f"<p>{_text(_sentence(result))}</p>",
            _table(
                "Verdicts",
                ("objective", "route", "bound", "measured", "outcome", "why"),
                [
                    (one.name, one.route or "all", one.bound, _number(one.measured), one.outcome, one.why)
                    for one in result.verdicts
                ],
            ),
            _table(
                "Latencies in ms, from the instant a request was due",
                ("route", "answers", "mean", "p50", "p95", "p99", "p99.9", "max"),
                [
                    (
                        name,
                        str(summary.count),
                        _number(summary.mean_ms),
                        *(_number(summary.at(point)) for point in ("p50", "p95", "p99", "p99.9")),
                        _number(summary.max_ms),
                    )
                    for name, summary in (*outcome.routes.items(), ("all", outcome.total))
                ],
            ),
            "<h2>Requests per second</h2>",
            _chart(
                [
                    ("offered", [(one.second, one.offered) for one in outcome.seconds]),
                    ("answered", [(one.second, float(one.done)) for one in outcome.seconds]),
                    ("failed", [(one.second, float(one.errors)) for one in outcome.seconds]),
                ],
                "requests per second over the seconds of the run",
                "s",
            ),
            "<h2>Latency over time, ms</h2>",
            _chart(
                [
                    ("p99", [(one.second, one.p99_ms) for one in outcome.seconds if one.p99_ms is not None]),
                    ("p50", [(one.second, one.p50_ms) for one in outcome.seconds if one.p50_ms is not None]),
                ],
                "latency in milliseconds over the seconds of the run",
                "s",
            ),
            "<h2>Percentiles, ms</h2>",
            _percentiles(result),
            _table("Errors", ("kind", "requests"), [(kind, str(n)) for kind, n in outcome.errors.items()]),
            _table(
                "Answers that were not true",
                ("reason", "answers"),
                [(reason, str(n)) for reason, n in result.findings.reasons.items()],
            ),
            _table("How it was measured", ("what", "value"), _method(result)),
            f"<p>{_text(_scale(terms.scaled))}</p>" if terms.scaled else "",
            "</main>\n</body>\n</html>\n",
        ]
    ).encode("utf-8")


def _sentence(result: Result) -> str:
    outcome = result.outcome
    return (
        f"{result.terms.rate:g} requests/s were offered for {outcome.window_s:g} s after a warm-up; "
        f"{outcome.achieved_per_s:.0f}/s were answered well, {outcome.error_share:.3%} failed. "
        f"{result.findings.checked} sampled answers were judged, {result.findings.wrong} were not true."
    )


def _scale(reason: str) -> str:
    return f"This run was scaled down ({reason}): it can show that a bound is broken, never that it is kept."


def _method(result: Result) -> list[tuple[str, str]]:
    health, terms, host = result.outcome.health, result.terms, result.host
    return [
        ("method", "open loop: each request is due at a fixed instant, its latency counts from there"),
        ("profile", f"{terms.profile}, mix {terms.mix}, seed {terms.seed}"),
        ("started", result.started),
        ("target", f"{result.target['name']} {result.target['version']}, city {result.target['city']}"),
        ("data", ", ".join(f"{count} {what}" for what, count in result.data.items()) + " asked for"),
        (
            "generator",
            f"{health.workers} workers, {terms.lanes} connections, {health.cpu_share:.0%} of a core",
        ),
        ("generator's lateness", f"p99 {_number(health.late.at('p99'))} ms"),
        ("generator was the limit", "; ".join(health.reasons) or "no"),
        ("host", f"{host.cores} cores, {host.memory_gib} GiB, {host.processor}, {host.system}"),
        ("stopped early", result.outcome.stopped or "no"),
    ]


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<h2>{_text(title)}</h2>\n<div class='wide'>{table}</div>"


def _cell(text: str) -> str:
    kind = f' class="{text}"' if text in {"passed", "failed", "inconclusive", "scaled"} else ""
    return f"<td{kind}>{_text(text)}</td>"


def _percentiles(result: Result) -> str:
    """Latency over the number of nines, as HdrHistogram plots have it."""
    curves = []
    for name, summary in (*result.outcome.routes.items(), ("all", result.outcome.total)):
        if not summary.count:
            continue
        histogram = Histogram.of(summary)
        points = [100 - 10 ** (-step / 8) * 100 for step in range(33)]
        curve = [(-math.log10(1 - p / 100), histogram.percentile_ms(p)) for p in points]
        curves.append((name, [(x, y) for x, y in curve if y is not None]))
    return _chart(curves, "latency in milliseconds over nines: 1 is 90 %, 2 is 99 %, 3 is 99.9 %", "nines")


def _chart(curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], label: str, unit: str) -> str:
    """Lines over a common scale that begins at zero."""
    points = [point for _, curve in curves for point in curve]
    if not points:
        return "<p>Nothing was measured.</p>"
    right = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> str:
        across = MARGIN + x / right * (WIDTH - 2 * MARGIN)
        return f"{across:.1f},{HEIGHT - MARGIN / 2 - y / top * (HEIGHT - MARGIN):.1f}"

    lines = [
        f'<polyline class="line{number % 5}" points="{" ".join(place(x, y) for x, y in curve)}"/>'
        for number, (_, curve) in enumerate(curves)
    ]
    names = [
        f'<text class="line{number % 5}" x="{MARGIN + 8 + 110 * number}" y="14">{_text(name)}</text>'
        for number, (name, _) in enumerate(curves)
    ]
    marks = (
        f'<text x="2" y="{MARGIN / 2:.0f}">{top:.4g}</text><text x="2" y="{HEIGHT - MARGIN / 2:.0f}">0</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 6}">{right:.4g} {_text(unit)}</text>'
    )
    return (
        f'<div class="wide"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(label)}">'
        f"{''.join(lines)}{''.join(names)}{marks}</svg></div>"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _text(value: object) -> str:
    return html.escape(str(value))
