"""`dtc requirements`: what the standard asks, how it is read, and how far the suites test it."""

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.core.catalogue import Catalogue
    from dtc_cli.core.coverage import Coverage
    from dtc_cli.core.model import Requirement

HELP = """List what the standard asks for; filters combine.

--id shows entries in full, with the readings and the vectors behind them. --coverage counts the vectors, and
exits 1 when a MUST of a phase that has vectors lacks a positive or a negative one.

\b
Examples:
  dtc requirements --level silver --strength must
  dtc requirements --check "GeoJSON compliance"
  dtc requirements --id DTC-P2-017 --id DTC-P2-060
  dtc requirements --phase 1 --coverage
  dtc requirements --json | jq '.totals'

\b
Exit codes: 0 listed (--coverage: nothing lacking), 1 vectors are lacking, 2 a filter names nothing.
"""

PHASES = ("1", "2", "3", "4", "performance", "security")
STRENGTHS = ("must", "should", "may")
LEVELS = ("bronze", "silver", "gold", "platinum")


def requirements(
    phase: Annotated[
        str | None, typer.Option(metavar="PHASE", help="1, 2, 3, 4, performance or security.")
    ] = None,
    level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="What this level asks for, those below it included.")
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A check of P4 8.3, for example 'Pagination' or 'phase2/Pagination'."
        ),
    ] = None,
    strength: Annotated[str | None, typer.Option(metavar="STRENGTH", help="must, should or may.")] = None,
    id_: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Show this entry in full (repeatable).")
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Count positive and negative vectors per requirement.")
    ] = False,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.core.catalogue import load

    catalogue = load()
    chosen = _select(catalogue, phase=phase, level=level, check=check, strength=strength, ids=id_ or [])
    if coverage:
        _report_coverage(catalogue, chosen, as_json=json)
    elif json:
        console.emit_json(_as_json(catalogue, chosen, full=bool(id_)))
    elif id_:
        from dtc_cli.commands.requirement_text import in_full

        console.out("\n\n".join(in_full(catalogue, entry) for entry in chosen))
    else:
        _list(chosen)


requirements.__doc__ = HELP


def _select(
    catalogue: "Catalogue",
    *,
    phase: str | None,
    level: str | None,
    check: str | None,
    strength: str | None,
    ids: Sequence[str],
) -> "list[Requirement]":
    """The entries that satisfy every filter given, in catalogue order.

    Raises:
        DtcError: `usage` for a value that names nothing, with the nearest one that does.
    """
    from dtc_cli.core.model import Level

    chosen = list(catalogue.requirements.values())
    if phase is not None:
        name = _one_of(PHASES, phase.lower().removeprefix("phase"), "--phase", phase)
        chosen = [entry for entry in chosen if str(entry.phase) == name]
    if level is not None:
        at = Level(_one_of(LEVELS, level.lower(), "--level", level))
        chosen = [entry for entry in chosen if entry.level.rank <= at.rank]
    if check is not None:
        names = _checks(catalogue, check)
        chosen = [entry for entry in chosen if entry.check in names]
    if strength is not None:
        word = _one_of(STRENGTHS, strength.lower(), "--strength", strength)
        chosen = [entry for entry in chosen if entry.strength == word]
    if ids:
        wanted = {_id(tuple(catalogue.requirements), id_) for id_ in ids}
        chosen = [entry for entry in chosen if entry.id in wanted]
    return chosen


def _id(valid: Sequence[str], given: str) -> str:
    """The requirement of that id, in any case, also without `DTC-`; the nearest one is of the same part."""
    id_ = "DTC-" + given.upper().removeprefix("DTC-")
    part = [name for name in valid if name.rpartition("-")[0] == id_.rpartition("-")[0]]
    return id_ if id_ in valid else _one_of(part or valid, id_, "--id", given)


def _checks(catalogue: "Catalogue", given: str) -> set[str]:
    """The checks of that name, in full (`phase2/Pagination`) or without the phase, in any case."""
    checks = catalogue.vocabularies["checks"].values
    found = {name for name in checks if given.lower() in (name.lower(), name.partition("/")[2].lower())}
    if found:
        return found
    bare = {name.partition("/")[2].lower(): name for name in checks}
    words = [*bare, *(name.lower() for name in checks)]
    within = [word for word in words if given.lower() in word]
    near = within or difflib.get_close_matches(given.lower(), words, n=1, cutoff=0.4)
    full = {name.lower(): name for name in checks}
    meant = (full | bare)[near[0]] if near else ""
    raise _nothing("--check", given, meant, f"the {len(checks)} checks are those of P4 8.3")


def _one_of(valid: Sequence[str], value: str, option: str, given: str) -> str:
    if value in valid:
        return value
    near = difflib.get_close_matches(value, valid, n=1, cutoff=0.4)
    # A long list is not repeated: its first and last entry show the form.
    known = ", ".join(valid) if len(valid) < 10 else f"{valid[0]} ... {valid[-1]}, {len(valid)} in all"
    raise _nothing(option, given, near[0] if near else "", f"the values are {known}")


def _nothing(option: str, given: str, nearest: str, why: str) -> DtcError:
    example = (
        f'dtc requirements {option} "{nearest}"' if " " in nearest else f"dtc requirements {option} {nearest}"
    )
    return DtcError(
        "usage",
        f"{option} {given} names nothing in the catalogue",
        where=f"{option} {given}",
        why=why,
        hint=f"nearest: {example}" if nearest else "dtc requirements --help",
    )


def _list(chosen: "Sequence[Requirement]") -> None:
    conditional = any(entry.when for entry in chosen)
    columns = ["id", "strength", "level", "clause", "title", *(["applies if"] if conditional else [])]
    rows = (
        [
            entry.id,
            entry.strength.value.upper(),
            entry.level.value,
            entry.clause,
            entry.title,
            *([entry.when or ""] if conditional else []),
        ]
        for entry in chosen
    )
    if chosen:
        console.table(columns, rows)
        console.out()
    console.out(_totals_line(chosen))


def _totals(chosen: "Iterable[Requirement]") -> dict[str, int]:
    entries = list(chosen)
    by_strength = {word: sum(entry.strength == word for entry in entries) for word in STRENGTHS}
    return {
        "requirements": len(entries),
        **by_strength,
        "conditional": sum(entry.when is not None for entry in entries),
        "programme": sum(entry.binds == "programme" for entry in entries),
    }


def _totals_line(chosen: "Sequence[Requirement]") -> str:
    if not chosen:
        return "no requirement satisfies all of these filters"
    totals = _totals(chosen)
    noun = "requirement" if len(chosen) == 1 else "requirements"
    words = ", ".join(f"{totals[word]} {word.upper()}" for word in STRENGTHS if totals[word])
    notes = [
        f"{totals['conditional']} apply conditionally" if totals["conditional"] else "",
        f"{totals['programme']} bind the programme, not the target" if totals["programme"] else "",
    ]
    return "; ".join([f"{len(chosen)} {noun}: {words}", *(note for note in notes if note)])


def _as_json(catalogue: "Catalogue", chosen: "Sequence[Requirement]", *, full: bool) -> dict[str, Any]:
    import msgspec

    entries = []
    for entry in chosen:
        built = msgspec.to_builtins(entry)
        own = [vector for vector in catalogue.vectors if vector.requirement == entry.id]
        if full:
            built["interpretations"] = [
                msgspec.to_builtins(catalogue.interpretations[name]) for name in entry.interpretations
            ]
            built["vectors"] = msgspec.to_builtins(own)
            built["condition"] = msgspec.to_builtins(catalogue.conditions[entry.when]) if entry.when else None
        else:
            built["vectors"] = [vector.id for vector in own]
        entries.append(built)
    return {"requirements": entries, "totals": _totals(chosen), "catalogueDigest": catalogue.digest}


def _report_coverage(catalogue: "Catalogue", chosen: "Sequence[Requirement]", *, as_json: bool) -> None:
    import msgspec

    from dtc_cli.core.coverage import measure

    result = measure(chosen, catalogue.vectors, catalogue.waived)
    if as_json:
        console.emit_json({**msgspec.to_builtins(result), "complete": result.complete})
    else:
        _show_coverage(result)
    if not result.complete:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


def _show_coverage(result: "Coverage") -> None:
    console.table(
        ["id", "strength", "level", "positive", "negative", ""],
        (
            [
                row.id,
                row.strength.value.upper(),
                row.level.value,
                "waived" if "positive" in row.waived else str(row.positive),
                "waived" if "negative" in row.waived else str(row.negative),
                "no " + " and no ".join(row.lacking) if row.lacking else "",
            ]
            for row in result.requirements
        ),
    )
    console.out()
    console.table(
        ["phase", "requirements", "MUSTs", "MUSTs covered", "positive", "negative"],
        (
            [
                str(phase.phase),
                str(phase.requirements),
                str(phase.must),
                str(phase.must_complete) if phase.begun else "not begun",
                str(phase.positive),
                str(phase.negative),
            ]
            for phase in result.phases
        ),
    )
    console.out()
    for name in result.stale:
        console.out(f"waived although it has a vector: {name} (remove it from waived-vectors.yaml)")
    if result.lacking:
        console.out(f"{len(result.lacking)} lacking: " + ", ".join(result.lacking))
    elif not any(phase.begun for phase in result.phases):
        console.out("nothing is judged: no phase of this selection has vectors yet")
    elif result.complete:
        console.out("no MUST of a phase that has vectors lacks a positive or a negative one")
