"""What is written along with a change is there with it or not at all."""

import asyncio
from pathlib import Path

import pytest

from reference_server.storage import along
from reference_server.storage.protocol import Remembered, Transaction
from reference_server.storage.sqlite import SqliteStorage

ANSWER = Remembered(b"digest", 201, {"a": "b"}, b"{}")
BODY = {"cityId": "KR-TEST-2025", "metadata": {}}


def put(tx: Transaction) -> str:
    tx.put_city("KR-TEST-2025", BODY, 0, "created")
    return "made"


def test_both_are_stored_by_the_first_change_only(tmp_path: Path) -> None:
    seen: list[object] = []

    def keep(tx: Transaction, result: object) -> None:
        seen.append(result)
        tx.remember("me", "key", ANSWER)

    async def run() -> None:
        storage = SqliteStorage(tmp_path / "twin.db")
        await storage.open()
        with along.adding(keep):
            assert await storage.write("me", put) == "made"
            task = asyncio.create_task(storage.write("me", lambda tx: tx.city("KR-TEST-2025")))
            assert await task is not None
        await storage.close()
        again = SqliteStorage(tmp_path / "twin.db")
        await again.open()
        assert await again.remembered("me", "key") == ANSWER
        assert await again.remembered("you", "key") is None
        assert await again.city("KR-TEST-2025") is not None
        await again.close()

    asyncio.run(run())
    assert seen == ["made"]


def test_a_change_whose_addition_fails_is_taken_back(tmp_path: Path) -> None:
    def fail(tx: Transaction, result: object) -> None:
        tx.remember("me", "key", ANSWER)
        raise OSError("the disk is full")

    async def run() -> None:
        storage = SqliteStorage(tmp_path / "twin.db")
        await storage.open()
        with along.adding(fail), pytest.raises(OSError, match="full"):
            await storage.write("me", put)
        assert await storage.city("KR-TEST-2025") is None
        assert await storage.remembered("me", "key") is None
        await storage.close()

    asyncio.run(run())
