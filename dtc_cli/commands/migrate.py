"""`dtc migrate`: legacy GIS into a twin, with nothing lost and a way back."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands import migrate_standing as standing
from dtc_cli.commands import migrate_text as text
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.migrate.run import Summary
    from dtc_cli.migrate.session import Session

app = typer.Typer(
    help="Move legacy city data into a twin: assess, plan, run, verify, compare, keep in step, take back.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
quarantine_app = typer.Typer(
    help="List, export and retry what was not loaded.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Migration = Annotated[
    Path, typer.Argument(metavar="MIGRATION", help="The journal folder, or the plan it belongs to.")
]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="File, .gdb folder, archive or address.")]
Format = Annotated[str | None, typer.Option("--format", help="Format, where name and content mislead.")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of texts, where the file misleads.")]
SourceCrs = Annotated[str | None, typer.Option(help="Reference system of the source: EPSG:5174 or WKT.")]
Patience = Annotated[float, typer.Option(help="Seconds to wait for a target that does not answer.")]
Option_ = Annotated[list[str] | None, typer.Option("--option", help="Setting of the format, as NAME=VALUE.")]


@app.command("assess", help=text.ASSESS)
def assess_(
    source: Source,
    format: Format = None,
    encoding: Encoding = None,
    source_crs: SourceCrs = None,
    option: Option_ = None,
    html: Annotated[Path | None, typer.Option(help="Write the report for people here.")] = None,
    json: Json = False,
) -> None:
    """See the help text above."""
    import msgspec

    from dtc_cli.migrate.assess import NOT_READY, UNKNOWN
    from dtc_cli.migrate.assess_apart import assess_apart

    found = assess_apart(
        source, format=format, encoding=encoding, source_crs=source_crs, options=_options(option)
    )
    if html is not None:
        from dtc_cli.migrate import assessment_html

        _write(html, assessment_html.render(found))
    if json:
        console.emit_json(msgspec.to_builtins(found))
    else:
        text.show_assessment(found)
    if found.readiness in (NOT_READY, UNKNOWN):
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


@app.command("plan", help=text.PLAN)
def plan_(
    source: Source,
    city: Annotated[str, typer.Option(help="Id of the city, as KR-SEOUL-2025.")],
    out: Annotated[Path, typer.Option(help="The plan to write.")] = Path("plan.yaml"),
    format: Format = None,
    encoding: Encoding = None,
    source_crs: SourceCrs = None,
    option: Option_ = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a plan that is there.")] = False,
    json: Json = False,
) -> None:
    """See the help text above."""
    from dtc_cli.migrate import plan, plan_writer
    from dtc_cli.migrate.assess_apart import assess_apart
    from dtc_cli.migrate.trouble import plan_error

    if out.exists() and not force:
        raise plan_error(
            f"{out} is there already", where=str(out), hint="--force replaces it, --out names another"
        )
    options = _options(option)
    found = assess_apart(source, format=format, encoding=encoding, source_crs=source_crs, options=options)
    written = plan_writer.write(
        found, city=city, out=out, source_crs=source_crs, encoding=encoding, options=options
    )
    plan.parse(written, source=str(out), folder=out.resolve().parent)
    _write(out, written.encode())
    decisions = written.count("# DECIDE")
    if json:
        console.emit_json({"plan": str(out), "readiness": found.readiness, "decisions": decisions})
    else:
        console.out(f"wrote {out}: {len(found.layers)} layers, {found.readiness}, quality {found.score:.0%}")
        if decisions:
            console.out(f"{decisions} lines begin with # DECIDE and wait for a person")
        console.out(
            f"next: read it, then dtc migrate run {shlex.quote(str(out))} --target target.yaml --phase pilot"
        )


@app.command("run", help=text.RUN)
def run_(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan file.")],
    target: Annotated[Path | None, typer.Option(help="Target file of the twin.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write to a file instead: .ndjson, .geojsonl, or .json for a record.")
    ] = None,
    phase: Annotated[str, typer.Option(help="pilot, incremental or full.")] = "full",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, mend and map; write nothing.")] = False,
    journal: Annotated[
        Path | None, typer.Option(help="Folder of the journal; PLAN.migration by default.")
    ] = None,
    patience: Patience = 60.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do what the plan's gates say without asking.")] = False,
    json: Json = False,
) -> None:
    """See the help text above."""
    try:
        from dtc_cli.migrate import commands

        _progress = None if json else text.Progress()
        done = commands.run(
            plan, target=target, to=to, phase=phase, dry_run=dry_run, journal=journal, patience_s=patience,
            progress=_progress,
        )  # fmt: skip
    except KeyboardInterrupt as stop:
        # What was begun tells by itself how far it came.
        from dtc_cli.migrate.unfinished import before_anything, beginning

        raise before_anything(beginning(plan, target=target, to=to, journal=journal)) from stop
    _report(done.summary, done.session, json=json, yes=yes, dry_run=dry_run)


@app.command("resume", help=text.RESUME)
def resume_(
    migration: Migration,
    phase: Annotated[
        str | None, typer.Option(help="Go on to this phase; else the one that was begun.")
    ] = None,
    patience: Patience = 60.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do what the plan's gates say without asking.")] = False,
    json: Json = False,
) -> None:
    """See the help text above."""
    from dtc_cli.migrate import commands

    done = commands.resume(
        migration, phase=phase, patience_s=patience, progress=None if json else text.Progress()
    )
    _report(done.summary, done.session, json=json, yes=yes)


@app.command("status", help=text.STATUS)
def status_(migration: Migration, json: Json = False) -> None:
    """See the help text above."""
    import msgspec

    from dtc_cli.migrate import session
    from dtc_cli.migrate.run import summarise

    with session.opened(migration) as open_:
        summary = summarise(open_.plan, open_.journal, phase=str(open_.journal.fact("phase") or "full"))
        told, objects = standing.facts(open_.journal), open_.journal.object_count()
        history = open_.journal.history()
    if json:
        console.emit_json({**msgspec.to_builtins(summary), **told, "history": history, "objects": objects})
    else:
        text.show_summary(summary, instead=standing.heading(told, summary, objects))
        for event in history:
            console.out(f"  {event['at']}  {standing.of_history(event)}")
        standing.show_next(told)
    if told["unfinished"] is not None:
        raise typer.Exit(int(ExitCode.INCOMPLETE))


@app.command("verify", help=text.VERIFY)
def verify_(
    migration: Migration,
    geometry: Annotated[
        bool, typer.Option("--geometry/--no-geometry", help="Read the source again and compare in metres.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Chooses the sample.")] = 1,
    json: Json = False,
) -> None:
    """See the help text above."""
    import msgspec

    from dtc_cli.migrate import session, unfinished, verify

    with session.opened(migration) as open_, open_.view() as view:
        unfinished.refuse_taken_back(open_.journal, "verify")
        found = verify.verify(open_.plan, open_.journal, view, seed=seed, geometry=geometry)
    if json:
        console.emit_json(msgspec.to_builtins(found))
    else:
        text.show_verification(found)
    if not found.whole or not found.expected:
        raise typer.Exit(int(ExitCode.INCOMPLETE if found.whole else ExitCode.NOT_CONFORMANT))


@app.command("diff", help=text.DIFF)
def diff_(
    migration: Migration,
    tolerance: Annotated[float | None, typer.Option(help="Metres that geometries may be apart.")] = None,
    json: Json = False,
) -> None:
    """See the help text above."""
    import msgspec

    from dtc_cli.migrate import diff, session, unfinished

    with session.opened(migration) as open_, open_.view() as view:
        unfinished.refuse_taken_back(open_.journal, "compare")
        found = diff.diff(open_.plan, open_.journal, view, tolerance_m=tolerance)
    if json:
        console.emit_json(msgspec.to_builtins(found))
    else:
        text.show_diff(found)
    if not found.equal:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


@app.command("sync", help=text.SYNC)
def sync_(
    migration: Migration,
    interval: Annotated[
        float | None, typer.Option(help="Repeat after so many seconds, until Ctrl-C.", min=1)
    ] = None,
    delete_uncounted: Annotated[
        bool,
        typer.Option("--delete-uncounted", help="Delete also where the source states no number of records."),
    ] = False,
    patience: Patience = 60.0,
    json: Json = False,
) -> None:
    """See the help text above."""
    from dtc_cli.migrate import commands

    while True:
        done = commands.sync(
            migration,
            patience_s=patience,
            progress=None if json else text.Progress(),
            trusting=delete_uncounted,
        )
        if interval is None:
            _report(done.summary, done.session, json=json, yes=False, ask=False)
            return
        _report(done.summary, done.session, json=json, yes=False, ask=False, leave=False)
        commands.pause(interval)


@app.command("rollback", help=text.ROLLBACK)
def rollback_(
    migration: Migration,
    force: Annotated[bool, typer.Option("--force", help="Take back also what was edited since.")] = False,
    patience: Patience = 60.0,
    json: Json = False,
) -> None:
    """See the help text above."""
    import msgspec

    from dtc_cli.migrate import commands

    done = commands.rollback(migration, force=force, patience_s=patience)
    if json:
        console.emit_json(
            {**msgspec.to_builtins(done), "whole": done.whole, "forecast50000Seconds": done.forecast_s}
        )
    else:
        text.show_rollback(done)
    if not done.whole:
        raise typer.Exit(int(ExitCode.INCOMPLETE))


@quarantine_app.command("list", help=text.QUARANTINE_LIST)
def quarantine_list(
    migration: Migration,
    code: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(help="Records shown, at most.", min=1)] = 50,
    json: Json = False,
) -> None:
    """See the help text above."""
    from dtc_cli.migrate import quarantine, session

    with session.opened(migration) as open_:
        reasons = open_.journal.reasons(int(open_.journal.fact("epoch")))
        rows = quarantine.listing(open_.journal, code=code, limit=None if json else limit)
    if json:
        console.emit_json({"count": sum(reasons.values()), "reasons": reasons, "records": rows})
    else:
        text.show_quarantine(reasons, rows)


@quarantine_app.command("export", help=text.QUARANTINE_EXPORT)
def quarantine_export(
    migration: Migration,
    out: Annotated[Path, typer.Option(help="File to write: .csv, else JSON lines.")],
    code: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    json: Json = False,
) -> None:
    """See the help text above."""
    from dtc_cli.migrate import quarantine, session

    with session.opened(migration) as open_:
        count = quarantine.export(open_.journal, out, code=code)
    if json:
        console.emit_json({"file": str(out), "records": count})
    else:
        console.out(f"wrote {count} records to {out}")


@quarantine_app.command("retry", help=text.QUARANTINE_RETRY)
def quarantine_retry(
    migration: Migration,
    code: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    patience: Patience = 60.0,
    json: Json = False,
) -> None:
    """See the help text above."""
    from dtc_cli.migrate import commands

    done = commands.retry(migration, code=code, patience_s=patience)
    _report(done.summary, done.session, json=json, yes=False, ask=False)


app.add_typer(quarantine_app, name="quarantine")


def _report(
    summary: "Summary",
    open_: "Session | None",
    *,
    json: bool,
    yes: bool,
    dry_run: bool = False,
    ask: bool = True,
    leave: bool = True,
) -> None:
    """Show what a run did, do what the gates say, and leave with the code that goes with it."""
    import msgspec

    from dtc_cli.migrate import commands

    taken_back, left, asked = None, None, False
    breach = commands.breach(summary)
    if breach is not None and breach.action == "rollback" and not dry_run and open_ is not None:
        # Nothing is deleted without a person's word: --yes, or an answer at a terminal.
        asked = ask and not yes and not json and open_.to_file is None and sys.stdin.isatty()
        wanted = ask and open_.to_file is None and (yes or (asked and _agreed(summary, breach.name)))
        if wanted:
            taken_back = commands.rollback(open_.journal.folder, force=False, patience_s=open_.patience_s)
        else:
            left = standing.not_taken_back(open_, summary, breach, asked=asked)
    if json:
        told: dict[str, Any] = {**msgspec.to_builtins(summary), "dryRun": dry_run}
        told["rolledBack"] = msgspec.to_builtins(taken_back) if taken_back is not None else None
        told["notTakenBack"] = left
        console.emit_json(told)
    else:
        if not asked:  # who was asked has seen it
            text.show_summary(summary, dry_run=dry_run)
        if taken_back is not None:
            text.show_rollback(taken_back)
        if left is not None:
            standing.show_not_taken_back(left)
    code = commands.exit_code(summary)
    if code and leave:
        raise typer.Exit(int(code))


def _agreed(summary: "Summary", gate: str) -> bool:
    """Whether the person at the terminal wants a migration taken back."""
    text.show_summary(summary)
    return typer.confirm(f"The gate {gate} does not hold. Take the migration back?", default=False)


def _options(given: list[str] | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not equals:
            raise DtcError(
                "usage", f"--option {one} is not NAME=VALUE", where="--option", hint="--option sheet=2024"
            )
        options[name] = value
    return options


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise DtcError(
            "output", f"{path} cannot be written", where=str(path), why=problem.strerror or str(problem)
        ) from problem
