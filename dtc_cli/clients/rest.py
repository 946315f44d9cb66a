"""The REST port: the only way a suite talks HTTP to a target. Every exchange is recorded."""

import ipaddress
import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dtc_cli import __version__
from dtc_cli.clients.answer import Answer, TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.credentials import Credential, Credentials
from dtc_cli.clients.headers import joined, retry_after_s
from dtc_cli.clients.recorder import Recorder
from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.target import TlsFiles
from dtc_cli.errors import DtcError

MAX_BODY_BYTES = 256 * 1024 * 1024
"""An answer that is longer counts as endless."""
MAX_ATTEMPTS = 4
LONGEST_WAIT_S = 65.0
"""A Retry-After beyond this is not waited for: one window of a minute and some slack (C-115)."""
GONE_AFTER = 3
"""So many requests in a row without an answer, each repeated as permitted, and the target counts as gone."""
ASKED_AGAIN_AFTER_S = 15.0
"""A target that is gone is asked once in this time; requests in between fail at once. Else each of some
thousand vectors would wait for its own time-outs."""
AT_ONCE = 6
"""Requests of `together` that are on their way at the same time."""
SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_JSON = "application/json"

NOTHING = object()
"""Stands for "no JSON body", since null is a JSON body too."""

Params = Mapping[str, str | int | float] | list[tuple[str, str]]


class Outgoing(NamedTuple):
    """A request on its way, with the body as sent and the name of the credential."""

    request: httpx.Request
    body: bytes
    credential: str


class Received(NamedTuple):
    """What came back, before anything was recorded of it."""

    response: httpx.Response
    content: bytes
    problem: str | None
    """What is wrong with the body, None for nothing; the content is its beginning then."""
    spki: str | None
    elapsed_s: float


class Rest:
    """HTTP below one base URL.

    Paths are relative to the base; `{city}` stands for the target's city id. Requests go out with the
    usual key unless `as_` names a role, `none`, or a `Credential`.

    Raises (all calls):
        TargetUnreachable: no connection, or no answer in time, after the permitted attempts.
        TargetMisbehaves: the target answers other requests but cuts off or never ends this one.
    """

    def __init__(
        self,
        base_url: str,
        *,
        city: str,
        credentials: Credentials,
        recorder: Recorder,
        timeout_s: float,
        ca: Path | None = None,
        certificate: TlsFiles | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url
        self.city = city
        self.origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(base_url))
        self.spki: set[str] = set()
        """SHA-256 (hex) of each server public key seen, DER SubjectPublicKeyInfo."""
        self.answered: Callable[[Answer, str], None] = lambda answer, address: None
        """Is shown each answer, with the address that was asked: what it created is to be taken back."""
        self._credentials = credentials
        self._recorder = recorder
        self._timeout_s = timeout_s
        self._wait = wait
        self._unanswered = 0
        self._silent_until = 0.0
        self._client = httpx.Client(
            verify=_tls_context(ca, certificate) if ca or base_url.startswith("https:") else True,
            timeout=httpx.Timeout(timeout_s),
            follow_redirects=False,
            trust_env=not _is_loopback(base_url),
            headers={"User-Agent": f"dtc/{__version__}", "Accept": _JSON},
        )

    def get(self, path: str, **options: Any) -> Answer:
        """GET a path; options as in `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        """POST to a path; options as in `request`."""
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        """PATCH a path; options as in `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """DELETE a path; options as in `request`."""
        return self.request("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = NOTHING,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        as_: str | Credential | None = None,
        absolute: bool = False,
        url: str | None = None,
        patient: bool = True,
    ) -> Answer:
        """Send one request and return the answer.

        Args:
            method: the HTTP method.
            path: begins with `/`, relative to the base (or to the origin, with `absolute`). Parts that
                are not plain ids must be percent-encoded by the caller (`quote`).
            params: the query; encoded with `%20` and `%2B`, so that `+` arrives as a plus sign.
            json: a value to send as `application/json`.
            content: raw bytes to send instead; give the media type in `headers`.
            headers: extra headers; they win over the defaults.
            as_: role name or credential; by default the key of raised allowance (`load`), else `admin`.
            absolute: take the path from the origin instead of the base.
            url: ask this address instead, of whatever host; the path is then not used. For the token
                endpoint, which may stand apart from the API (C-49).
            patient: repeat after 429 and network trouble as D-08 allows; False for the rate-limit checks.
        """
        outgoing = self._outgoing(
            method,
            path,
            params=params,
            json=json,
            content=content,
            headers=headers,
            as_=as_,
            absolute=absolute,
            url=url,
        )
        return self._send_patiently(outgoing, patient=patient)

    def together(self, calls: Sequence[tuple[str, str, Mapping[str, Any]]]) -> "list[Answer | Exception]":
        """Send requests that do not depend on one another, a few at a time; what became of each.

        They are recorded in the order given, and repeated as single ones are. For what makes a long way
        long, such as taking back all that a run has created.

        Args:
            calls: method, path and options of `request` (without `patient`) for each.

        Returns:
            For each its answer, or what `request` would have raised.
        """
        found: list[Answer | Exception] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for at in range(0, len(calls), AT_ONCE):
                window = [self._outgoing(*call[:2], **call[2]) for call in calls[at : at + AT_ONCE]]
                begun = [self._begin(pool, outgoing) for outgoing in window]
                for outgoing, first in zip(window, begun, strict=True):
                    try:
                        found.append(self._send_patiently(outgoing, patient=True, first=first))
                    except (TargetUnreachable, TargetMisbehaves) as problem:
                        found.append(problem)
        return found

    def _outgoing(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = NOTHING,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        as_: str | Credential | None = None,
        absolute: bool = False,
        url: str | None = None,
    ) -> Outgoing:
        chosen = self._credentials.usual if as_ is None else as_
        credential = self._credentials.role(chosen) if isinstance(chosen, str) else chosen
        address = url or (self.origin if absolute else self.base_url) + path.replace("{city}", self.city)
        if params:
            address += "?" + _query(params)
        body = content if json is NOTHING else orjson.dumps(json)
        media = {"Content-Type": _JSON} if body else {}
        request = self._client.build_request(
            method, address, content=body or None, headers={**media, **credential.headers, **(headers or {})}
        )
        return Outgoing(request, body, credential.name)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _begin(self, pool: ThreadPoolExecutor, outgoing: Outgoing) -> "Future[Received] | None":
        """Begin to send; None where nothing is sent ahead of its turn."""
        gone = self._unanswered >= GONE_AFTER
        return None if gone else pool.submit(self._exchange, outgoing)

    def _send_patiently(
        self, outgoing: Outgoing, *, patient: bool, first: "Future[Received] | None" = None
    ) -> Answer:
        gone = self._unanswered >= GONE_AFTER
        if gone and time.monotonic() < self._silent_until:
            raise TargetUnreachable(f"{self.origin} does not answer; it is asked again every so often")
        tries = 0
        while True:
            tries += 1
            last_try = gone or not patient or tries >= MAX_ATTEMPTS
            try:
                answer = self._send(outgoing, first if tries == 1 else None)
                self._unanswered = 0
            except httpx.TransportError as problem:
                event = self._record(outgoing, error=f"{type(problem).__name__}: {problem}")
                never_sent = isinstance(
                    problem, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
                )
                if last_try or not (never_sent or outgoing.request.method in SAFE_TO_REPEAT):
                    raise self._diagnose(problem, outgoing, event, never_sent=never_sent) from problem
                self._recorder.repeated(event=event, reason=type(problem).__name__)
                self._wait(min(0.2 * 2**tries, 2.0))
                continue
            pause = retry_after_s(answer, self._time())
            if answer.status != 429 or last_try or pause > LONGEST_WAIT_S:
                return answer
            self._recorder.repeated(event=answer.event, reason="429", waitedMs=int(pause * 1000))
            self._wait(pause)

    def _time(self) -> float:
        return time.time()

    def _send(self, outgoing: Outgoing, first: "Future[Received] | None" = None) -> Answer:
        """Send and record; `first` is an exchange that was begun already."""
        found = first.result() if first is not None else self._exchange(outgoing)
        response = found.response
        if found.spki:
            self.spki.add(found.spki)
        event = self._record(
            outgoing, response=response, content=found.content, spki=found.spki, error=found.problem
        )
        url = self._recorder.redactor.text(str(outgoing.request.url))
        if found.problem:
            raise TargetMisbehaves(f"{outgoing.request.method} {url}: {found.problem}", event)
        answer = Answer(
            event=event,
            method=outgoing.request.method,
            url=url,
            status=response.status_code,
            headers=joined(response.headers),
            body=found.content,
            sent=outgoing.body,
            credential=outgoing.credential,
            elapsed_s=found.elapsed_s,
        )
        self.answered(answer, str(outgoing.request.url))
        return answer

    def _exchange(self, outgoing: Outgoing) -> Received:
        """Send and read the answer; nothing is recorded, so several threads may be in here."""
        started = time.monotonic()
        response = self._client.send(outgoing.request, stream=True)
        received, problem, spki = bytearray(), None, None
        try:
            for chunk in response.iter_bytes():
                received += chunk
                if problem := self._endless(len(received), time.monotonic() - started):
                    break
            spki = _server_key(response)
        except httpx.DecodingError as trouble:
            problem = f"the content coding is broken: {trouble}"
        finally:
            response.close()
        content = bytes(received if problem is None else received[:4096])
        return Received(response, content, problem, spki, time.monotonic() - started)

    def _endless(self, size: int, elapsed_s: float) -> str | None:
        if size > MAX_BODY_BYTES:
            return f"the body is longer than {MAX_BODY_BYTES} bytes"
        if elapsed_s > max(60.0, 6 * self._timeout_s):
            return f"the body did not end within {elapsed_s:.0f} s"
        return None

    def _record(
        self,
        outgoing: Outgoing,
        *,
        response: httpx.Response | None = None,
        content: bytes = b"",
        spki: str | None = None,
        error: str | None = None,
    ) -> int:
        redactor, request = self._recorder.redactor, outgoing.request
        return self._recorder.event(
            "http",
            method=request.method,
            url=redactor.text(str(request.url)),
            reqHeaders=redactor.headers(request.headers.multi_items()),
            reqDigest=self._recorder.body(outgoing.body),
            reqSize=len(outgoing.body),
            status=response.status_code if response else None,
            respHeaders=redactor.headers(response.headers.multi_items()) if response else {},
            respDigest=self._recorder.body(content),
            respSize=len(content),
            tlsSpki=spki,
            error=redactor.text(error) if error else None,
            credential=outgoing.credential,
        )

    def _diagnose(self, problem: Exception, outgoing: Outgoing, event: int, *, never_sent: bool) -> Exception:
        """Tell a target that is gone from one that is there and only drops this request."""
        shown = self._recorder.redactor.text(str(outgoing.request.url))
        text = str(problem) or type(problem).__name__
        self._unanswered += 1
        self._silent_until = time.monotonic() + ASKED_AGAIN_AFTER_S
        if not never_sent:
            try:
                probe = self._client.build_request("GET", f"{self.base_url}/cities/{self.city}")
                self._send(Outgoing(probe, b"", "none"))
            except (httpx.TransportError, TargetMisbehaves):
                return TargetUnreachable(f"no answer from {shown}: {text}")
            return TargetMisbehaves(
                f"{shown} was cut off without an answer ({text}), other requests work", event
            )
        return TargetUnreachable(f"no answer from {shown}: {text}")


def _server_key(response: httpx.Response) -> str | None:
    """SHA-256 (hex) of the server's public key, None without TLS."""
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream else None
    certificate = tls.getpeercert(True) if tls else None
    if not certificate:
        return None
    key = x509.load_der_x509_certificate(certificate).public_key()
    return sha256_hex(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def quote(part: str) -> str:
    """One path segment, percent-encoded in full."""
    return urllib.parse.quote(part, safe="")


def _query(params: Params) -> str:
    pairs = params.items() if isinstance(params, Mapping) else params
    texts = [(name, str(value)) for name, value in pairs]
    return urllib.parse.urlencode(texts, quote_via=urllib.parse.quote, safe=",:.*[]")


def _tls_context(ca: Path | None, own: TlsFiles | None = None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if own is not None and own.cert and own.key:
            context.load_cert_chain(own.cert, own.key)
        return context
    except (OSError, ssl.SSLError) as problem:
        raise DtcError(
            "tls-ca",
            f"the CA file {ca} cannot be used",
            where="rest.ca",
            why=problem.strerror or str(problem) if isinstance(problem, OSError) else str(problem),
            hint="a PEM file with the certificates of the authorities that signed the server's",
        ) from problem


def _is_loopback(url: str) -> bool:
    """Whether the host is this machine: a proxy of the environment is never asked for it."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
