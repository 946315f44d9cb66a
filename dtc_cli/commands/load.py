"""`dtc load`: how much a target serves, how fast, and whether the answers stay true."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.load.conduct import Prepared, Wish
    from dtc_cli.load.outcome import Instant
    from dtc_cli.load.result import Result

app = typer.Typer(
    name="load",
    help="Load a target by an open loop: rates, latencies from the due instant, truth of the answers.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def finite(value: float | None) -> float | None:
    """A number that is one: no load goes on for ever or at once."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value:g} is no number that can be measured")
    return value


Target = Annotated[
    Path | None,
    typer.Argument(help="Target file that allows the hazard load; not with --reference.", show_default=False),
]
Reference = Annotated[bool, typer.Option("--reference", help="Start the bundled twin and load it.")]
Profile = Annotated[str, typer.Option(help="Named load: standard, queries, bim, dtn, lydian-sla.")]
Rate = Annotated[
    float | None,
    typer.Option(help="Requests per second; the profile's without it.", min=0.1, callback=finite),
]
Seconds = Annotated[
    float | None,
    typer.Option("--duration", help="Measured seconds, after the warm-up.", min=1, callback=finite),
]
Workers = Annotated[
    int | None, typer.Option(help="Generator processes; half of the cores without it.", min=1)
]
Lanes = Annotated[int, typer.Option("--connections", help="Connections of all workers together.", min=1)]
Seed = Annotated[int, typer.Option(help="Decides the order of the requests.")]
YesLoad = Annotated[
    list[str] | None, typer.Option("--yes-load", help="Host whose owner agreed to the load; again for more.")
]
Out = Annotated[Path, typer.Option(help="Folder that gets the folder of the run.")]

RUN_HELP = """Offer a constant rate and hold what came against the objectives of a profile.

Latencies count from the instant a request was due, so a target that stands still cannot hide it. When the
generator was the limit, the result is inconclusive. A run below the profile's rate or time can show a
failure, never a pass.

\b
Examples:
  dtc load run --reference --rate 500 --duration 10
  dtc load run target.yaml --profile queries
  dtc load run target.yaml --yes-load twin.example --json

\b
Exit codes: 0 no bound is broken, 1 one is, 2 the target file does not allow it, 6 inconclusive,
7 the target cannot be reached.
"""

SEARCH_HELP = """Find the highest rate at which latency, errors and truth keep the objectives of a profile.

\b
Examples:
  dtc load search --reference --rate 200
  dtc load search target.yaml --profile standard --ceiling 20000 --json

\b
Exit codes: 0 a rate was found, 1 not even one request per second keeps the objectives, 2 the target file does
not allow it, 6 no rate could be measured, 7 the target cannot be reached.
"""

STEPS_HELP = """Load in steps of a rate (1x, 2x, 4x) and say where the answers stop growing with the requests.

\b
Examples:
  dtc load steps --reference --rate 200
  dtc load steps target.yaml --rate 1000 --factor 1 --factor 2 --factor 4 --factor 8 --json

\b
Exit codes: 0 each step keeps the profile's objectives on latency, errors and truth, 1 one breaks one of them,
2 the target file does not allow it, 6 a step was inconclusive, 7 the target cannot be reached.
"""

REPORT_HELP = """Judge a recorded load again from its files, and show it.

\b
Examples:
  dtc load report runs/load-20260101T120000Z-1a2b3c4d
  dtc load report runs/load-20260101T120000Z-1a2b3c4d --to page.html

\b
Exit codes: as `dtc load run` had; 2 the folder holds no result of a load.
"""


@app.command("run")
def run_load(
    target: Target = None,
    reference: Reference = False,
    profile: Profile = "standard",
    rate: Rate = None,
    duration: Seconds = None,
    warmup: Annotated[
        float | None, typer.Option(help="Seconds that are measured apart.", min=0, callback=finite)
    ] = None,
    mix: Annotated[
        str | None, typer.Option(help="keyed, mixed or queries; the profile's without it.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Share of the rate, for a trial on a small machine.", min=0.001, max=1)
    ] = 1.0,
    workers: Workers = None,
    connections: Lanes = 128,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which a request has failed.", min=0.1, callback=finite)
    ] = 10.0,
    seed: Seed = 0,
    yes_load: YesLoad = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """See RUN_HELP."""
    from dtc_cli.load import conduct, page, stopkey

    wish = conduct.Wish(
        profile=profile, rate=rate, duration_s=duration, warmup_s=warmup, mix=mix, scale=scale,
        workers=workers, lanes=connections, timeout_s=timeout, seed=seed,
    )  # fmt: skip
    with _ready(target, wish, out, yes_load, reference=reference) as ready, stopkey.watched() as pressed:
        made = conduct.run(ready, _teller(pressed))
        (ready.folder / "load.html").write_bytes(page.render(made))
    _show(made, ready.folder, json=json)


@app.command()
def search(
    target: Target = None,
    reference: Reference = False,
    profile: Profile = "standard",
    rate: Annotated[float, typer.Option(help="First rate, requests per second.", min=0.1)] = 100.0,
    ceiling: Annotated[float, typer.Option(help="Highest rate that is tried.", min=0.1)] = 100_000.0,
    workers: Workers = None,
    connections: Lanes = 128,
    seed: Seed = 0,
    yes_load: YesLoad = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """See SEARCH_HELP."""
    import msgspec

    from dtc_cli.load import conduct

    wish = conduct.Wish(profile=profile, rate=rate, workers=workers, lanes=connections, seed=seed)
    with _ready(target, wish, out, yes_load, reference=reference) as ready:
        found = conduct.highest(ready, ceiling=ceiling, tried=_tell_try)
    scaled = _scaled_words(ready.terms.objectives)
    if json:
        console.emit_json({**msgspec.to_builtins(found), "scaled": scaled})
    elif found.highest is None and found.limit == "target":
        console.out("no rate keeps the objectives")
    elif found.highest is None:
        console.out(f"inconclusive: no rate could be measured; at the last: {found.tries[-1].why}")
    else:
        words = {
            "target": "the target's limit",
            "generator": "the generator's limit",
            "ceiling": "the ceiling",
        }
        console.out(f"highest rate: {found.highest:.0f} requests/s ({words[found.limit]} stopped the search)")
        console.out(scaled)
    if found.highest is None:
        target_failed = found.limit == "target"
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT if target_failed else ExitCode.INCOMPLETE))


@app.command()
def steps(
    target: Target = None,
    reference: Reference = False,
    profile: Profile = "standard",
    rate: Annotated[
        float, typer.Option(help="Rate of the first step, requests per second.", min=0.1)
    ] = 100.0,
    factor: Annotated[
        list[float] | None, typer.Option(help="A step's multiple of the rate; again for more.", min=0.01)
    ] = None,
    workers: Workers = None,
    connections: Lanes = 128,
    seed: Seed = 0,
    yes_load: YesLoad = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """See STEPS_HELP."""
    import msgspec

    from dtc_cli.load import conduct, steps_page
    from dtc_cli.load.search import knee

    wish = conduct.Wish(profile=profile, rate=rate, workers=workers, lanes=connections, seed=seed)
    with _ready(target, wish, out, yes_load, reference=reference) as ready:
        made = conduct.grow(ready, tuple(factor or (1.0, 2.0, 4.0)), _tell_try)
    last, scaled = knee(made), _scaled_words(ready.terms.objectives)
    kept = {"steps": msgspec.to_builtins(made), "knee": last.rate if last else None, "scaled": scaled}
    (ready.folder / "steps.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n"
    )
    (ready.folder / "steps.html").write_bytes(steps_page.render(ready.target.name, made, last, scaled))
    if json:
        console.emit_json({**kept, "run": str(ready.folder)})
    else:
        if last is not None:
            after = made[made.index(last) + 1 :]
            next_ = f"; the step of {after[0].rate:g}/s: {after[0].outcome}" if after else ", the last step"
            console.out(f"answers grow with the requests up to {last.rate:g} requests/s{next_}")
        else:
            console.out("where the answers stop growing is not known: no step kept the objectives")
        console.out(scaled)
        console.out(f"kept in {ready.folder}")
    outcomes = {one.outcome for one in made}
    if outcomes - {"kept"}:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT if "failed" in outcomes else ExitCode.INCOMPLETE))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a load.")],
    to: Annotated[Path | None, typer.Option(help="Write the page into this file instead.")] = None,
    json: Json = False,
) -> None:
    """See REPORT_HELP."""
    from dtc_cli.load import page, result

    made = result.read(run)
    if to is not None:
        to.write_bytes(page.render(made))
        console.status(f"page: {to}")
    _show(made, run, json=json)


run_load.__doc__, search.__doc__, steps.__doc__, report.__doc__ = (
    RUN_HELP,
    SEARCH_HELP,
    STEPS_HELP,
    REPORT_HELP,
)


@contextmanager
def _ready(
    target: Path | None, wish: "Wish", out: Path, named: list[str] | None, *, reference: bool
) -> "Iterator[Prepared]":
    """The target of the command line, allowed, explored and ready; Ctrl-C is told in words."""
    with ExitStack() as stack:
        try:
            ready = stack.enter_context(_explored(target, wish, out, named, reference=reference))
        except KeyboardInterrupt as stop:
            raise _stopped("before the load began", str(out), "the same command starts it again") from stop
        try:
            yield ready
        except KeyboardInterrupt as stop:
            hint = "the key q ends dtc load run at a terminal, and what was measured is kept and judged"
            raise _stopped("within the load", str(ready.folder), hint) from stop


@contextmanager
def _explored(
    target: Path | None, wish: "Wish", out: Path, named: list[str] | None, *, reference: bool
) -> "Iterator[Prepared]":
    need_extra()
    from dtc_cli.core.target import load
    from dtc_cli.harness.reference import running
    from dtc_cli.load import conduct, guard

    if reference == (target is not None):
        raise DtcError(
            "usage", "give a target file, or --reference", where="dtc load", hint="dtc load run --help"
        )
    if target is not None:
        asked = load(target)
        guard.refuse(asked, tuple(named or ()))
        with conduct.prepared(asked, wish, out) as ready:
            yield ready
        return
    with running() as written, conduct.prepared(load(written), wish, out) as ready:
        yield ready


def _stopped(when: str, where: str, hint: str) -> DtcError:
    """Ctrl-C: what is there of the load, and what to do."""
    return DtcError(
        "interrupted",
        f"interrupted {when}: no result was written",
        where=where,
        hint=hint,
        exit_code=ExitCode.INTERRUPTED,
    )


def need_extra() -> None:
    """Make sure that the extra is there.

    Raises:
        DtcError: `extra-missing` when it is not.
    """
    try:
        import hdrh.histogram  # noqa: F401 - whether the extra is there
    except ImportError as problem:
        raise DtcError(
            "extra-missing",
            "dtc load needs an extra that is not installed",
            where="dtc load",
            why=str(problem),
            hint='pip install "dtc[load]"',
        ) from problem


def _teller(pressed: "Callable[[], bool] | None") -> Any:
    """A line for each second; on a terminal the picture of the last seconds, drawn anew in its place."""
    from dtc_cli.load.live import Picture, line
    from dtc_cli.load.stopkey import KEY, SAID

    if pressed is not None:
        console.status(f"  {KEY} ends the load; what was measured until then is kept")

    picture = Picture() if console.colour_wanted(sys.stderr) else None

    def tell(instant: "Instant") -> str:
        if picture is None:
            console.status(line(instant))
        else:
            sys.stderr.write(picture.drawn(instant))
            sys.stderr.flush()
        return SAID if pressed is not None and pressed() else ""

    return tell


def _scaled_words(goals: Any) -> str:
    """What tries of a few seconds may show (C-92)."""
    named = sorted({one.requirement for one in goals if one.requirement})
    what = ", ".join(named) or "the profile's figures"
    return f"scaled: short tries can show that a bound is broken, and pass nothing ({what})"


def _tell_try(made: Any) -> None:
    p99 = "-" if made.p99_ms is None else f"{made.p99_ms:.1f} ms"
    console.status(
        f"  {made.rate:>8.0f} offered/s  {made.achieved_per_s:>8.0f} answered/s  p99 {p99}  {made.outcome}"
        + (f"  ({made.why})" if made.why else "")
    )


def _show(made: "Result", folder: Path, *, json: bool) -> None:
    import msgspec

    if json:
        console.emit_json({**msgspec.to_builtins(made), "run": str(folder)})
    else:
        _print(made, folder)
    if made.exit_code is not ExitCode.OK:
        raise typer.Exit(int(made.exit_code))


def _print(made: "Result", folder: Path) -> None:
    from dtc_cli.load.objectives import shown

    outcome = made.outcome
    console.table(
        ("objective", "route", "bound", "measured", "outcome"),
        [
            (one.name, one.route or "all", one.bound, shown(one.metric, one.measured), one.outcome)
            for one in made.verdicts
        ],
    )
    # What holds for the whole run is said once, below.
    said = {f"stopped: {outcome.stopped}", "; ".join(outcome.health.reasons)}
    for one in made.verdicts:
        if one.why and one.why not in said and one.outcome in ("failed", "inconclusive"):
            console.out(f"{one.name}{f' of {one.route}' if one.route else ''} {one.outcome}: {one.why}")
    # A percentile that fewer than ten answers lie above says nothing.
    points = ", ".join(
        f"{name} {value:.1f} ms"
        for name, value in outcome.total.percentiles_ms.items()
        if outcome.measured * (100 - float(name[1:])) >= 1000
    )
    console.out(
        f"{outcome.measured} requests in {outcome.window_s:g} s, {outcome.achieved_per_s:.0f}/s answered well"
    )
    console.out(f"  {points}")
    for reason, count in (*outcome.errors.items(), *made.findings.reasons.items()):
        console.out(f"  {count} x {reason}")
    if outcome.stopped:
        console.out(f"stopped early: {outcome.stopped}")
    for reason in outcome.health.reasons:
        console.out(f"inconclusive: {reason}")
    if made.terms.scaled:
        console.out(f"scaled down ({made.terms.scaled}): no bound can be passed")
    console.out(f"kept in {folder}")
