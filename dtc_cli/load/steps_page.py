"""A load in steps as one self-contained HTML page: where answers stop growing with the requests."""

from collections.abc import Sequence

from dtc_cli.load.chart import chart, document, number, table, text
from dtc_cli.load.search import Try


def render(name: str, steps: Sequence[Try], knee: Try | None, scaled: str) -> bytes:
    """The page; the knee is the last step whose gain in answers follows its gain in requests."""
    mark = (knee.rate, f"knee {knee.rate:g}/s") if knee is not None else None
    words = (
        f"Answers grow with the requests up to {knee.rate:g} requests/s."
        if knee is not None
        else "No step was measured."
    )
    tails = [(one.rate, one.p99_ms) for one in steps if one.p99_ms is not None]
    return document(
        f"Steps of load on {name}",
        [
            f"<p>{text(words)}</p>",
            "<h2>Answers per second over requests per second</h2>",
            chart(
                [
                    ("offered", [(0.0, 0.0), *((one.rate, one.rate) for one in steps)]),
                    ("answered", [(0.0, 0.0), *((one.rate, one.achieved_per_s) for one in steps)]),
                ],
                "answers per second over the requests per second that were offered",
                "requests/s",
                mark,
            ),
            "<h2>p99 in ms over requests per second</h2>",
            chart([("p99", tails)], "p99 in milliseconds over requests per second", "requests/s", mark),
            table(
                "Steps",
                ("offered/s", "answered/s", "p99 ms", "outcome", "why"),
                [
                    (number(one.rate), number(one.achieved_per_s), number(one.p99_ms), one.outcome, one.why)
                    for one in steps
                ],
            ),
            f"<p>{text(scaled)}</p>",
        ],
    )
