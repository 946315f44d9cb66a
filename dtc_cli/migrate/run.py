"""Carrying out a plan: read, journal, write, settle; killed at any moment it goes on where it was."""

import hashlib
import shlex
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.migrate import extent, gates, sensing
from dtc_cli.migrate.flight import Flight, ahead
from dtc_cli.migrate.frames import Frame
from dtc_cli.migrate.journal import SENT, Journal, Written
from dtc_cli.migrate.plan import Plan
from dtc_cli.migrate.reader import LayerReader, joined_bounds
from dtc_cli.migrate.sinks import Item, Sink
from dtc_cli.migrate.transform import Record
from dtc_cli.migrate.trouble import plan_error
from dtc_cli.migrate.unfinished import refuse_within_rollback

DONE = ("loaded", "repaired", "unchanged")


class Summary(msgspec.Struct, kw_only=True):
    """What a run did, for people and scripts."""

    migration: str
    epoch: int
    phase: str
    complete: bool
    """All layers were read to their end."""
    accounted: bool
    """The states add up to what the source says it has."""
    read: int
    source_count: int | None
    states: dict[str, int]
    reasons: dict[str, int]
    layers: list[dict[str, Any]]
    gates: list[gates.Gate]
    seconds: float
    per_second: float
    waited_s: float = 0.0
    retries: int = 0
    problems: list[str] = []

    @property
    def nothing(self) -> bool:
        """Whether no record was read at all (edge case 47)."""
        return self.read == 0


Progress = Callable[[dict[str, int], int | None, float], None]


def begin(journal: Journal, plan: Plan, target: str, *, changed_plan: bool = False) -> str:
    """Make a journal belong to a plan and a target, or see that it does; the id of the migration.

    `changed_plan` takes an edited plan, as a retry of the quarantine and a sync do.

    Raises:
        DtcError: `migration-plan` when it belongs to another plan or target.
    """
    digest = hashlib.sha256(Path(plan.file).read_bytes()).hexdigest()
    known = journal.fact("migration")
    changed = journal.fact("planDigest") != digest
    if changed_plan and journal.fact("takenBack"):
        raise plan_error(
            "this migration was taken back",
            where=str(journal.folder),
            hint=f"dtc migrate run {shlex.quote(plan.file)}   begins it anew",
        )
    refuse_within_rollback(journal)
    if known is None or (not changed_plan and _starts_anew(journal, target, changed=changed)):
        identifier = str(known or uuid.uuid4())
        journal.forget()
        for name, value in (
            ("plan", str(Path(plan.file).resolve())),
            ("planDigest", digest),
            ("target", target),
            ("epoch", 1),
            ("started", datetime.now(UTC).isoformat(timespec="seconds")),
            ("migration", identifier),
        ):
            journal.set_fact(name, value)
        return identifier
    if changed_plan:
        journal.set_fact("planDigest", digest)
    elif changed:
        back = f"dtc migrate rollback {shlex.quote(str(journal.folder))}, and run again"
        raise plan_error(
            "the plan was changed since this migration began",
            where=plan.file,
            why="records before and after the change would not agree",
            hint="take the change back; or "
            + ("run with another --journal and --to" if target.startswith("file:") else back),
        )
    if journal.fact("target") != target:
        raise plan_error(
            "the journal belongs to another target",
            where=str(journal.folder),
            why=f"it began with {journal.fact('target')}",
            hint="give that target, or a new --journal",
        )
    return str(known)


def _starts_anew(journal: Journal, target: str, *, changed: bool) -> bool:
    """Whether a journal binds nobody any more, and the next run begins anew.

    So it is before the first record (a mistyped target, a plan that had to be mended), after a rollback that
    took all back, and with a corrected plan as long as nothing stands in the target.
    """
    if journal.fact("cityMade") and journal.fact("target") != target:
        return False  # the city that was made is known to this journal only
    if journal.is_blank() or journal.fact("takenBack"):
        return True
    return changed and journal.holds_nothing()


def carry_out(
    plan: Plan,
    journal: Journal,
    sink: Sink,
    *,
    phase: str = "full",
    progress: Progress | None = None,
    sync: bool = False,
    finish_sync: bool = False,
    trusting: bool = False,
) -> Summary:
    """Migrate what the phase allows and is not done yet.

    Args:
        plan: the plan.
        journal: its journal (`begin` was called).
        sink: where objects go.
        phase: `pilot`, `incremental` or `full`.
        progress: called after each page with counts, the expected total and seconds.
        sync: begin a new epoch: the whole source is compared with what was loaded.
        finish_sync: go on with an epoch that was stopped.
        trusting: a sync deletes also where the source does not say how many records it has.

    Raises:
        DtcError: from reading or writing; the journal holds all that was done.
    """
    started = time.monotonic()
    worker = _Run(plan, journal, sink, phase, progress, started, trusting=trusting)
    if sync:
        worker.epoch += 1
        worker.before = 0  # a sync reads all of the source anew
        journal.set_fact("epoch", worker.epoch)
    limit = plan.phases[phase].limit
    for source in plan.sources:
        for layer in source.layers:
            if layer.skip:
                continue
            left = (
                None
                if limit is None or sync or finish_sync
                else limit - sum(journal.counts(worker.epoch).values())
            )
            if left is not None and left <= 0:
                journal.begin_layer(worker.epoch, source.name, layer.name)
                continue
            worker.layer(source.name, layer.name, left)
    if sync or finish_sync:
        worker.remove_vanished()
    result = summarise(plan, journal, phase=phase, seconds=time.monotonic() - started, before=worker.before)
    if result.complete:
        sink.finish(worker.bounds())
        journal.set_fact("sinkPlace", sink.checkpoint())
    journal.note(
        datetime.now(UTC).isoformat(timespec="seconds"),
        "sync" if sync or finish_sync else f"run {phase}",
        {"states": result.states, "seconds": round(result.seconds, 3), "complete": result.complete},
    )
    return result


def retry(plan: Plan, journal: Journal, sink: Sink, *, code: str | None = None) -> Summary:
    """Read quarantined records again, after source or plan were corrected, and load what is good now."""
    started = time.monotonic()
    worker = _Run(plan, journal, sink, "full", None, started)
    wanted: dict[str, set[int]] = {}
    for row in journal.records(worker.epoch, "quarantined"):
        if code is None or row.code.startswith(code):
            wanted.setdefault(row.layer, set()).add(row.n)
    sink.restore(journal.fact("sinkPlace"))
    for name, numbers in wanted.items():
        worker.again(name, numbers)
    return summarise(plan, journal, phase="retry", seconds=time.monotonic() - started, before=worker.before)


class _Run:
    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        sink: Sink,
        phase: str,
        progress: Progress | None,
        started: float,
        *,
        trusting: bool = False,
    ) -> None:
        self._plan, self._journal, self._sink = plan, journal, sink
        self._phase, self._progress, self._started = phase, progress, started
        self._trusting = trusting
        self.epoch = int(journal.fact("epoch"))
        self._migration = str(journal.fact("migration"))
        self._since = datetime.fromisoformat(journal.fact("started"))
        self._counts = journal.counts(self.epoch)
        self.before = sum(self._counts.values()) - self._counts.get(SENT, 0)
        self._expected: int | None = None
        self._flight = Flight(sink)
        self._seen_place = False

    def bounds(self) -> list[float] | None:
        """West, south, east, north of all that was read."""
        found = [one["facts"].get("bounds") for one in self._journal.layers(self.epoch)]
        return joined_bounds(found) or (list(self._plan.bounds) if self._plan.bounds else None)

    def layer(self, source: str, layer: str, left: int | None) -> None:
        """Bring one layer to its end, or to the limit of the phase."""
        journal, name = self._journal, f"{source}/{layer}"
        journal.begin_layer(self.epoch, source, layer)
        standing = next(
            one for one in journal.layers(self.epoch) if (one["source"], one["layer"]) == (source, layer)
        )
        if standing["done"]:
            return
        start = journal.rewind(self.epoch, name)
        self._sink.restore(journal.fact("sinkPlace"))
        self._counts = journal.counts(self.epoch)
        reader = LayerReader(
            Path(self._plan.file), source, layer, migration=self._migration, started=self._since,
            frame=self._sink.page, stop=None if left is None else start + left,
        )  # fmt: skip
        with self._reading(reader, start) as frames:
            counted = None
            for frame in frames:
                self._expected = reader.facts.count
                if self._expected is not None and counted is None:
                    counted = self._expected
                    journal.note_count(self.epoch, source, layer, counted)
                self._see_place(frame)
                items, page = list(frame.items()), self._sink.page
                for first in range(0, len(items), page):
                    self._page(name, items[first : first + page])
                if self._progress is not None:
                    self._progress(dict(self._counts), self._expected, time.monotonic() - self._started)
        facts = reader.facts
        read = max(facts.read, journal.next_ordinal(self.epoch, name))
        whole = left is None or read < start + left or (facts.count is not None and read >= facts.count)
        told = msgspec.to_builtins(facts)
        told["bounds"] = joined_bounds([standing["facts"].get("bounds"), told["bounds"]])
        journal.end_layer(self.epoch, source, layer, count=facts.count, read=read, done=whole, facts=told)

    def _see_place(self, frame: Frame) -> None:
        """See that the data lies in the city, before the first record goes out."""
        city = getattr(self._sink, "bounds", None)
        if city is not None and not self._seen_place and not self._journal.object_count():
            self._seen_place = extent.refuse_elsewhere(self._plan, city, frame)

    def again(self, name: str, numbers: set[int]) -> None:
        """Take some records of a layer once more."""
        source, _, layer = name.partition("/")
        reader = LayerReader(
            Path(self._plan.file), source, layer, migration=self._migration, started=self._since,
            frame=self._sink.page, stop=max(numbers) + 1,
        )  # fmt: skip
        with self._reading(reader, min(numbers)) as frames:
            for frame in frames:
                chosen = [(record, body) for record, body in frame.items() if record.n in numbers]
                if chosen:
                    self._page(name, chosen)

    @contextmanager
    def _reading(self, reader: LayerReader, start: int) -> Iterator[Iterator[Frame]]:
        """The frames of a layer, read ahead; at the end all pages made of them are settled."""
        with closing(ahead(reader.frames(start), reader.halt)) as frames, closing(self._flight):
            yield frames
            self._flight.wait()

    def _page(self, layer: str, items: list[tuple[Record, bytes]]) -> None:
        """One page: journal it as sent, write it, settle it; the last step may come with a later page."""
        if self._flight.carries(record.id for record, _ in items if record.id):
            self._flight.wait()
        known = self._journal.objects(record.id for record, _ in items if record.id)
        first, sending = [], []
        taken: set[str] = set()
        for record, body in items:
            row, item = self._judged(layer, record, body, known, taken)
            first.append(row)
            if item is not None:
                sending.append((record, item))
        self._count(row[4] for row in first)
        # A target that keeps what it took must find what it was sent in the journal, whatever happens now.
        journalled = not self._sink.forgets
        if journalled or not sending:
            self._journal.put(self.epoch, layer, first)
        if not sending:
            return
        self._flight.send(
            [item for _, item in sending],
            lambda written: self._land(layer, first, sending, written, journalled=journalled),
        )

    def _land(
        self,
        layer: str,
        first: list[tuple[Any, ...]],
        sending: list[tuple[Record, Item]],
        written: Sequence[Written],
        *,
        journalled: bool,
    ) -> None:
        """Settle a page that was answered."""
        states = []
        place = self._sink.checkpoint()
        objects = []
        for (record, item), one in zip(sending, written, strict=True):
            state, standing = self._settled(layer, record, item, one)
            states.append(state)
            if standing is not None:
                objects.append(standing)
        self._count(state[0] for state in states)
        self._counts[SENT] -= len(states)
        if journalled:
            self._journal.settle(self.epoch, layer, states, objects, place)
            return
        final = {state[4]: state for state in states}
        rows = [
            (*row[:4], *final[row[0]][:3], *row[7:9], final[row[0]][3]) if row[0] in final else row
            for row in first
        ]
        self._journal.settle(self.epoch, layer, (), objects, place, rows=rows)

    def _count(self, states: Iterable[str]) -> None:
        for state, times in Counter(states).items():
            self._counts[state] = self._counts.get(state, 0) + times

    def _judged(
        self,
        layer: str,
        record: Record,
        body: bytes,
        known: dict[str, tuple[str, str, str, int, str]],
        taken: set[str],
    ) -> tuple[tuple[Any, ...], Item | None]:
        """The journal row of a record, and the object to send if there is one."""
        state, code, detail, raw, item = record.state, record.code, record.detail, None, None
        standing = known.get(record.id) if record.id else None
        live = standing is not None and standing[1] == "live"
        if state == "quarantined":
            raw = body
        elif state == "unchanged":
            pass
        elif record.id in taken or (live and standing is not None and standing[3] == self.epoch):
            state, code, raw = "quarantined", "id-taken", body
            detail = f"another record of this migration has the id {record.id}"
        elif live and standing is not None and standing[0] == record.hash:
            state = "unchanged"
            self._journal.touch(record.id, self.epoch)
        else:
            state, item = SENT, Item(record.id, body, known=live)
        if record.id:
            taken.add(record.id)
        row = (
            record.n, record.key, record.id, record.type, state, code, detail, record.hash,
            record.repair if item is not None else "", raw,
        )  # fmt: skip
        return row, item

    def _settled(
        self, layer: str, record: Record, item: Item, written: Written
    ) -> tuple[tuple[str, str, str, bytes | None, int], tuple[Any, ...] | None]:
        if written.outcome == "refused":
            return ("quarantined", f"target: {written.code}", written.detail, item.body, record.n), None
        if written.outcome == "unchanged":
            # It stands there by somebody else's hand and is as wanted: not ours to take back.
            return ("unchanged", record.code, "", None, record.n), None
        state = "repaired" if record.state == "repaired" else "loaded"
        created = int(written.outcome == "created")
        row = (
            record.id, layer, record.key, record.type, record.hash, "live", created, written.etag,
            written.prior, self.epoch,
        )  # fmt: skip
        return (state, record.code, record.detail, None, record.n), row

    def remove_vanished(self) -> None:
        """Delete what the source no longer has, where its count was checked (edge case 46)."""
        for one in self._journal.layers(self.epoch):
            name = f"{one['source']}/{one['layer']}"
            gone = [
                item
                for item in self._journal.live_objects(layer=name)
                # Tables of readings are windows that move on: what was measured stays measured.
                if item["epoch"] != self.epoch and sensing.family(item["id"]) != "readings"
            ]
            quarantined = self._journal.keys_in(self.epoch, name, "quarantined")
            gone = [item for item in gone if item["key"] not in quarantined]
            self._journal.set_fact(f"kept:{name}", 0)
            if not gone:
                continue
            if one["count"] is None and one["read"] and not self._trusting:
                self._journal.set_fact(f"kept:{name}", len(gone))
                continue
            if one["read"] == 0 or one["count"] not in (None, one["read"]):
                raise plan_error(
                    f"{name} gives {one['read']} records and says it has {one['count']}",
                    where=self._plan.file,
                    why=f"{len(gone)} objects seem to have vanished, which a broken source looks like, too",
                    hint="nothing was deleted; look at the source and run sync again",
                )
            self._delete(name, gone)

    def _delete(self, layer: str, gone: Sequence[dict[str, Any]]) -> None:
        remover = getattr(self._sink, "delete_many", None)
        if remover is None:
            raise plan_error("this target cannot delete", where=layer, hint="sync needs a twin as its target")
        ordinal = self._journal.next_ordinal(self.epoch, layer)
        for first in range(0, len(gone), 1000):
            part = list(gone[first : first + 1000])
            failed = remover([item["id"] for item in part])
            rows = [
                (
                    ordinal + first + place,
                    item["key"],
                    item["id"],
                    item["type"],
                    "quarantined" if item["id"] in failed else "deleted",
                    "not-deleted" if item["id"] in failed else "",
                    failed.get(item["id"], ""),
                    item["hash"],
                    "",
                    None,
                )
                for place, item in enumerate(part)
            ]
            self._journal.put(self.epoch, layer, rows)
            self._journal.mark_objects([item["id"] for item in part if item["id"] not in failed], "gone")


def summarise(plan: Plan, journal: Journal, *, phase: str, seconds: float = 0.0, before: int = 0) -> Summary:
    """Where a migration stands, with its gates."""
    epoch = int(journal.fact("epoch"))
    states = journal.counts(epoch)
    by_layer = journal.counts_by_layer(epoch)
    outdated = journal.outdated(epoch)
    layers, problems, accounted = [], [], True
    for one in journal.layers(epoch):
        name = f"{one['source']}/{one['layer']}"
        found = by_layer.get(name, {})
        total = sum(count for state, count in found.items() if state not in ("deleted",))
        # How much was read is noted at the end; of a layer that was left in its midst the records tell.
        reached = one["read"] if one["done"] else max(one["read"], total)
        good = total == reached and not found.get(SENT) and (not one["done"] or one["count"] in (None, total))
        if not good:
            accounted = False
            problems.append(
                f"{name}: {found[SENT]} records were sent and are without an answer; they are sent again"
                if found.get(SENT) and total == reached
                else f"{name}: {total} records are accounted for, {reached} read, source says {one['count']}"
            )
        older = sum(1 for item in outdated if item["layer"] == name and item["quarantined"])
        if older:
            problems.append(
                f"{name}: older versions of {older} quarantined records stay in the target; "
                "dtc migrate quarantine list names them"
            )
        facts = one["facts"]
        kept = journal.fact(f"kept:{name}")
        if kept:
            problems.append(
                f"{name}: {kept} objects are gone from the source and stay in the target, because the source "
                "does not say how many records it has; dtc migrate sync --delete-uncounted removes them"
            )
        if facts.get("token_after") and facts["token_after"] != facts.get("token"):
            problems.append(f"{name}: the source changed while it was read")
        layers.append(
            {
                "layer": name,
                "sourceCount": one["count"],
                "read": reached,
                "done": one["done"],
                "states": found,
                "crs": facts.get("crs"),
                "operation": facts.get("operation"),
                "notices": facts.get("notices", {}),
                "crashes": facts.get("crashes", 0),
            }
        )
    skipped = [f"{s.name}/{la.name}" for s in plan.sources for la in s.layers if la.skip]
    planned = [f"{s.name}/{la.name}" for s in plan.sources for la in s.layers if not la.skip]
    complete = len(layers) == len(planned) and all(one["done"] for one in layers)
    problems += [f"{name}: skipped, as the plan says" for name in skipped]
    read = sum(int(one["read"]) for one in layers)
    counts = [one["sourceCount"] for one in layers]
    fresh = max(0, read - before)
    return Summary(
        migration=str(journal.fact("migration")),
        epoch=epoch,
        phase=phase,
        complete=complete,
        accounted=accounted,
        read=read,
        source_count=None if None in counts else sum(count for count in counts if count is not None),
        states=states,
        reasons=journal.reasons(epoch),
        layers=layers,
        gates=gates.judge(plan, journal, epoch),
        seconds=seconds,
        per_second=fresh / seconds if seconds > 0 else 0.0,
        problems=problems,
    )
