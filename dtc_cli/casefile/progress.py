"""How far a case is: each step done, open or not needed, and exactly what is missing."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from dtc_cli.casefile import case
from dtc_cli.casefile.case import CERTIFICATES, PACKAGES, Item, Registration, Signed, Step
from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError, as_word
from dtc_cli.registry import credential, jws
from dtc_cli.signing import statement, verify
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.trust import Trust


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a case."""

    step: str
    title: str
    state: str
    """`done`, `open` or `not needed`."""
    done: tuple[str, ...]
    missing: tuple[str, ...]


def progress(folder: Path, policy: Path, trust: Trust, now: datetime) -> tuple[Progress, ...]:
    """The seven steps of a case, judged by the policy of whoever asks.

    Raises:
        DtcError: `not-a-case`, or when the policy cannot be used.
    """
    registration = case.read(folder)
    found, wrong = case.marks(folder)
    made = []
    for step in case.steps():
        done: list[str] = []
        missing: list[str] = []
        for item in step.items:
            if item.least.rank <= registration.level.rank:
                said = _marked(item, found.get(item.id), trust)
                (missing if said else done).append(f"{item.id}: {said or item.text}")
        if step.step == "testing":
            missing.extend(_tested(folder, registration, policy, done))
        if step.step == "certification":
            missing.extend(_certified(folder, registration, trust, now, done))
        if step.step == "registration":
            missing.extend(wrong)
        made.append(_judged(step, registration, done, missing))
    return tuple(made)


def _judged(step: Step, registration: Registration, done: list[str], missing: list[str]) -> Progress:
    needed = step.step in ("testing", "certification") or any(
        item.least.rank <= registration.level.rank for item in step.items
    )
    state = "open" if missing else "done" if needed else "not needed"
    return Progress(step=step.step, title=step.title, state=state, done=tuple(done), missing=tuple(missing))


def _marked(item: Item, signed: Signed | None, trust: Trust) -> str:
    """What a mark lacks; empty when it holds."""
    if signed is None:
        return f"not confirmed yet ({item.who}): {item.text}"
    if signed.mark.answer == "no":
        return f"{signed.mark.by} says no: {signed.mark.note or item.text}"
    if trust.revocation(signed.keyid) is not None or not any(
        key.role == item.who for key in trust.of(signed.keyid)
    ):
        return f"signed by key {signed.keyid[:16]}, which is not trusted as {item.who}"
    return ""


def _tested(folder: Path, registration: Registration, policy: Path, done: list[str]) -> Iterator[str]:
    packages = sorted((folder / PACKAGES).glob("*.dtcpack.tar.gz"))
    if not packages:
        yield f"no package: dtc case add {as_word(folder)} PACKAGE --as package"
    reasons = []
    for package in packages:
        result = verify.verify(package, policy, registration.level, ask_registry=False)
        target = result.summary.get("target", {})
        if result.exit_code:
            first = next(check for check in result.checks if check.code is result.exit_code)
            reasons.append(f"{package.name}: {first.name}: {first.reason}")
        elif (target["name"], target["version"]) != (registration.product, registration.version):
            reasons.append(f"{package.name}: it is of {target['name']} {target['version']}")
        elif target["city"] != registration.city:
            reasons.append(f"{package.name}: it is of the city {target['city']}")
        else:
            done.append(f"{package.name} bears out {registration.level}")
            return
    yield from reasons


def _certified(
    folder: Path, registration: Registration, trust: Trust, now: datetime, done: list[str]
) -> Iterator[str]:
    files = sorted((folder / CERTIFICATES).glob("*.vc.jwt"))
    if not files:
        yield f"no certificate: dtc case add {as_word(folder)} certificate.vc.jwt --as certificate"
    reasons = []
    for file in files:
        try:
            token = file.read_text(encoding="utf-8").strip()
            keyid = jws.read(token, credential.TYPE).keyid
            keys = [key.public for key in trust.of(keyid) if key.public and key.role == "registry"]
            if not keys or trust.revocation(keyid) is not None:
                raise Refusal("its key is not trusted as registry")
            payload, facts = credential.verify(token, keys[0])
            if (facts.product, facts.version) != (registration.product, registration.version):
                raise Refusal(f"it is of {facts.product} {facts.version}")
            if facts.city != registration.city:
                raise Refusal(f"it is of the city {facts.city}")
            if facts.level.rank < registration.level.rank or facts.level is Level.NONE:
                raise Refusal(f"it is for {facts.level}")
            if now >= statement.instant(payload["validUntil"]):
                raise Refusal(f"it expired on {payload['validUntil'][:10]}")
        except (Refusal, OSError, UnicodeDecodeError, DtcError) as problem:
            reasons.append(f"{file.name}: {problem}")
        else:
            done.append(f"{file.name} until {payload['validUntil'][:10]}")
            return
    yield from reasons
