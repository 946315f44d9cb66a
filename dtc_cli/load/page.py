"""A load as one self-contained HTML page: verdicts, time series, percentile curves, without a network."""

import math

from dtc_cli.load.chart import chart, document, number, table, text
from dtc_cli.load.histogram import Histogram
from dtc_cli.load.objectives import shown
from dtc_cli.load.result import Result

NINES = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)


def render(result: Result) -> bytes:
    """The page as an HTML 5 document in UTF-8."""
    outcome, terms = result.outcome, result.terms
    return document(
        f"Load on {result.target['name']}",
        [
            f"<p>{text(_sentence(result))}</p>",
            table(
                "Verdicts",
                ("objective", "route", "bound", "measured", "outcome", "why"),
                [
                    (
                        one.name,
                        one.route or "all",
                        one.bound,
                        shown(one.metric, one.measured),
                        one.outcome,
                        one.why,
                    )
                    for one in result.verdicts
                ],
            ),
            table(
                "Latencies in ms, from the instant a request was due",
                ("route", "answers", "mean", "p50", "p95", "p99", "p99.9", "max"),
                [
                    (
                        name,
                        str(summary.count),
                        number(summary.mean_ms),
                        *(number(summary.at(point)) for point in ("p50", "p95", "p99", "p99.9")),
                        number(summary.max_ms),
                    )
                    for name, summary in (*outcome.routes.items(), ("all", outcome.total))
                ],
            ),
            "<h2>Requests per second</h2>",
            chart(
                [
                    ("offered", [(one.second, one.offered) for one in outcome.seconds]),
                    ("answered", [(one.second, float(one.done)) for one in outcome.seconds]),
                    ("failed", [(one.second, float(one.errors)) for one in outcome.seconds]),
                ],
                "requests per second over the seconds of the run",
                "s",
            ),
            "<h2>Latency over time, ms</h2>",
            chart(
                [
                    ("p99", [(one.second, one.p99_ms) for one in outcome.seconds if one.p99_ms is not None]),
                    ("p50", [(one.second, one.p50_ms) for one in outcome.seconds if one.p50_ms is not None]),
                ],
                "latency in milliseconds over the seconds of the run",
                "s",
            ),
            "<h2>Percentiles, ms</h2>",
            _percentiles(result),
            table("Errors", ("kind", "requests"), [(kind, str(n)) for kind, n in outcome.errors.items()]),
            table(
                "Answers that were not true",
                ("reason", "answers"),
                [(reason, str(n)) for reason, n in result.findings.reasons.items()],
            ),
            table("How it was measured", ("what", "value"), _method(result)),
            f"<p>{text(_scale(terms.scaled))}</p>" if terms.scaled else "",
        ],
    )


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
        ("generator's lateness", f"p99 {number(health.late.at('p99'))} ms"),
        ("generator was the limit", "; ".join(health.reasons) or "no"),
        ("host", f"{host.cores} cores, {host.memory_gib} GiB, {host.processor}, {host.system}"),
        ("stopped early", result.outcome.stopped or "no"),
    ]


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
    return chart(curves, "latency in milliseconds over nines: 1 is 90 %, 2 is 99 %, 3 is 99.9 %", "nines")
