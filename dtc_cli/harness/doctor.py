"""The preflight: whether the target is there, the keys work and the run can do what the level needs.

Doctor tells a mistake in the set-up from a fault of the target. Only the first kind turns it red; what a
suite judges is left to the suite.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.clients.answer import Answer, TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.documents import files
from dtc_cli.clients.headers import http_date
from dtc_cli.clients.rest import quote
from dtc_cli.clients.validator import ValidatorFailed
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.catalogue import load as catalogue
from dtc_cli.core.model import LEVELS, Level, Strength
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness import doctor_live as live
from dtc_cli.harness.checks import Check
from dtc_cli.harness.outcomes import VectorOutcome
from dtc_cli.harness.scratch import object_id
from dtc_cli.harness.twin import Twin

MAX_SKEW_S = 300
"""Beyond this the target's instants cannot be judged (DTC-P2-094 allows five minutes)."""
LESSER = ("viewer", "operator", "device", "other_city", "limited")
"""Roles with fewer rights than an administrator of the city."""
_PROBE = b'{"version": "1.0.0"}'


class Diagnosis(msgspec.Struct, frozen=True):
    """All checks, and what they learned about the target."""

    checks: tuple[Check, ...]
    fingerprint: dict[str, Any]
    skew_ms: int | None
    """Target clock minus ours in milliseconds, 0 within the second that a Date header resolves."""

    @property
    def red(self) -> Check | None:
        """The first failed check."""
        return next((check for check in self.checks if check.status == "fail"), None)


def examine(target: Target, level: Level, tell: Callable[[Check], None] = lambda _check: None) -> Diagnosis:
    """Run all checks that the level needs; each is told as soon as it is known."""
    checks: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="dtc-doctor-") as folder:
        examination: _Examination | None = None
        try:
            for check in (*_claims(target), *needs(target, level)):
                _add(check, checks, tell)
            examination = _Examination(target, level, Path(folder))
            for check in examination.run():
                _add(check, checks, tell)
        except DtcError as error:
            _add(Check("credentials", "fail", error.what, error.hint, error.where), checks, tell)
        finally:
            if examination is not None:
                examination.twin.close()
        fingerprint = examination.fingerprint() if examination else {}
        skew_ms = examination.skew_ms if examination else None
    return Diagnosis(tuple(checks), fingerprint, skew_ms)


def refuse(diagnosis: Diagnosis) -> None:
    """Stop when the preflight is red.

    Raises:
        DtcError: with exit code 7, naming the first red check.
    """
    red = diagnosis.red
    if red is not None:
        raise DtcError(
            red.check.replace(" ", "-"),
            red.detail,
            where=red.where,
            why="nothing can be decided about the target before this works",
            hint=red.hint,
            exit_code=ExitCode.USAGE if red.check == "profile" else ExitCode.CANNOT_DECIDE,
        )


def needs(target: Target, level: Level) -> Iterator[Check]:
    """Whether the target file has what the level needs (`levels.yaml`, D-10)."""
    levels = catalogue().levels.levels
    for name in LEVELS[: level.rank]:
        for need in levels[name].needs:
            if not any(all(_given(target, key) for key in keys) for keys in need.any_of):
                missing = " or ".join(" with ".join(keys) for keys in need.any_of)
                yield Check(
                    "target file",
                    "fail",
                    f"{name} needs {missing}: {need.why}",
                    "dtc init shows each key",
                    target.source,
                )
        for want in levels[name].wants:
            if not _given(target, want.key):
                shown = ", ".join(want.requirements[:4]) + " ..." * (len(want.requirements) > 4)
                yield Check("target file", "warn", f"no {want.key}: {want.why} ({shown})", "", target.source)


def _claims(target: Target) -> Iterator[Check]:
    """What the target file claims, as far as it can be seen to be wrong or to cost the level."""
    if "read" not in target.hazards:
        detail = "hazards do not allow reading, so nothing can be judged"
        yield Check("hazards", "fail", detail, "hazards: [read, write]", target.where("hazards"))
    requirements = catalogue().requirements
    for name in target.excluded:
        where = target.where(f"profile.excluded.{name}")
        if name not in requirements:
            yield Check("profile", "fail", f"the profile excludes {name}, which is no requirement", "", where)
        elif requirements[name].strength is Strength.MUST and not requirements[name].excusable:
            level = requirements[name].level
            detail = (
                f"the profile excludes {name}, a MUST without a condition: {level} cannot be reached (D-01)"
            )
            yield Check("profile", "warn", detail, "", where)
    if target.sbom is not None and not target.sbom.is_file():
        yield Check(
            "sbom", "fail", f"there is no file {target.sbom}", "sbom: names a file", target.where("sbom")
        )


def _given(target: Target, key: str) -> bool:
    section, _, name = key.partition(".")
    if section == "hazards":
        return name in target.hazards
    return key in target.lines or (key == "other_city.id" and target.other_city is not None)


def _add(check: Check, checks: list[Check], tell: Callable[[Check], None]) -> None:
    checks.append(check)
    tell(check)


class _Examination:
    """The checks that touch the target."""

    def __init__(self, target: Target, level: Level, folder: Path) -> None:
        self.target = target
        self.level = level
        self.skew_ms: int | None = None
        self._server: str | None = None
        self._openapi: str | None = None
        run = {
            "runId": "00000000-0000-7000-8000-000000000000",
            "seed": 0,
            "nonce": "",
            "standard": {"catalogueDigest": ""},
            "profile": {"digest": ""},
            "clock": {},
        }
        self.twin = Twin(target, run, folder)

    def run(self) -> Iterator[Check]:
        yield Check("credentials", "ok", f"{len(self.twin.credentials.roles)} keys resolved")
        if self.target.documents:
            yield self._documents()
        if self.twin.validator.offered:
            yield self._validator()
        if self.twin.has_rest:
            reachable = self._reach()
            yield reachable
            if reachable.status != "fail":
                yield self._clock()
                yield from self._roles()
                yield self._limits()
                if self.level.rank >= Level.SILVER.rank:
                    yield self._write()
        if self.level.rank >= Level.GOLD.rank:
            yield from live.checks(self.twin)

    def fingerprint(self) -> dict[str, Any]:
        """Server keys, Server header and OpenAPI digest, as far as they were seen."""
        spki = sorted(self.twin.rest.spki) if self.twin.has_rest else []
        return {"tlsSpki": spki, "server": self._server, "openapi": self._openapi}

    def _documents(self) -> Check:
        found = files(self.target)
        where = self.target.where("documents")
        if not found:
            return Check("documents", "fail", "no file matches documents:", "check the patterns", where)
        unreadable = [file.name for file in found if not _readable(file)]
        if unreadable:
            return Check("documents", "fail", f"{unreadable[0]} cannot be read", "check its rights", where)
        return Check("documents", "ok", f"{len(found)} files")

    def _validator(self) -> Check:
        where = self.target.where("validator")
        try:
            started = time.monotonic()
            answer = self.twin.validator.check(_PROBE)
            took = time.monotonic() - started
        except ValidatorFailed as problem:
            return Check("validator", "fail", str(problem), "run the command by hand on a file", where)
        value = answer.json()
        if not isinstance(value, dict) or not isinstance(value.get("valid"), bool):
            said = answer.output[:200].decode("utf-8", "backslashreplace") or answer.notes[-200:]
            return Check(
                "validator",
                "fail",
                f"the validator does not answer with JSON that has a boolean valid, but with: {said!r}",
                'print {"valid": false, "errors": [{"code": "...", "pointer": "/...", "message": "..."}]}',
                where,
            )
        listed = value.get("errors")
        errors = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        if any(not isinstance(one.get("pointer"), str) for one in errors):
            return Check(
                "validator",
                "warn",
                "the validator's errors name no place: a pointer is missing",
                'give each error a pointer, "/cityObjects/0/geometry" for example; "" is the whole record',
                where,
            )
        return Check("validator", "ok", f"answers in {took * 1000:.0f} ms")

    def _reach(self) -> Check:
        where = self.target.where("rest.base_url")
        base = self.twin.rest.base_url
        try:
            answer = self.twin.rest.get("/cities/{city}", as_="admin")
        except TargetUnreachable as problem:
            return Check("target-unreachable", "fail", str(problem), _reach_hint(str(problem)), where)
        except TargetMisbehaves as problem:
            return Check("target-misbehaves", "fail", str(problem), "is this an HTTP API?", where)
        except KeyError:
            return Check("credentials", "fail", "no admin key is given", "auth.api_keys.admin", where)
        self._server = answer.headers.get("server")
        self.skew_ms = _skew_ms(answer)
        if answer.status >= 500 and self._dead():
            said = f"the target answers {answer.status} to all that was asked: {answer.excerpt(120)}"
            hint = "read the log of the server; a fault in one place alone is left to the suites"
            return Check("target-misbehaves", "fail", said, hint, where)
        return self._reached(answer, base, where)

    def _reached(self, answer: Answer, base: str, where: str) -> Check:
        if answer.status in (401, 403):
            return Check(
                "admin key",
                "fail",
                f"the admin key is refused with {answer.status}: {answer.excerpt(120)}",
                "check auth.api_keys.admin; the key travels in the header X-API-Key",
                self.target.where("auth.api_keys.admin"),
            )
        if not answer.is_json and answer.status < 500:
            return self._no_json(answer, where)
        if answer.ok and answer.is_json and not _is_city(answer.json()):
            return Check(
                "target answer",
                "fail",
                f"GET /cities/{self.target.city} answers {answer.status} with something that is no city: "
                f"{answer.excerpt(160)}",
                "check rest.base_url and city; an error must not come with a 2xx status (P2 9.1)",
                where,
            )
        if answer.status == 404:
            return Check(
                "city",
                "fail",
                f"the target does not know the city {self.target.city}",
                "check city: and rest.base_url",
                self.target.where("city"),
            )
        if 300 <= answer.status < 400:
            moved = answer.headers.get("location", "elsewhere")
            return Check("target answer", "fail", f"{base} redirects to {moved}", "use that address", where)
        status = "ok" if answer.ok else "warn"
        return Check("target", status, f"GET /cities/{self.target.city} answers {answer.status}")

    def _no_json(self, answer: Answer, where: str) -> Check:
        base, kind = self.twin.rest.base_url, answer.media_type or "no media type"
        if kind == "application/json" or kind.endswith("+json"):
            said = f"{base} answers {answer.status} with a body that is not valid JSON: {answer.excerpt(120)}"
            return Check("target answer", "fail", said, "is the body cut off, or written by hand?", where)
        hint = "base_url is the API's base that ends in /digital-twin-city/v1, not a web page or a proxy"
        said = f"{base} answers {answer.status} with {kind}, not with JSON"
        return Check("target answer", "fail", said, hint, where)

    def _dead(self) -> bool:
        """Whether the lists of objects and of sensors fail too, not the description of the city alone."""
        try:
            asked = [
                self.twin.rest.get(f"/cities/{{city}}/{what}?limit=1", as_="admin")
                for what in ("objects", "sensors")
            ]
        except (TargetUnreachable, TargetMisbehaves):
            return True
        return all(answer.status >= 500 for answer in asked)

    def _clock(self) -> Check:
        if self.skew_ms is None:
            return Check("clock", "warn", "the target sends no Date header: its clock is taken as ours")
        seconds = self.skew_ms / 1000
        if abs(seconds) > MAX_SKEW_S:
            return Check("clock", "fail", f"the target's clock is {seconds:+.0f} s off", "set both by NTP")
        return Check("clock", "ok" if abs(seconds) <= 60 else "warn", f"target clock {seconds:+.1f} s")

    def _roles(self) -> Iterator[Check]:
        secrets = self.twin.credentials.secrets
        for role in self.twin.credentials.roles:
            if role == "admin":
                continue
            if role in LESSER and secrets[role] == secrets.get("admin"):
                status = "fail" if self.level.rank >= Level.SILVER.rank else "warn"
                yield Check(
                    f"{role} key",
                    status,
                    f"the {role} key is the admin key: what the {role} may not do cannot be told",
                    f"give auth.api_keys.{role} a key of its own, or leave the line out",
                    self.target.where(f"auth.api_keys.{role}"),
                )
                continue
            # A key of another city only is asked about there: what it may do here is left to the suites.
            elsewhere = self.target.other_city if role == "other_city" else None
            path = f"/cities/{quote(elsewhere)}" if elsewhere else "/cities/{city}"
            try:
                answer = self.twin.rest.get(path, as_=role)
            except (TargetUnreachable, TargetMisbehaves) as problem:
                yield Check(f"{role} key", "warn", str(problem))
                continue
            where = self.target.where(f"auth.api_keys.{role}")
            if answer.status == 401:
                yield Check(f"{role} key", "fail", f"the {role} key is unknown (401)", "check the key", where)
            else:
                yield Check(f"{role} key", "ok", f"GET /cities answers {answer.status}")

    def _limits(self) -> Check:
        answer = self.twin.rest.get("/openapi.json", absolute=True)
        if answer.ok and answer.is_json:
            try:
                self._openapi = sha256_hex(canonical_json(answer.json()))
            except ValueError:
                # RFC 8785 has no form for integers beyond 2^53; the bytes themselves are recognised then.
                self._openapi = sha256_hex(answer.body)
        # A description that is open to all counts nobody's requests; an answer from the city does.
        counted = self.twin.rest.get("/cities/{city}")
        limit = next(
            (found for one in (counted, answer) if (found := one.headers.get("x-ratelimit-limit"))), None
        )
        return Check("allowance", "ok", f"{limit} requests per window" if limit else "none advertised")

    def _write(self) -> Check:
        if "write" not in self.target.hazards:
            return Check("write", "skipped", "the target file does not allow the hazard write")
        for role in dict.fromkeys((self.twin.credentials.usual, "admin")):
            try:
                answer = self.twin.scratch.post(self.twin.scratch.body(), as_=role)
            except (TargetUnreachable, TargetMisbehaves, VectorOutcome) as problem:
                return Check("write", "warn", f"no object could be created: {problem}")
            if object_id(answer) is None:
                return self._not_created(role, answer)
            if self.twin.scratch.clean():
                return Check("write", "warn", "could not delete")
        return Check("write", "ok", "created and deleted")

    def _not_created(self, role: str, answer: Answer) -> Check:
        """The target may be wrong, which the suites judge, or the target file."""
        hint = ""
        if answer.status in (401, 403):
            hint = f"if that key is not meant to write, auth.api_keys.{role} is the wrong one"
        said = f"creating an object with the {role} key answers {answer.status}: {answer.excerpt(120)}"
        return Check("write", "warn", said, hint, self.target.where(f"auth.api_keys.{role}"))


def _is_city(value: object) -> bool:
    """Whether this can be the answer to GET /cities/{cityId}; what exactly it holds is left to the suites."""
    return (
        isinstance(value, dict)
        and set(value) != {"error"}
        and bool({"cityId", "bounds", "name"} & set(value))
    )


def _readable(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            stream.read(1)
    except OSError:
        return False
    return True


def _reach_hint(problem: str) -> str:
    text = problem.lower()
    if "wrong_version_number" in text or "record layer failure" in text:
        return "the port speaks no TLS: write http:// in rest.base_url, or the port that does"
    if "certificate" in text or "ssl" in text or "tls" in text:
        return "the TLS certificate is not accepted: give rest.ca, or use the host name that stands in it"
    if "refused" in text:
        return "nothing listens there: start the twin, or check host and port in rest.base_url"
    if "name or service" in text or "getaddrinfo" in text or "nodename" in text or "resolution" in text:
        return "the host name cannot be resolved: check rest.base_url"
    return "check rest.base_url, firewalls and rest.timeout_s"


def _skew_ms(answer: Answer) -> int | None:
    """Target clock minus ours. A Date header has whole seconds: a difference within 2 s counts as none."""
    try:
        date = http_date(answer.headers.get("date", ""))
    except ValueError:
        return None
    skew = (date - datetime.now(UTC)).total_seconds() + 0.5
    return 0 if abs(skew) <= 2 else int(skew * 1000)
