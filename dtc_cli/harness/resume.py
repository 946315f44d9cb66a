"""Taking up a run that was interrupted: only where nothing has changed that a verdict rests on.

What was judged stands. The vector at which the run was cut off is judged anew; its exchanges stay in the
chain, which goes on where it ended. A note of the kind `resumed` in the chain says that and when.
"""

from pathlib import Path
from typing import Any

from dtc_cli.core import plan as planning
from dtc_cli.core import runfolder
from dtc_cli.core.catalogue import load as catalogue
from dtc_cli.core.model import Level
from dtc_cli.core.runfolder import END, EVENTS, MATRIX, RunFolder
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness import identity, replay
from dtc_cli.harness.doctor import Diagnosis
from dtc_cli.harness.replayed import judged


def read(folder: Path) -> RunFolder:
    """The run in this folder, whole as far as it goes.

    Raises:
        DtcError: `not-a-run`, `run-damaged`; `evidence-changed` (exit 3) when its chain does not hold;
            `not-to-be-resumed` when it has ended, or other suites or another standard would go on with it.
    """
    recorded = runfolder.read(folder)
    replay.check(recorded)
    run = recorded.run
    if run["status"] == "complete":
        raise _refused(folder, "the run is complete", f"dtc report {as_word(folder)}")
    if run["suite"]["digest"] != identity.suite_digest():
        raise _refused(
            folder, "other suites would judge the rest", "use the dtc that began it, or begin anew"
        )
    if run["standard"]["catalogueDigest"] != catalogue().digest:
        raise _refused(folder, "the catalogue of the standard is another one", "begin anew")
    return recorded


def kind(recorded: RunFolder, level: Level | None, *, part: bool) -> None:
    """Make sure that the run is what is asked for: a part or a whole level, and of this level.

    Raises:
        DtcError: `not-to-be-resumed`, with the command that would do it.
    """
    run, folder = recorded.run, recorded.path
    if run["mode"] == "seed":
        raise _refused(folder, "it wrote data and judges nothing", "dtc seed TARGET writes them anew")
    command = "test" if run["selection"]["expression"] else "certify"
    if part != (command == "test"):
        what = "a part of a level, which gets no certificate" if command == "test" else "a whole level"
        raise _refused(folder, f"it judges {what}", f"dtc {command} TARGET --resume {folder}")
    claimed = run["level"]["claimed"]
    if level is not None and level.value != claimed:
        raise _refused(
            folder,
            f"it is a run for {claimed}, not for {level.value}",
            f"without --level it goes on for {claimed}; for {level.value} begin a new run",
        )


def compare(recorded: RunFolder, target: Target, diagnosis: Diagnosis) -> None:
    """Make sure that the target is the one that the run judged.

    Raises:
        DtcError: `not-this-target`, naming the first thing that differs.
    """
    then: dict[str, Any] = recorded.run["target"]
    now = {
        "baseUrl": target.base_url,
        "city": target.city,
        "name": target.name,
        "vendor": target.vendor,
        "version": target.version,
        "fingerprint": diagnosis.fingerprint,
    }
    for name, value in now.items():
        if then.get(name) != value:
            raise _other(recorded.path, f"target.{name} was {then.get(name)!r} and is {value!r}")
    if recorded.run["profile"]["digest"] != planning.profile(target)["digest"]:
        raise _other(recorded.path, "the target file excludes, allows or declares something else")


def prepare(recorded: RunFolder) -> None:
    """Leave in the folder what was judged, ready to be continued: no half line, no line of no verdict."""
    (recorded.path / END).unlink(missing_ok=True)
    interrupted = {line.vector for line in recorded.lines} - {line.vector for line in judged(recorded)}
    _rewrite(recorded.path / EVENTS, list(runfolder.whole_lines(recorded.path / EVENTS)))
    lines = [
        raw
        for raw, line in zip(runfolder.whole_lines(recorded.path / MATRIX), recorded.lines, strict=True)
        if line.vector not in interrupted
    ]
    _rewrite(recorded.path / MATRIX, lines)


def _rewrite(file: Path, lines: list[bytes]) -> None:
    partial = file.with_suffix(".part")
    partial.write_bytes(b"".join(line + b"\n" for line in lines))
    partial.replace(file)


def _refused(folder: Path, why: str, hint: str) -> DtcError:
    return DtcError(
        "not-to-be-resumed",
        f"the run {folder.name} cannot be resumed",
        where=f"--resume {folder}",
        why=why,
        hint=hint,
        exit_code=ExitCode.USAGE,
    )


def _other(folder: Path, why: str) -> DtcError:
    return DtcError(
        "not-this-target",
        f"the run {folder.name} judged another target, or another build of it",
        where=f"--resume {folder}",
        why=why,
        hint="begin anew: verdicts about two targets make no certificate",
        exit_code=ExitCode.USAGE,
    )
