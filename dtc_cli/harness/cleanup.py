"""Taking back what a run left in a target, after the run: it may have been killed."""

import json
import tempfile
from pathlib import Path

import msgspec

from dtc_cli.core import runfolder
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.harness.journal import Journal, open_items
from dtc_cli.harness.scratch import Scratch
from dtc_cli.harness.twin import Twin


class Cleanup(msgspec.Struct, frozen=True):
    """What became of the things that the run had created."""

    run: str
    removed: tuple[str, ...]
    left: tuple[str, ...]


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

    Only what the run's journal lists is touched. Running it again changes nothing more.

    Raises:
        DtcError: `not-this-target` when the run judged another target; `credential` for a missing key.
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
    planned = [key for key, _ in open_items(folder)]
    if not planned:
        return Cleanup(run["runId"], (), ())
    with tempfile.TemporaryDirectory(prefix="dtc-clean-") as recording:
        twin = Twin(target, run, Path(recording))
        journal = Journal(folder)
        try:
            scratch = Scratch(
                twin.rest, journal, run["runId"], city=lambda: twin.city, random=lambda: twin.random
            )
            left = scratch.clean()
        finally:
            journal.close()
            twin.close()
    return Cleanup(run["runId"], tuple(key for key in planned if key not in left), tuple(left))


def _run_id(file: Path) -> str | None:
    try:
        found = json.loads(file.read_bytes()).get("runId")
    except (ValueError, OSError, AttributeError):
        return None
    return found if isinstance(found, str) else None
