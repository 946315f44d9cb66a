"""The live view of a run: a bar with counts on a terminal, a line now and then elsewhere."""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from dtc_cli import console

WORDS = {
    "passed": "passed",
    "failed": "failed",
    "warned": "warned",
    "error": "errors",
    "not_tested": "not tested",
    "blocked": "blocked",
    "not_applicable": "n/a",
}


def shown(events: Iterable[dict[str, Any]], total: int) -> None:
    """Show the progress events of a run on stderr until they end."""
    if sys.stderr.isatty():
        _bar(events, total)
    else:
        _lines(events, total)


def _bar(events: Iterable[dict[str, Any]], total: int) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counts: Counter[str] = Counter()
    screen = Console(stderr=True, no_color=not console.colour_wanted(sys.stderr))
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("", total=total)
        for event in events:
            if event["event"] == "started":
                progress.update(task, description=f"{_counted(counts)}  {event['vector']}")
            elif event["event"] == "finished":
                counts[event["outcome"]] += 1
                progress.advance(task)
    console.status(_counted(counts))


def _lines(events: Iterable[dict[str, Any]], total: int) -> None:
    counts: Counter[str] = Counter()
    step = max(1, total // 10)
    for event in events:
        if event["event"] == "finished":
            counts[event["outcome"]] += 1
            done = counts.total()
            if done % step == 0 or done == total:
                console.status(f"  {done}/{total}  {_counted(counts)}")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[name]} {word}" for name, word in WORDS.items() if counts[name])
