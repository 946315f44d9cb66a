"""Taking back what a run left in a target, after the run: it may have been killed."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.clients.answer import TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.rest import quote
from dtc_cli.core import runfolder
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness.journal import Journal
from dtc_cli.harness.own_records import RUN_TAG
from dtc_cli.harness.scratch import Scratch
from dtc_cli.harness.twin import Twin

PAGE = 500
MOST_PAGES = 40
"""A sensor is looked for among this many pages: sensors have no filter for the run's id."""


class Cleanup(msgspec.Struct, frozen=True):
    """What became of the things that the run had created."""

    run: str
    removed: tuple[str, ...]
    left: tuple[str, ...]
    """What could not be taken back now."""
    kept: tuple[str, ...] = ()
    """Records of simulations that have ended: no request of the standard removes them (C-46)."""


def find(run: str, out: Path) -> Path:
    """The run folder that a path, a folder name or the end of a run id means.

    Raises:
        DtcError: `not-a-run` when there is none, or more than one.
    """
    if (Path(run) / runfolder.RUN).is_file():
        return Path(run)
    found = [
        folder.parent
        for folder in sorted(out.glob(f"*/{runfolder.RUN}"))
        if run and (folder.parent.name.endswith(run) or _run_id(folder) == run)
    ]
    if len(found) == 1:
        return found[0]
    raise DtcError(
        "not-a-run",
        f"{run!r} is {'no run' if not found else 'more than one run'} in {out}",
        where=f"--run {run}",
        hint="give the run folder, or its id, and with --out the folder that holds it",
    )


def clean(target: Target, folder: Path) -> Cleanup:
    """Take back all that the run in this folder created and that is still there.

    Only what the run's journal lists is touched, and what carries the run's id: the process may have been
    killed between a request and its answer. Running it again changes nothing more.

    Raises:
        DtcError: `not-this-target` when the run judged another target; `credential` for a missing key;
            `target-unreachable` (exit 7).
    """
    run = runfolder.read(folder).run
    judged = run.get("target", {})
    if (judged.get("baseUrl"), judged.get("city")) != (target.base_url, target.city):
        raise DtcError(
            "not-this-target",
            f"the run judged another target: {judged.get('baseUrl')}, city {judged.get('city')}",
            where=target.where("rest.base_url"),
            hint="give the target file with which the run was made",
        )
    with tempfile.TemporaryDirectory(prefix="dtc-clean-") as recording:
        twin = Twin(target, run, Path(recording))
        journal = Journal(folder)
        try:
            for key, path in _tagged(twin, {key for key, _ in journal.open_items()}):
                journal.plan(key, "DELETE", path)
            planned = [key for key, _ in journal.open_items()]
            scratch = Scratch(
                twin.rest, journal, run["runId"], city=lambda: twin.city, random=lambda: twin.random
            )
            left = scratch.clean()
            kept = [key for key in journal.kept_items() if key in planned]
        finally:
            journal.close()
            twin.close()
    removed = tuple(key for key in planned if key not in left and key not in kept)
    return Cleanup(run["runId"], removed, tuple(left), tuple(kept))


def _tagged(twin: Twin, known: set[str]) -> Iterator[tuple[str, str]]:
    """Key and path of what carries the run's id and is not in the journal: objects, then sensors."""
    if not twin.has_rest:
        return
    asked: tuple[tuple[str, dict[str, str]], ...] = (
        ("objects", {f"properties.{RUN_TAG}": twin.run_id}),
        ("sensors", {}),
    )
    for collection, query in asked:
        for item in _items(twin, collection, query):
            facts = item.get("properties" if collection == "objects" else "specifications")
            name, key = item.get("id"), f"{collection[:-1]} {item.get('id')}"
            own = isinstance(facts, dict) and facts.get(RUN_TAG) == twin.run_id
            if own and isinstance(name, str) and key not in known:
                yield key, f"/cities/{{city}}/{collection}/{quote(name)}"


def _items(twin: Twin, collection: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What the collection lists, page by page; nothing where it cannot be read."""
    for page in range(MOST_PAGES):
        asked = {**query, "limit": PAGE, "offset": page * PAGE}
        try:
            answer = twin.rest.get(f"/cities/{{city}}/{collection}", params=asked)
        except TargetMisbehaves:
            return
        except TargetUnreachable as problem:
            raise DtcError(
                "target-unreachable",
                f"the target cannot be reached: {problem}",
                where=twin.target.where("rest.base_url"),
                why="what the run left there can be taken back later",
                hint=f"dtc doctor {as_word(twin.target.source)}; then dtc clean again",
                exit_code=ExitCode.CANNOT_DECIDE,
            ) from problem
        body = answer.json() if answer.ok and answer.is_json else None
        listed = body.get(collection) if isinstance(body, dict) else None
        found = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
        yield from found
        if len(found) < PAGE:
            return


def _run_id(file: Path) -> str | None:
    try:
        found = json.loads(file.read_bytes()).get("runId")
    except (ValueError, OSError, AttributeError):
        return None
    return found if isinstance(found, str) else None
