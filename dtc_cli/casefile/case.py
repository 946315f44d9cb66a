"""A case as a folder: `case.json`, documents, packages, certificates, and signed marks of people."""

import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import yaml

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError, as_word
from dtc_cli.paths import PACKAGE
from dtc_cli.signing import attestation, dsse, public_keys, statement, strict_json
from dtc_cli.signing.attestation import Digest
from dtc_cli.signing.dsse import Signer
from dtc_cli.signing.evidence import Instant, typed
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError
from dtc_cli.signing.refusal import Refusal

CASE, MARKS, DOCUMENTS, PACKAGES, CERTIFICATES = "case.json", "marks", "documents", "packages", "certificates"
PREDICATE = "urn:dtc:attestation:check-mark:v1"
MAX_BYTES = 64 * 1024

Words = Annotated[str, msgspec.Meta(max_length=2000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Closed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Registration(_Closed, frozen=True, kw_only=True):
    """`case.json`: who asks for what."""

    dtc_case: Literal[1]
    id: Name
    level: Level
    product: Name
    version: Name
    vendor: Name
    city: Name
    contact: Name
    opened_at: Instant


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that a person confirms."""

    id: str
    who: str
    least: Level = msgspec.field(name="from")
    text: str
    document: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the seven steps."""

    step: str
    title: str
    items: tuple[Item, ...]


class Mark(_Closed, frozen=True, kw_only=True):
    """The predicate of a check mark."""

    item: Name
    answer: Literal["yes", "no"]
    by: Name
    note: Words
    at: Instant
    document: Digest | None
    """The file that was looked at, where the item asks for one."""
    public_key_pem: Words
    """The signer's key, for convenience: whom to believe is the reader's business."""


class _Subject(_Closed, frozen=True, kw_only=True):
    name: Literal["case.json"]
    digest: Digest


class _Statement(_Closed, frozen=True, kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[tuple[_Subject, ...], msgspec.Meta(min_length=1, max_length=1)]
    predicate_type: Literal["urn:dtc:attestation:check-mark:v1"]
    predicate: Mark


class Signed(NamedTuple):
    """A mark that was read, with the id of the key that signed it."""

    mark: Mark
    keyid: str


@cache
def steps() -> tuple[Step, ...]:
    """The seven steps with their items."""
    data = yaml.safe_load((PACKAGE / "casefile" / "checklist.yaml").read_bytes())
    return msgspec.convert(data, tuple[Step, ...])


def item(name: str) -> Item:
    """An item of the checklist.

    Raises:
        DtcError: `usage` when there is none of that name.
    """
    for step in steps():
        for each in step.items:
            if each.id == name:
                return each
    names = ", ".join(each.id for step in steps() for each in step.items)
    raise DtcError("usage", f"the checklist has no item {name}", where=name, hint=f"one of: {names}")


def create(folder: Path, registration: Registration) -> None:
    """Open a case.

    Raises:
        DtcError: `case-exists`, `not-written`.
    """
    if (folder / CASE).exists():
        raise DtcError("case-exists", f"there is a case in {folder} already", where=str(folder))
    value = json.dumps(msgspec.to_builtins(registration), indent=2, ensure_ascii=False).encode() + b"\n"
    for name in (MARKS, DOCUMENTS, PACKAGES, CERTIFICATES):
        _make(folder / name)
    write(folder / CASE, value)


def read(folder: Path) -> Registration:
    """The registration of a case.

    Raises:
        DtcError: `not-a-case`.
    """
    try:
        data = (folder / CASE).read_bytes()
        return typed(strict_json.parse(data, CASE), CASE, Registration)
    except (OSError, Refusal) as problem:
        raise DtcError(
            "not-a-case",
            f"{folder} is no case",
            where=str(folder / CASE),
            why=str(problem),
            hint="dtc case init opens one",
        ) from problem


def mark(folder: Path, name: str, answer: Literal["yes", "no"], by: str, note: str, signer: Signer) -> Path:
    """Sign a check mark; an earlier one of the same item is replaced.

    Raises:
        DtcError: `usage` for an unknown item, `document-missing` when the item asks for a document that the
            case does not hold.
    """
    read(folder)
    wanted = item(name)
    document = _document(folder, wanted)
    if wanted.document and document is None and answer == "yes":
        raise DtcError(
            "document-missing",
            f"{name} is about a document that is not in the case",
            where=str(folder / DOCUMENTS),
            hint=f"dtc case add {as_word(folder)} FILE --as {wanted.document}",
        )
    made = Mark(
        item=name,
        answer=answer,
        by=by,
        note=note,
        at=attestation.now(),
        document=None if document is None else Digest(sha256_hex(document.read_bytes())),
        public_key_pem=public_keys.to_pem(signer.public).decode(),
    )
    payload = canonical_json(
        {
            "_type": statement.STATEMENT_TYPE,
            "subject": [{"name": CASE, "digest": {"sha256": sha256_hex((folder / CASE).read_bytes())}}],
            "predicateType": PREDICATE,
            "predicate": msgspec.to_builtins(made),
        }
    )
    path = folder / MARKS / f"{name}.dsse.json"
    write(path, canonical_json(dsse.sign(payload, statement.PAYLOAD_TYPE, signer).to_json()) + b"\n")
    return path


def marks(folder: Path) -> tuple[dict[str, Signed], list[str]]:
    """The marks that hold, by item, and what is wrong with the others, in words."""
    case_digest = sha256_hex((folder / CASE).read_bytes())
    found: dict[str, Signed] = {}
    wrong = []
    for path in sorted((folder / MARKS).glob("*.dsse.json")):
        try:
            signed = _read_mark(path, case_digest)
            wanted = item(signed.mark.item)
            document = _document(folder, wanted)
            digest = None if document is None else sha256_hex(document.read_bytes())
            if path.name != f"{signed.mark.item}.dsse.json":
                raise Refusal(f"it is a mark of {signed.mark.item}")
            if (signed.mark.document.sha256 if signed.mark.document else None) != digest:
                raise Refusal("the document was changed after it was looked at")
            found[signed.mark.item] = signed
        except (Refusal, OSError, DtcError) as problem:
            wrong.append(f"{MARKS}/{path.name}: {problem}")
    return found, wrong


def write(path: Path, data: bytes) -> None:
    """Write a file of a case whole or not at all.

    Raises:
        DtcError: `not-written`.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"{path} cannot be written",
            where=str(path),
            why=problem.strerror or str(problem),
            hint="name a folder that you may write",
        ) from problem
    finally:
        partial.unlink(missing_ok=True)


def today() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DtcError(
            "not-written", f"{folder} cannot be made", where=str(folder), why=problem.strerror or str(problem)
        ) from problem


def _document(folder: Path, wanted: Item) -> Path | None:
    """The newest file of the kind that an item asks for."""
    if not wanted.document:
        return None
    return next(iter(sorted((folder / DOCUMENTS).glob(f"{wanted.document}.*"))), None)


def _read_mark(path: Path, case_digest: str) -> Signed:
    data = path.read_bytes()
    if len(data) > MAX_BYTES:
        raise Refusal("it is too large")
    envelope = dsse.parse(strict_json.parse(data, path.name))
    if envelope.payload_type != statement.PAYLOAD_TYPE or len(envelope.signatures) != 1:
        raise Refusal("it is no statement with one signature")
    said = typed(strict_json.parse_canonical(envelope.payload, path.name), path.name, _Statement)
    if said.subject[0].digest.sha256 != case_digest:
        raise Refusal("it is about another registration: case.json was changed after it was signed")
    key = _key(said.predicate.public_key_pem)
    dsse.verify(envelope, [key])
    return Signed(said.predicate, public_keys.keyid(key))


def _key(pem: str) -> PublicKey:
    try:
        return public_keys.read_pem(pem.encode())
    except UnusableKeyError as problem:
        raise Refusal(f"its key cannot be used: {problem}") from problem
