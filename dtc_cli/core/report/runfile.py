"""`run.json` and event lines as typed facts; a member of the wrong type is named, not met by a traceback."""

from typing import Annotated, Any

import msgspec

from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError

Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""Integers as JSON carries them everywhere (RFC 8785)."""


class _Facts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Members that a run may lack have defaults: a killed or an older run is still readable."""


class Tool(_Facts, frozen=True, kw_only=True):
    """The program that made the run."""

    name: str = ""
    version: str = ""


class Standard(_Facts, frozen=True, kw_only=True):
    """The standard that the run judged against."""

    id: str = ""
    version: str = ""
    catalogue_digest: str = ""


class Suite(_Facts, frozen=True, kw_only=True):
    """The tests that the run used."""

    version: str = ""
    digest: str = ""
    dirty: bool = False


class Fingerprint(_Facts, frozen=True, kw_only=True):
    """What the target showed of itself."""

    tls_spki: tuple[str, ...] = ()
    server: str | None = None
    openapi: str | None = None


class TargetFacts(_Facts, frozen=True, kw_only=True):
    """The target as its file described it."""

    name: str = ""
    vendor: str = ""
    version: str = ""
    city: str = ""
    base_url: str | None = None
    stream_url: str | None = None
    mqtt_url: str | None = None
    documents: tuple[str, ...] = ()
    validator: bool = False
    fingerprint: Fingerprint = Fingerprint()


class Profile(_Facts, frozen=True, kw_only=True):
    """What the product leaves out, allows and declares."""

    excluded: dict[str, str] = {}
    hazards: tuple[str, ...] = ()
    declares: dict[str, Any] = {}
    digest: str = ""


class LevelFacts(_Facts, frozen=True, kw_only=True):
    """The level that was asked for."""

    claimed: Level = Level.BRONZE


class Selection(_Facts, frozen=True, kw_only=True):
    """Whether all tests of the level were run."""

    complete: bool = True
    expression: str | None = None
    compulsory: dict[str, Whole] = {}
    """Of a part: level to the number of all its compulsory requirements, those below it included."""


class Clock(_Facts, frozen=True, kw_only=True):
    """The clocks of the run."""

    source: str = ""
    monotonic_ms: Whole | None = None
    target_skew_ms: Whole | None = None


class Environment(_Facts, frozen=True, kw_only=True):
    """The machine that judged."""

    python: str = ""
    platform: str = ""


class ChainFacts(_Facts, frozen=True, kw_only=True):
    """The end of the event chain."""

    count: Whole = 0
    head: str = ""


class DoctorLine(_Facts, frozen=True, kw_only=True):
    """One finding of the preflight."""

    check: str = ""
    status: str = ""
    detail: str = ""


class RunFile(_Facts, frozen=True, kw_only=True):
    """`run.json`, format 1."""

    run_id: str = ""
    status: str = "running"
    mode: str = "self-assessment"
    tool: Tool = Tool()
    standard: Standard = Standard()
    suite: Suite = Suite()
    target: TargetFacts = TargetFacts()
    profile: Profile = Profile()
    level: LevelFacts = LevelFacts()
    seed: int = 0
    nonce: str = ""
    selection: Selection = Selection()
    started_at: str = ""
    finished_at: str | None = None
    clock: Clock = Clock()
    environment: Environment = Environment()
    events: ChainFacts | None = None
    drift: tuple[str, ...] = ()
    """TLS keys that the target showed during the run and not at its beginning."""
    doctor: tuple[DoctorLine, ...] = ()


class Event(_Facts, frozen=True, kw_only=True):
    """One line of `events.jsonl`."""

    seq: Whole
    t_utc: str = ""
    vector: str | None = None
    kind: str = "http"
    method: str | None = None
    url: str | None = None
    req_headers: dict[str, str] | None = None
    req_digest: str | None = None
    req_size: Whole | None = None
    status: Whole | None = None
    resp_headers: dict[str, str] | None = None
    resp_digest: str | None = None
    resp_size: Whole | None = None
    error: str | None = None
    credential: str | None = None
    text: str | None = None
    value: str | None = None
    """What the run's clock showed, for the kind `clock`."""


def parse_run(data: Any, folder: str) -> RunFile:
    """The facts of `run.json`.

    Raises:
        DtcError: `run-damaged` when a member has the wrong type.
    """
    try:
        return msgspec.convert(clean(data), RunFile)
    except (msgspec.MsgspecError, ValueError) as problem:
        raise damaged(folder, f"run.json: {problem}") from problem


def parse_event(data: Any, folder: str) -> Event:
    """One event.

    Raises:
        DtcError: `run-damaged` when a member is missing or has the wrong type.
    """
    try:
        return msgspec.convert(clean(data), Event)
    except (msgspec.MsgspecError, ValueError) as problem:
        raise damaged(folder, f"events.jsonl: {problem}") from problem


def damaged(folder: str, why: str) -> DtcError:
    """The error for a run folder whose files are not what a run writes."""
    return DtcError(
        "run-damaged",
        "the run folder cannot be read",
        where=folder,
        why=why,
        hint="a file in it was changed after the run; use the original folder or the signed package",
    )


def clean(value: Any) -> Any:
    """The JSON value with lone surrogates, which no UTF-8 file can hold, spelt out as escapes."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value


def clean_text(text: str) -> str:
    """The text with lone surrogates spelt out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
