"""An assessment in a process of its own: a library that crashes at a source ends that and nothing else."""

import os
import subprocess
import sys
import tempfile
from typing import Any

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.migrate.assess import Assessment, assess
from dtc_cli.migrate.trouble import source_error


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be assessed, and how."""

    path: str
    format: str | None
    encoding: str | None
    source_crs: str | None
    options: dict[str, Any]
    careful: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, or the five fields of an error."""

    found: Assessment | None = None
    error: dict[str, Any] | None = None


def assess_apart(
    path: str,
    *,
    format: str | None = None,
    encoding: str | None = None,
    source_crs: str | None = None,
    options: dict[str, Any] | None = None,
) -> Assessment:
    """As `assess`. Where a library crashes, the source is read again the slower way.

    Raises:
        DtcError: as from `assess`; `migration-source` where the slower way crashes, too.
    """
    question = Question(
        path=path, format=format, encoding=encoding, source_crs=source_crs, options=options or {}
    )
    status, said = 0, ""
    for careful in (False, True):
        status, out, said = _asked(msgspec.structs.replace(question, careful=careful))
        if out:
            return _read(out)
    raise source_error(
        f"the reading library crashes at {path}",
        where=path,
        why=f"exit status {status}" + (f"; {said}" if said else ""),
        hint="a run reads it record by record and keeps back the one to blame; or save it anew elsewhere",
    )


def _read(out: bytes) -> Assessment:
    answer = msgspec.msgpack.decode(out, type=Answer)
    if answer.found is not None:
        return answer.found
    error = answer.error or {}
    raise DtcError(
        error["code"], error["what"], where=error["where"], why=error["why"], hint=error["try"],
        exit_code=ExitCode(error["exit"]),
    )  # fmt: skip


def _asked(question: Question) -> tuple[int, bytes, str]:
    """Exit status, answer and last words of the process."""
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            [sys.executable, "-m", "dtc_cli.migrate.assess_apart"],
            input=msgspec.msgpack.encode(question),
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
        )
        errors.seek(0)
        words = errors.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout if done.returncode == 0 else b"", words[-1] if words else ""


def main() -> None:
    """Answer the question on standard input."""
    given = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question)
    # Libraries print to descriptor 1 now and then; the answer gets a descriptor of its own.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        try:
            found = assess(
                given.path, format=given.format, encoding=given.encoding, source_crs=given.source_crs,
                options=given.options, careful=given.careful,
            )  # fmt: skip
            answer = Answer(found=found)
        except DtcError as error:
            answer = Answer(error={**error.as_dict(), "exit": int(error.exit_code)})
        out.write(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main()
