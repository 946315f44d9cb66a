"""What the commands of `dtc migrate` share: finding the journal, its plan and its target again."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from dtc_cli.core.target import Target
from dtc_cli.core.target import load as load_target
from dtc_cli.errors import DtcError
from dtc_cli.migrate import lock
from dtc_cli.migrate.journal import Journal
from dtc_cli.migrate.plan import Plan
from dtc_cli.migrate.plan import load as load_plan
from dtc_cli.migrate.sinks import FileSink
from dtc_cli.migrate.trouble import plan_error, target_error
from dtc_cli.migrate.twin import Twin
from dtc_cli.migrate.verify import FileView
from dtc_cli.migrate.wire import Wire

FILE = "file:"


class Session(msgspec.Struct):
    """An open migration."""

    journal: Journal
    plan: Plan
    target: str
    """Path of the target file, or `file:` and the path of the output."""
    patience_s: float = 60.0

    @property
    def to_file(self) -> Path | None:
        """The output file, when the target is one."""
        return Path(self.target.removeprefix(FILE)) if self.target.startswith(FILE) else None

    def sink(self) -> "FileSink | Twin":
        """The place that objects go to."""
        file = self.to_file
        if file is not None:
            return FileSink(
                file, city=self.plan.city, at=datetime.fromisoformat(self.journal.fact("started"))
            )
        return self.twin()

    def twin(self) -> Twin:
        """The target as a twin.

        Raises:
            DtcError: `migration-target` when it is a file.
        """
        if self.to_file is not None:
            raise target_error(
                "this migration went to a file",
                where=self.target,
                hint="this command needs a twin as its target",
            )
        wire = Wire(load_target(Path(self.target)), patience_s=self.patience_s)
        return Twin(
            wire,
            self.plan.city,
            migration=str(self.journal.fact("migration")),
            on_existing=self.plan.on_existing,
            keep=self.journal.keep_priors,
            families=frozenset(la.into for s in self.plan.sources for la in s.layers if not la.skip),
            spans=self.journal.reading_spans,
        )

    @contextmanager
    def view(self) -> "Iterator[FileView | Twin]":
        """The target, read back."""
        file = self.to_file
        if file is not None:
            if not file.exists():
                raise target_error(f"the output {file} is gone", where=str(file))
            yield FileView(file)
            return
        twin = self.twin()
        try:
            yield twin
        finally:
            twin.close()


def writable(file: Path) -> Target:
    """A target file whose owner agrees to writing.

    Raises:
        DtcError: `hazard` when the file does not allow writing.
    """
    target = load_target(file)
    if "write" not in target.hazards:
        raise DtcError(
            "hazard",
            "nothing may be written: the target file does not allow the hazard write",
            where=target.where("hazards"),
            why="a migration creates, changes and deletes what stands in the target",
            hint="add write to hazards: if the data may be written there",
        )
    return target


def journal_of(place: Path) -> Path:
    """The journal folder for a plan file, or the folder itself."""
    return place if place.is_dir() else place.with_name(place.stem + ".migration")


@contextmanager
def opened(place: Path, *, patience_s: float = 60.0, writing: str = "") -> Iterator[Session]:
    """A migration that was begun, by its journal folder or its plan.

    Args:
        place: the folder of the journal, or the plan beside which it lies.
        patience_s: seconds to wait for a target that does not answer.
        writing: what is about to change the target: it becomes the only one that does.

    Raises:
        DtcError: `migration-plan` when there is none, or its plan is gone; `hazard` when its target may not
            be written to; `migration-in-use` when somebody else is changing it.
    """
    journal = Journal(journal_of(place))
    with ExitStack() as stack:
        stack.callback(journal.close)
        if writing:
            stack.enter_context(lock.held(journal.folder, writing))
        stated = journal.fact("plan")
        if stated is None:
            raise plan_error("the migration was never begun", where=str(place), hint="dtc migrate run PLAN")
        target = str(journal.fact("target"))
        if writing and not target.startswith(FILE):
            writable(Path(target))
        yield Session(journal, load_plan(Path(stated)), target, patience_s)
