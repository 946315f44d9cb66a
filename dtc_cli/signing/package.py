"""Making the signed package of a run, the same way for a passed and for a failed one."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dtc_cli.core import runfolder
from dtc_cli.core.chain import profile_bytes
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import (
    archive,
    evidence,
    judgement,
    layout,
    sbom,
    seal,
    statement,
    strict_json,
    test_result,
)
from dtc_cli.signing.reader import MappedFiles
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.seal import Sealer

SUFFIX = ".dtcpack.tar.gz"
SLUG_LENGTH = 40
SMALL = 16 * 1024
OVERHEAD = 200
ROOM = 64 * 1024**2
"""Bytes of small bodies that are held in memory while a package is made; those beyond are read again."""
# File of a run folder to its place in the package.
COPIED = {
    runfolder.RUN: layout.RUN,
    runfolder.MATRIX: layout.MATRIX,
    runfolder.VECTORS: layout.VECTORS,
    runfolder.EVENTS: layout.EVENTS,
    runfolder.REQUIREMENTS: layout.CATALOGUE,
}


def build(run: Path, out: Path, exports: Mapping[str, bytes], key: Sealer) -> Path:
    """Write `dtc-<target>-<runId>.dtcpack.tar.gz` into the folder `out` and return its path.

    The same run, exports and key give the same files; only an ECDSA signature differs from time to time.

    Args:
        run: a finished run folder.
        out: the folder to write into; it is made when it is not there.
        exports: file name (without folder) to content, for `exports/`.
        key: whose signature it gets.

    Raises:
        DtcError: `run-not-finished`, `run-damaged`, `statement-too-large`, `package-not-written`.
    """
    try:
        contents, facts = collect(run, exports)
        signed = sign(contents, facts, key)
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"dtc-{slug(facts.run.target.name)}-{facts.run.run_id}{SUFFIX}"
        archive.write(path, signed)
    except Refusal as problem:
        raise DtcError(
            "run-damaged",
            f"the run folder {run.name} cannot be packaged",
            where=str(run),
            why=problem.reason,
            hint="a file in it was changed or lost after the run; run dtc certify again",
            exit_code=ExitCode.INTEGRITY,
        ) from problem
    except OSError as problem:
        raise DtcError(
            "package-not-written",
            "the package cannot be written",
            where=str(problem.filename or out),
            why=problem.strerror or str(problem),
            hint="make room, or choose another folder with --out",
        ) from problem
    return path


def collect(run: Path, exports: Mapping[str, bytes]) -> tuple[dict[str, archive.Content], evidence.Evidence]:
    """What `SHA256SUMS` will cover (name in the package to content), and what it amounts to.

    Raises:
        DtcError: `run-not-finished`.
        Refusal: when a file of the run is missing or damaged.
    """
    contents: dict[str, archive.Content] = {}
    for source, name in COPIED.items():
        file = run / source
        if not file.is_file():
            raise Refusal(f"{source} is missing")
        contents[name] = file
    _finished(run, MappedFiles(contents).read(layout.RUN))
    for name in (layout.EVENTS, layout.MATRIX):
        # A killed suite leaves half a line behind; the chain and the matrix end before it.
        contents[name] = _whole_lines(run / Path(name).name)
    if (run / runfolder.BODIES).is_dir():
        contents.update(_bodies(run / runfolder.BODIES))
    for bill in sbom.NAMES:
        if (run / sbom.FOLDER / bill).is_file():
            contents[layout.SBOM + bill] = run / sbom.FOLDER / bill
    facts = evidence.read(MappedFiles(contents))
    profile = facts.run.profile
    contents[layout.PROFILE] = profile_bytes(profile.excluded, profile.hazards, profile.declares)
    contents[layout.VERDICTS] = judgement.to_bytes(judgement.judge(facts))
    for name, data in exports.items():
        contents[layout.safe(layout.EXPORTS + name)] = data
    layout.distinct(contents)
    if len(contents) > layout.MAX_FILES - 10:
        raise Refusal(f"the run has more than {layout.MAX_FILES} files")
    return contents, facts


def sign(
    contents: Mapping[str, archive.Content], facts: evidence.Evidence, key: Sealer
) -> dict[str, archive.Content]:
    """The files with their closed list, the signed statement about it, and the public key for convenience."""
    files = MappedFiles(contents)
    sums = layout.render_sums({name: files.digest(name) for name in files.names()})
    payload = statement.make(facts, files, sums)
    summary = test_result.make(facts, sums)
    return {
        **contents,
        layout.SUMS: sums,
        layout.TEST_RESULT: seal.seal(summary, key),
        layout.RUN_BUNDLE: seal.seal(payload, key),
        **seal.copies(key),
    }


def slug(name: str) -> str:
    """The name as a part of a file name: lower-case letters, digits and hyphens, at most 40."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:SLUG_LENGTH].strip("-")
    return plain or "target"


def _bodies(folder: Path) -> Iterator[tuple[str, archive.Content]]:
    """The recorded bodies by their names in the package. Small ones are read here, once: most are."""
    room = ROOM
    with os.scandir(folder) as entries:
        for entry in entries:
            name = layout.BODIES + entry.name
            if not layout.BODY.fullmatch(name):
                continue
            if room > 0:
                with open(entry.path, "rb", buffering=0) as stream:
                    data = stream.read(SMALL + 1)
                if data is not None and len(data) <= SMALL:
                    room -= len(data) + OVERHEAD
                    yield name, data
                    continue
            yield name, Path(entry.path)


def _finished(run: Path, data: bytes) -> None:
    value = strict_json.parse(data, runfolder.RUN)
    if not isinstance(value, dict):
        return  # reading it as evidence says what is wrong
    ended = value.get("status") in ("complete", "interrupted", "aborted")
    if not ended or value.get("events", {}) is None or value.get("finishedAt", "") is None:
        raise DtcError(
            "run-not-finished",
            f"the run {run.name} has not ended",
            where=str(run / runfolder.RUN),
            why="it is still running, or was killed",
            hint="a killed run can be read with dtc report, but not signed: run dtc certify again",
            exit_code=ExitCode.INCOMPLETE,
        )


def _whole_lines(file: Path) -> archive.Content:
    """The file, or its whole lines when it ends in the middle of one."""
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        if size == 0:
            return file
        stream.seek(size - 1)
        if stream.read(1) == b"\n":
            return file
        stream.seek(0)
        data = stream.read()
    return data[: data.rfind(b"\n") + 1]
