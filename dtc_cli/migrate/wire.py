"""HTTP to a twin, patient: Retry-After is honoured, trouble is retried with back-off and jitter."""

import random
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from dtc_cli import __version__
from dtc_cli.clients.credentials import Credentials
from dtc_cli.clients.redaction import Redactor
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.migrate.trouble import target_error

WORKERS = 12
BACK_OFF_FIRST_S = 0.2
BACK_OFF_MOST_S = 20.0
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class TargetDown(DtcError):  # noqa: N818 - the state of the target, not a mistake of ours
    """The target did not answer for longer than the patience of the run."""

    short = "the target did not answer any more"
    """How a status tells it."""


class CityLost(TargetDown):
    """The city that objects go to is gone: what it answers says nothing about the records."""

    short = "the city is gone from the target"

    def __init__(self, city: str) -> None:
        super().__init__(
            "migration-target",
            f"the city {city} is gone from the target",
            where=city,
            why="GET of the city answers 404: somebody removed it while it was written to",
            hint="repeat this when the city is there again",
            exit_code=ExitCode.CANNOT_DECIDE,
        )


class Wire:
    """Requests to the API of a target, with the key of raised allowance where there is one.

    Args:
        target: the target file.
        patience_s: how long one request is repeated before the run pauses.
        wait: sleeps; a test gives another.

    Attributes:
        waited_s: seconds that trouble cost.
        retries: requests that were made again.
    """

    def __init__(
        self, target: Target, *, patience_s: float = 60.0, wait: Callable[[float], Any] | None = None
    ) -> None:
        if target.base_url is None:
            raise target_error(
                "the target file names no REST address", where=target.where("rest.base_url"),
                hint="rest: {base_url: https://...}, or --to FILE",
            )  # fmt: skip
        credentials = Credentials(target, Redactor())
        self._base = target.base_url
        self._where = target.where("rest.base_url")
        self._halted = threading.Event()
        self.patience_s, self._wait = patience_s, wait or self._halted.wait
        headers = dict(credentials.role(credentials.usual).headers) if credentials.roles else {}
        try:
            context: Any = ssl.create_default_context(cafile=str(target.ca)) if target.ca else True
        except (OSError, ssl.SSLError) as problem:
            raise target_error(
                f"the CA file {target.ca} cannot be used", where=target.where("rest.ca"), why=str(problem)
            ) from problem
        host = urllib.parse.urlsplit(self._base).hostname or ""
        self._client = httpx.Client(
            verify=context,
            timeout=httpx.Timeout(max(target.timeout_s, 30.0)),
            trust_env=host not in ("localhost", "127.0.0.1", "::1"),
            headers={"User-Agent": f"dtc/{__version__}", "Accept": "application/json", **headers},
            limits=httpx.Limits(max_connections=WORKERS, max_keepalive_connections=WORKERS),
        )
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="migrate")
        self.waited_s = 0.0
        self.retries = 0

    def halt(self) -> None:
        """End all waiting, in every thread: who waits hears that the target is given up."""
        self._halted.set()

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            TargetDown: where all waiting was ended.
        """
        self._wait(seconds)
        if self._halted.is_set():
            raise self._down("this program stopped waiting for it")

    def close(self) -> None:
        """Close all connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str | int] | None = None,
        repeat: bool = True,
    ) -> httpx.Response:
        """One answer that is no passing trouble.

        Raises:
            TargetDown: after the patience of the run.
        """
        body = orjson.dumps(json) if json is not None else content
        media = {"Content-Type": "application/json"} if json is not None else {}
        url = path if "://" in path else self._base + path
        given_up = time.monotonic() + self.patience_s
        pause = BACK_OFF_FIRST_S
        while True:
            try:
                answer = self._client.request(
                    method, url, content=body, headers={**media, **(headers or {})}, params=params
                )
            except httpx.TransportError as problem:
                why, stated = f"{type(problem).__name__}: {problem}", None
                if not repeat and not isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout):
                    raise self._down(why) from problem
            else:
                if answer.status_code not in TRY_AGAIN:
                    return answer
                why, stated = f"it answers {answer.status_code}", _retry_after(answer)
            wait = stated if stated is not None else pause * random.uniform(0.5, 1.0)
            pause = min(pause * 2, BACK_OFF_MOST_S)
            if time.monotonic() + wait > given_up:
                raise self._down(why)
            self.waited_s += wait
            self.retries += 1
            self.pause(wait)

    def many(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of calls, made side by side, in order."""
        return list(self._pool.map(lambda call: call(), calls))

    def _down(self, why: str) -> TargetDown:
        error = target_error(
            "the target does not take requests", where=self._where, why=why,
            hint="repeat this when it answers again",
        )  # fmt: skip
        return TargetDown(
            error.code,
            error.what,
            where=error.where,
            why=error.why,
            hint=error.hint,
            exit_code=error.exit_code,
        )


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    if text:
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
        except ValueError:
            return None
    return None


def said(answer: httpx.Response) -> tuple[str, str]:
    """Code and sentence of a refusal."""
    try:
        body = answer.json()
        error = body.get("error", body)
        code = error.get("code") or error.get("title") or str(answer.status_code)
        details = error.get("details") or {}
        rule = details.get("rule") if isinstance(details, dict) else None
        return str(rule or code), str(error.get("message") or error.get("detail") or "")[:300]
    except (ValueError, AttributeError):
        return str(answer.status_code), answer.text[:200]
