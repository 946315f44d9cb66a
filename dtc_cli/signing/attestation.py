"""Statements of others about a package: in-toto, one subject (its `SHA256SUMS`), signed apart, laid beside.

A bundle carries exactly one signature, so whoever agrees signs a statement of their own. Nothing of the
package changes by it: the closed list does not cover what is laid beside.
"""

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from dtc_cli.core.canonical import canonical_json
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import archive, layout, seal, statement, strict_json
from dtc_cli.signing.evidence import Hex, typed
from dtc_cli.signing.reader import open_package
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.seal import Sealer

Predicate = TypeVar("Predicate")


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A SHA-256 in hex, as in-toto writes it."""

    sha256: Hex


class _Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Literal["SHA256SUMS"]
    digest: Digest


class _Statement(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[tuple[_Subject, ...], msgspec.Meta(min_length=1, max_length=1)]
    predicate_type: str
    predicate: dict[str, Any]


def make(predicate_type: str, predicate: Any, sums_digest: str, signer: Sealer) -> bytes:
    """A bundle with the signed statement about the package whose list has that SHA-256 (hex).

    Raises:
        DtcError: `statement-too-large`.
    """
    payload = canonical_json(
        {
            "_type": statement.STATEMENT_TYPE,
            "subject": [{"name": layout.SUMS, "digest": {"sha256": sums_digest}}],
            "predicateType": predicate_type,
            "predicate": msgspec.to_builtins(predicate),
        }
    )
    if len(payload) > statement.MAX_BYTES:
        raise DtcError(
            "statement-too-large",
            f"the statement has {len(payload)} bytes, {statement.MAX_BYTES} are allowed",
            hint="shorten what is said in it",
            exit_code=ExitCode.INCOMPLETE,
        )
    return seal.seal(payload, signer)


def parse(payload: bytes, kind: type[Predicate], predicate_type: str, sums_digest: str) -> Predicate:
    """The predicate of a statement about this package; the signature is checked elsewhere.

    Raises:
        Refusal: when it is malformed, of another type, or about another package.
    """
    if len(payload) > statement.MAX_BYTES:
        raise Refusal(f"the statement is larger than {statement.MAX_BYTES} bytes")
    said = typed(strict_json.parse_canonical(payload, "the statement"), "the statement", _Statement)
    if said.predicate_type != predicate_type:
        raise Refusal(f"its predicate type is not {predicate_type}")
    if said.subject[0].digest.sha256 != sums_digest:
        raise Refusal("it is about another package: its subject is not this SHA256SUMS")
    return typed(said.predicate, "the predicate", kind)


def lay_beside(package: Path, out: Path, name: str, data: bytes, signer: Sealer) -> None:
    """Write the package to `out` with one statement more; a key that signed it lies there for convenience.

    Raises:
        DtcError: `package-refused`, `not-written`.
    """
    _put(package, out, {name: data, **seal.copies(signer)})


def replace(package: Path, out: Path, name: str, data: bytes) -> None:
    """Write the package to `out` with other content of one file that the closed list does not cover.

    Raises:
        DtcError: `package-refused`, `not-written`.
    """
    _put(package, out, {name: data})


def _put(package: Path, out: Path, more: dict[str, bytes]) -> None:
    try:
        if package.is_dir() and out == package:
            for place, content in more.items():
                (package / place).parent.mkdir(exist_ok=True)
                (package / place).write_bytes(content)
            return
        with ExitStack() as resources:
            files = resources.enter_context(open_package(package))
            held: dict[str, archive.Content] = {each: files.content(each) for each in files.names()}
            archive.write(out, {**held, **more})
    except Refusal as problem:
        raise refused(package, problem) from problem
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"{out} cannot be written",
            where=str(problem.filename or out),
            why=problem.strerror or str(problem),
            hint="name another file with --out",
        ) from problem


def refused(package: Path, problem: Refusal) -> DtcError:
    """The error of a command that needs a sound package."""
    return DtcError(
        "package-refused",
        f"the package {package.name} cannot be used",
        where=str(package),
        why=problem.reason,
        hint=f"dtc verify {as_word(package)} tells more about it",
        exit_code=problem.code,
    )


def now() -> str:
    """The present instant in RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def writable(out: Path) -> None:
    """Make sure that a file can be written there, before work begins whose result would be lost.

    Raises:
        DtcError: `not-written`.
    """
    folder = out if out.is_dir() else out.parent
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".dtc-"):
            return
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"nothing can be written into {folder}",
            where=str(out),
            why=problem.strerror or str(problem),
            hint="name another place with --out",
        ) from problem
