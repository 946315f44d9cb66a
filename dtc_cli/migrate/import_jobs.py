"""Import jobs of a twin (D-41): lines in, and what became of each."""

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from dtc_cli.migrate.trouble import target_error
from dtc_cli.migrate.wire import Wire, said

NDJSON = {"Content-Type": "application/x-ndjson"}
PAGE = 1000  # P2 4.3: the most that a page may hold
POLL_S, POLL_MOST_S = 0.02, 0.05
QUICK_S = 5.0
"""So long a job is looked at often: most take less than a second, and the next page waits for it."""
ENDED = ("completed", "failed", "cancelled")
"""States of a job in which it writes no more."""
NOT_OFFERED = frozenset({404, 405, 501})


class ImportJobs:
    """The import of one city.

    Attributes:
        offered: whether the target has one; None until it was asked.
    """

    def __init__(self, wire: Wire, at: str) -> None:
        self._wire, self._at = wire, at
        self.offered: bool | None = None

    def run(self, lines: Sequence[bytes], mode: str) -> dict[int, tuple[str, str]] | None:
        """Run one import job to its end; index of a line to (code, sentence) of its failure."""
        answer = self._wire.request(
            "POST",
            f"{self._at}/import",
            content=b"\n".join(lines) + b"\n",
            headers=NDJSON,
            params={"mode": mode},
        )
        if answer.status_code in NOT_OFFERED:
            self.offered = False
            return None
        if answer.status_code in (401, 403):
            raise target_error(
                "the key may not import into the city", where=self._at, why=" ".join(said(answer)),
                hint="auth.api_keys of the target file names the keys; one has to be allowed to write",
            )  # fmt: skip
        if answer.status_code == 413 and len(lines) > 1:
            return self._halved(lines, mode)
        if answer.status_code not in (200, 201, 202):
            code, text = said(answer)
            if len(lines) == 1:
                return {0: (code, text)}
            return self._halved(lines, mode)
        self.offered = True
        job = answer.json()
        place = answer.headers.get("location") or f"{self._at}/imports/{quote(str(job['id']), safe='')}"
        if "://" not in place:
            place = self._relative(place)
        pause, waited = POLL_S, 0.0
        while job.get("status") not in ENDED:
            self._wire.pause(pause)
            waited += pause
            pause = min(pause * 1.3, POLL_MOST_S if waited < QUICK_S else 0.5)
            answer = self._wire.request("GET", place)
            if answer.status_code != 200:
                raise target_error(
                    "an import job of the target cannot be asked for any more", where=place,
                    why=" ".join(said(answer)),
                    hint="what it did not acknowledge is sent again by dtc migrate resume",
                )  # fmt: skip
            job = answer.json()
        if job["status"] != "completed" and not job.get("errors"):
            raise target_error(
                "an import job of the target failed", where=place, why=str(job.get("message", job["status"]))
            )
        return self._failures(job, place)

    def settle(self, patience_s: float) -> bool:
        """Wait until no import of the city is at work; whether that came to be.

        A run that was killed leaves its job to the target, which goes on writing.
        """
        given_up, pause = time.monotonic() + patience_s, POLL_S
        while True:
            answer = self._wire.request("GET", f"{self._at}/imports", params={"limit": 100})
            if answer.status_code != 200:  # it lists none: nothing can be waited for
                return True
            if all(job.get("status") in ENDED for job in rows_of(answer.json())):
                return True
            if time.monotonic() > given_up:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def _relative(self, place: str) -> str:
        """A Location begins at the root of the host; requests here begin at the base."""
        marker = place.find(self._at)
        return place[marker:] if marker >= 0 else place

    def _halved(self, lines: Sequence[bytes], mode: str) -> dict[int, tuple[str, str]] | None:
        """A job that is refused as a whole is cut in two, down to the line that is to blame."""
        middle = len(lines) // 2
        failed: dict[int, tuple[str, str]] = {}
        for offset, part in ((0, lines[:middle]), (middle, lines[middle:])):
            found = self.run(part, mode)
            if found is None:
                return None
            failed.update({offset + index: told for index, told in found.items()})
        return failed

    def _failures(self, job: dict[str, Any], place: str) -> dict[int, tuple[str, str]]:
        errors = list(job.get("errors") or [])
        wanted = int((job.get("counts") or {}).get("failed", len(errors)))
        while len(errors) < wanted:
            answer = self._wire.request(
                "GET", f"{place}/errors", params={"limit": PAGE, "offset": len(errors)}
            )
            more = rows_of(answer.json()) if answer.status_code == 200 else []
            if not more:
                raise target_error(
                    "the target does not say which lines of an import failed", where=place,
                    why=f"it counts {wanted} failures and names {len(errors)}",
                )  # fmt: skip
            errors.extend(more)
        return {
            int(one["line"]) - 1: (str(one.get("code", "refused")), str(one.get("message", ""))[:300])
            for one in errors
        }


def rows_of(body: Any) -> list[dict[str, Any]]:
    """The items of a list answer: a bare array, or an object with one array (C-37)."""
    if isinstance(body, list):
        return body
    for name in ("objects", "sensors", "items", "data", "results", "errors"):
        if isinstance(body.get(name), list):
            return list(body[name])
    return next((value for value in body.values() if isinstance(value, list)), [])
