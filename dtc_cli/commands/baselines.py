"""What `dtc test` does with --baseline and --update-baseline."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dtc_cli.core import runfolder
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.core.baseline import Comparison, Entry


class Beside(Protocol):
    """A run beside its baseline, ready to be printed."""

    @property
    def exit_code(self) -> ExitCode: ...  # noqa: D102
    def as_text(self) -> str: ...  # noqa: D102
    def as_json(self) -> dict[str, Any]: ...  # noqa: D102


class Known(Protocol):
    """What to do with a baseline once the run is over."""

    def beside(self, run: Path) -> Beside: ...  # noqa: D102


def chosen(baseline: Path | None, update: Path | None, *, fail_fast: bool) -> Known | None:
    """What the options ask for; the file is read and checked before anything runs.

    Raises:
        DtcError: `usage` for options that exclude each other, `baseline-file`.
    """
    if update is None:
        return _Read(baseline) if baseline is not None else None
    if baseline is not None or fail_fast:
        other = "--baseline" if baseline is not None else "--fail-fast"
        raise DtcError(
            "usage",
            f"--update-baseline does not go with {other}",
            where="dtc test",
            why="a baseline is written from everything that fails, known or not",
            hint=f"leave {other} out",
        )
    return _Written(update)


class _Read:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries = _read(file)

    def beside(self, run: Path) -> Beside:
        return _Shown(self._file, _compared(self._entries, runfolder.read(run), _today()))


class _Written:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries = _read(file) if file.exists() else ()

    def beside(self, run: Path) -> Beside:
        """Write the file; the exit code is that of --baseline with it, entries of other runs left aside."""
        from dtc_cli.core import baseline_file

        folder, today = runfolder.read(run), _today()
        update = baseline_file.update(self._entries, folder.vectors, folder.lines, today)
        _write(self._file, baseline_file.render(update.entries))
        in_run = {vector.id for vector in folder.vectors}
        of_run = tuple(entry for entry in update.entries if entry.vector in in_run)
        return _Shown(self._file, _compared(of_run, folder, today), update.words)


class _Shown:
    def __init__(self, file: Path, comparison: "Comparison", words: tuple[str, ...] | None = None) -> None:
        self._file = file
        self._comparison = comparison
        self._words = words
        self.exit_code = comparison.exit_code

    def as_text(self) -> str:
        lines = [f"\nBaseline {self._file}"]
        if self._words is not None:
            lines += [f"  {word}" for word in self._words]
            lines.append("  fill in owner and reason of what was added, and extend by hand what has expired")
        for case in self._comparison.cases:
            where = f" (line {case.line})" if case.line else ""
            lines += [
                f"  {'RED' if case.red else 'ok '}  {case.kind}: {case.vector}{where}",
                f"       {case.text}",
            ]
        red = sum(case.red for case in self._comparison.cases)
        lines.append(
            f"  {red} red of {len(self._comparison.cases)}; no verdict and no level depends on this file"
        )
        if self._comparison.undecided:
            lines.append(f"  not decided: {', '.join(self._comparison.undecided)}")
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        return {
            "baseline": {
                "file": str(self._file),
                "exitCode": int(self.exit_code),
                "cases": [
                    {"kind": case.kind.value, "red": case.red, "vector": case.vector, "text": case.text}
                    for case in self._comparison.cases
                ],
                "undecided": list(self._comparison.undecided),
                "written": None if self._words is None else list(self._words),
            }
        }


def _compared(entries: "tuple[Entry, ...]", folder: runfolder.RunFolder, today: date) -> "Comparison":
    from dtc_cli.core.baseline import compare

    return compare(
        entries, folder.requirements, folder.vectors, folder.lines, excluded=folder.excluded, today=today
    )


def _today() -> date:
    return datetime.now(UTC).date()


def _read(file: Path) -> "tuple[Entry, ...]":
    from dtc_cli.core import baseline_file

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise DtcError(
            "baseline-file",
            f"the baseline {file} cannot be read",
            where=str(file),
            why=getattr(problem, "strerror", None) or str(problem),
            hint=f"dtc test ... --update-baseline {as_word(file)}   writes one",
        ) from problem
    return baseline_file.parse(text, str(file))


def _write(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as problem:
        raise DtcError(
            "baseline-file",
            f"the baseline {file} cannot be written",
            where=str(file),
            why=problem.strerror or str(problem),
            hint="give another file with --update-baseline",
        ) from problem
