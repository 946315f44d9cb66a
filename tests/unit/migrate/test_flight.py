"""Pages on their way are settled in order, and nothing waits for what nobody wants any more."""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.flight import Flight, ahead
from dtc_cli.migrate.journal import Journal, Written
from dtc_cli.migrate.sinks import Item


class Slow:
    """A target whose pages are answered when a test says so."""

    forgets, page = False, 1

    def __init__(self, most: int) -> None:
        self.most, self.halted = most, threading.Event()
        self.doors: dict[str, threading.Event] = {}
        self.begun: list[str] = []

    def door(self, name: str) -> threading.Event:
        return self.doors.setdefault(name, threading.Event())

    def ahead(self, items: Sequence[Item]) -> int:
        return self.most

    def halt(self) -> None:
        self.halted.set()
        for door in self.doors.values():
            door.set()

    def put(self, items: Sequence[Item]) -> list[Written]:
        self.begun.append(items[0].id)
        if self.most and not self.door(items[0].id).wait(60):
            raise TimeoutError
        if items[0].id == "bad":
            raise ValueError(items[0].id)
        return [Written("created")]


def page(name: str) -> list[Item]:
    return [Item(name, b"{}")]


def test_pages_are_settled_in_the_order_of_sending() -> None:
    target, settled = Slow(2), list[str]()
    flight = Flight(target)  # type: ignore[arg-type]
    with closing(flight):
        flight.send(page("a"), lambda written: settled.append("a"))
        flight.send(page("b"), lambda written: settled.append("b"))
        assert flight.carries(["b"])
        assert not flight.carries(["c"])
        target.door("b").set()
        assert settled == []  # b was answered, a was not
        target.door("a").set()
        target.door("c").set()
        flight.send(page("c"), lambda written: settled.append("c"))
        flight.wait()
    assert settled == ["a", "b", "c"]


def test_a_target_that_takes_one_at_a_time_is_waited_for() -> None:
    flight, settled = Flight(Slow(0)), list[int]()  # type: ignore[arg-type]
    flight.send(page("a"), lambda written: settled.append(len(written)))
    assert settled == [1]
    flight.close()


def test_after_a_failure_nothing_later_is_settled() -> None:
    target, settled = Slow(2), list[str]()
    flight = Flight(target)  # type: ignore[arg-type]
    target.door("bad").set()
    flight.send(page("bad"), lambda written: settled.append("bad"))
    flight.send(page("next"), lambda written: settled.append("next"))
    with pytest.raises(ValueError, match="bad"):
        flight.wait()
    flight.close()  # `next` is on its way still, and is not waited for to its end
    assert (settled, target.halted.is_set()) == ([], True)


def test_frames_come_in_order_with_the_error_behind_them() -> None:
    def frames() -> Generator[int, None, None]:
        yield from range(5)
        raise ValueError("five")

    found: list[int] = []

    def take(given: Iterator[Any]) -> None:
        found.extend(given)

    with pytest.raises(ValueError, match="five"), closing(ahead(frames())) as given:
        take(given)
    assert found == [0, 1, 2, 3, 4]


def test_a_reader_that_is_waited_for_is_ended() -> None:
    wanted, closed = threading.Event(), threading.Event()

    def frames() -> Generator[int, None, None]:
        try:
            yield 1
            assert wanted.wait(60)
            yield 2
        finally:
            closed.set()

    with closing(ahead(frames(), wanted.set)) as given:
        assert next(given) == 1
    assert closed.wait(60)


def test_a_journal_that_has_no_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DtcError, match="cannot be made"):
        Journal(tmp_path / "file" / "journal", create=True)


def test_what_is_read_again_is_not_taken_for_another_record(tmp_path: Path) -> None:
    """A sync that dies behind a page of changed and unchanged records goes on with both."""
    with closing(Journal(tmp_path, create=True)) as journal:
        standing = [(one, "s/l", one, "Road", "h", "live", 1, None, None, 1) for one in ("a", "b")]
        journal.settle(1, "s/l", (), standing)
        sent = (0, "a", "a", "Road", "sent", "", "", "h2", "", None)
        journal.touch("b", 2)
        copy = (2, "b", "b", "Road", "unchanged", "duplicate-identical", "", "h", "", None)
        journal.put(2, "s/l", [sent, (1, "b", "b", "Road", "unchanged", "", "", "h", "", None), copy])
        assert journal.objects(["b"])["b"][3] == 2
        assert journal.rewind(2, "s/l") == 0
        assert journal.objects(["b"])["b"][3] == 1
