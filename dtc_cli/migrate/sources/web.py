"""HTTP to a service that data comes from: patient, bounded, and silent about its credentials."""

import email.utils
import os
import random
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import orjson

from dtc_cli import __version__
from dtc_cli.errors import DtcError
from dtc_cli.migrate.trouble import source_error

TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
PAUSE_FIRST_S, PAUSE_MOST_S = 0.2, 10.0
BIGGEST_ANSWER = 256 * 1024 * 1024
MOST_MOVES = 10
"""Redirections of one request; more of them are a circle."""
LONGEST_URL = 1800
"""Characters; beyond, servers and proxies cut a query off."""
SECRET_NAMES = frozenset(
    {"token", "key", "apikey", "api_key", "password", "pwd", "access_token", "secret", "auth"}
)
_LONG_INTEGER = re.compile(rb"\d{19}")


class Web:
    """Requests to one service.

    The credential is read from an environment variable, is sent as the service wants it, and is replaced
    by `***` in every message.

    Args:
        path: address of the service, without any credential.
        token_env: environment variable that holds the credential.
        header: header that carries it; without one, `parameter` does.
        parameter: form or query parameter that carries it.
        patience_s: how long one request is repeated.
        wait: sleeps; a test gives another.

    Raises:
        DtcError: `migration-source` for a credential in the address, and for a variable that is not set.
    """

    def __init__(
        self,
        path: str,
        *,
        token_env: str | None = None,
        header: str | None = None,
        parameter: str | None = None,
        patience_s: float = 30.0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        refuse_secrets(path)
        self.where = path
        parts = urllib.parse.urlsplit(path)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise source_error(f"{path} is no address of a web service", where=path, hint="https://host/...")
        self._origin = (parts.scheme, parts.netloc)
        self._secret = _secret(token_env, path)
        self._variable = token_env
        headers = {"User-Agent": f"dtc/{__version__}"}
        self._parameter = None
        if self._secret is not None and header is not None:
            bearer = header.lower() in ("authorization", "x-esri-authorization")
            headers[header] = f"Bearer {self._secret}" if bearer else self._secret
        elif self._secret is not None:
            self._parameter = parameter
        self._patience_s, self._wait = patience_s, wait
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        self._client = httpx.Client(timeout=httpx.Timeout(60.0), trust_env=not local, headers=headers)
        self.retries = 0

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def json(self, url: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The JSON of an answer.

        Raises:
            DtcError: `migration-source` when there is no such answer.
        """
        body = self.get(url, parameters, **options)
        try:
            return loads(body)
        except ValueError as problem:
            raise self.trouble(
                "the service answers with something that is no JSON", f"it begins {body[:80]!r}"
            ) from problem

    def get(
        self,
        url: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        accept: str = "application/json",
        form: bool = False,
    ) -> bytes:
        """The body of an answer of 200.

        Args:
            url: address, of the same origin; another origin is replaced by it, as behind a proxy.
            parameters: query parameters.
            accept: media types wanted.
            form: long queries, and those with a credential, may travel as a form.

        Raises:
            DtcError: `migration-source` when the service refuses, or is away for longer than the patience.
        """
        given = {name: str(value) for name, value in (parameters or {}).items()}
        if self._parameter is not None and self._secret is not None:
            given[self._parameter] = self._secret
        place = self._own(url)
        length = len(place) + len(urllib.parse.urlencode(given))
        as_form = form and (length > LONGEST_URL or self._parameter is not None)
        given_up = time.monotonic() + self._patience_s
        pause = PAUSE_FIRST_S
        moves = 0
        while moves <= MOST_MOVES:
            stated = None
            try:
                status, answer, body = self._once(place, given, accept, as_form)
            except httpx.TransportError as problem:
                why = f"{type(problem).__name__}: {problem}"
            else:
                if status == 200:
                    return body
                if status in (301, 302, 303, 307, 308):
                    place, moves = self._redirected(place, answer), moves + 1
                    continue
                why = f"it answers {status}: {_said(body)}"
                if status in (401, 403):
                    raise self.trouble("the service refuses access", why, self._credential_hint())
                if status not in TRY_AGAIN:
                    raise self.trouble("the service refuses a request", why)
                stated = retry_after(answer.get("retry-after", ""))
            wait = stated if stated is not None else pause * random.uniform(0.5, 1.0)
            pause = min(pause * 2, PAUSE_MOST_S)
            if time.monotonic() + wait > given_up:
                raise self.trouble("the service does not answer", why, "try again later, or ask its owner")
            self.retries += 1
            self._wait(wait)
        raise self.trouble("the service sends from one address to the next", "without an end")

    def pause(self) -> None:
        """A moment before a request is repeated that failed in an answer of status 200."""
        self.retries += 1
        self._wait(PAUSE_FIRST_S)

    def trouble(self, what: str, why: str, hint: str = "") -> DtcError:
        """An error about this service, without its credential."""
        return source_error(self.silent(what), where=self.where, why=self.silent(why)[:400], hint=hint)

    def silent(self, text: str) -> str:
        """A text without the credential."""
        if not self._secret:
            return text
        for form in (self._secret, urllib.parse.quote_plus(self._secret), urllib.parse.quote(self._secret)):
            text = text.replace(form, "***")
        return text

    def denied(self, why: str) -> DtcError:
        """The credential is missing, wrong or has expired."""
        return self.trouble("the service refuses access", why, self._credential_hint())

    def _credential_hint(self) -> str:
        if self._variable is None:
            return "options: {token_env: NAME} names the environment variable with the credential"
        return f"is the credential in {self._variable} still good?"

    def _own(self, url: str) -> str:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(self.where, url))
        return urllib.parse.urlunsplit((*self._origin, parts.path, parts.query, ""))

    def _redirected(self, place: str, answer: Mapping[str, str]) -> str:
        target = urllib.parse.urlsplit(urllib.parse.urljoin(place, answer.get("location", "")))
        if (target.scheme, target.netloc) != self._origin:
            raise self.trouble(
                "the service sends elsewhere", f"to {target.scheme}://{target.netloc}", "give that address"
            )
        return urllib.parse.urlunsplit(target)

    def _once(
        self, place: str, given: Mapping[str, str], accept: str, as_form: bool
    ) -> tuple[int, Mapping[str, str], bytes]:
        if as_form:
            request = self._client.build_request("POST", place, data=dict(given), headers={"Accept": accept})
        else:
            url = httpx.URL(place).copy_merge_params(dict(given)) if given else httpx.URL(place)
            request = self._client.build_request("GET", url, headers={"Accept": accept})
        answer = self._client.send(request, stream=True)
        try:
            parts, size = [], 0
            for part in answer.iter_bytes():
                size += len(part)
                if size > BIGGEST_ANSWER:
                    raise self.trouble(
                        "an answer of the service is too large", f"more than {BIGGEST_ANSWER} bytes",
                        "a smaller page: options: {page: 100}",
                    )  # fmt: skip
                parts.append(part)
        finally:
            answer.close()
        return answer.status_code, answer.headers, b"".join(parts)


def loads(body: bytes) -> Any:
    """JSON as values; integers of any length keep all digits."""
    if _LONG_INTEGER.search(body):
        import json

        return json.loads(body)
    return orjson.loads(body)


def refuse_secrets(path: str, options: Mapping[str, Any] | None = None) -> None:
    """A credential in an address or in options would end up in plans, journals and reports.

    Raises:
        DtcError: `migration-source`, without the credential.
    """
    parts = urllib.parse.urlsplit(path)
    names = {name.lower() for name, _ in urllib.parse.parse_qsl(parts.query)} & SECRET_NAMES
    bare = urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    given = {name for name in options or {} if name.lower() in SECRET_NAMES}
    if not (names or parts.password or given):
        return
    what = ", ".join(sorted(names | given)) or "a password"
    raise source_error(
        f"the source is given with a credential ({what})",
        where=bare,
        why="it would be written into the plan, the journal and reports",
        hint="put it into an environment variable and name that: options: {token_env: NAME}; "
        "for PostgreSQL PGPASSWORD or ~/.pgpass",
    )


def _secret(variable: str | None, path: str) -> str | None:
    if variable is None:
        return None
    value = os.environ.get(variable, "").strip()
    if not value:
        raise source_error(
            f"the environment variable {variable} is not set",
            where=path,
            why="token_env names it as the place of the credential",
            hint=f"export {variable}=...",
        )
    return value


def retry_after(text: str) -> float | None:
    """Seconds of a Retry-After header, None where it says nothing."""
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _said(body: bytes) -> str:
    return " ".join(body[:200].decode("utf-8", "replace").split())
