"""The target file: one YAML document that says what is certified and how it is reached."""

import difflib
import json
import math
import shlex
import urllib.parse
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import yaml

from dtc_cli.core.schema_check import SchemaCheck
from dtc_cli.errors import DtcError, as_word
from dtc_cli.paths import SPEC

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

DEFAULT_TIMEOUT_S = 10.0
DEFAULT_HAZARDS = ("read", "write")
DEEPEST_FILE = 50
ROLES = ("admin", "operator", "viewer", "device", "other_city", "limited", "load")

ADDRESSES = (("rest", "base_url"), ("stream", "url"), ("mqtt", "url"), ("validator", "url"))

Node = yaml.nodes.Node


class _Loader(yaml.SafeLoader):
    """YAML as JSON knows it: a date stays the text that was written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Secret(msgspec.Struct, frozen=True):
    """A reference to a secret: `literal`, `env` or `file`. It never shows its value."""

    kind: str
    value: str

    def __repr__(self) -> str:
        shown = "..." if self.kind == "literal" else self.value
        return f"Secret({self.kind}:{shown})"

    @classmethod
    def parse(cls, text: str) -> "Secret":
        """Read `env:NAME`, `file:PATH` or a literal."""
        for kind in ("env", "file"):
            if text.startswith(f"{kind}:"):
                return cls(kind, text.removeprefix(f"{kind}:"))
        return cls("literal", text)


class OAuth(msgspec.Struct, frozen=True):
    """Client credentials of RFC 6749 section 4.4."""

    token_url: str
    client_id: Secret
    client_secret: Secret


class Signing(msgspec.Struct, frozen=True):
    """The key with which the run signs messages (P3 8.4, C-78)."""

    algorithm: str
    """HMAC-SHA256 (the secret is the key's text) or Ed25519 (the secret is the private key in hex)."""
    key_id: str
    secret: Secret


class TlsFiles(msgspec.Struct, frozen=True):
    """Certificates for one door of the target: PEM files."""

    ca: Path | None = None
    """Authorities of the server's certificate; None: those of the system."""
    cert: Path | None = None
    """The run's own certificate, for mutual TLS."""
    key: Path | None = None


class Validator(msgspec.Struct, frozen=True):
    """How the target judges a file (D-11): an argv with `{file}`, or a URL that takes a POST."""

    command: tuple[str, ...] | None = None
    url: str | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed target file. Paths in it are relative to `folder`."""

    source: str
    folder: Path
    name: str
    vendor: str
    version: str
    city: str
    base_url: str | None
    """REST base, without a trailing slash."""
    ca: Path | None
    timeout_s: float
    api_keys: Mapping[str, Secret]
    oauth: OAuth | None
    other_city: str | None
    stream_url: str | None
    mqtt_url: str | None
    documents: tuple[str, ...]
    """Glob patterns of phase 1 records that the target produces."""
    validator: Validator | None
    client: tuple[str, ...] | None
    excluded: Mapping[str, str]
    """Requirement id to the reason why the product leaves it out."""
    hazards: tuple[str, ...]
    declares: Mapping[str, Any]
    provoke: Mapping[str, Any]
    sbom: Path | None = None
    """Bill of materials of the product."""
    rest_tls: TlsFiles = TlsFiles()
    stream_tls: TlsFiles = TlsFiles()
    mqtt_tls: TlsFiles = TlsFiles()
    signing: Signing | None = None
    limits: Mapping[str, Any] = {}
    """Role to what its messages are limited to: `messages_per_s`, `bytes_per_s` (P3 8.3)."""
    lines: Mapping[str, int]
    """Dotted key to its 1-based line, for messages."""

    def where(self, key: str) -> str:
        """`file:line  key` for the five-field error."""
        line = self.lines.get(key)
        return f"{self.source}:{line}  {key}" if line else f"{self.source}  {key}"


def load(path: Path) -> Target:
    """Read and check a target file.

    Raises:
        DtcError: `target-file` when it cannot be read, is not YAML, or breaks the schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as problem:
        raise DtcError(
            "target-file",
            f"there is no target file {path}",
            where=str(path),
            hint=f"dtc init {as_word(path.name)}   writes one with comments; "
            "dtc certify --reference needs none",
        ) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise DtcError(
            "target-file", f"the target file {path} cannot be read", where=str(path), why=str(problem)
        ) from problem
    return parse(text, source=str(path), folder=path.resolve().parent)


def parse(text: str, *, source: str, folder: Path) -> Target:
    """Check the text of a target file against the schema and return it as a `Target`.

    Raises:
        DtcError: `target-file`, with line, key and, for an unknown key, the nearest valid one.
    """
    lines: dict[str, int] = {}
    try:
        _refuse_aliases(text, source)
        _note_lines(yaml.compose(text, Loader=_Loader), "", lines, source)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as problem:
        raise _not_yaml(problem, source) from problem
    except RecursionError as problem:
        raise _not_yaml(yaml.YAMLError("it refers to itself or is nested too deeply"), source) from problem
    if data is None:
        raise DtcError(
            "target-file",
            "the target file is empty",
            where=source,
            hint=f"dtc init {as_word(source)} --force   writes one with comments",
        )
    problems = sorted(_validator().iter_errors(data), key=lambda error: [str(p) for p in error.absolute_path])
    if problems:
        raise _schema_error(problems, lines, source)
    for section, key in ADDRESSES:
        _check_address(data.get(section, {}), section, key, source, lines)
    return _target(data, source=source, folder=folder, lines=lines)


def _check_address(
    section: dict[str, Any], name: str, key: str, source: str, lines: Mapping[str, int]
) -> None:
    """A host that can be looked up and a port that exists; the schema cannot say that."""
    url = section.get(key) if isinstance(section, dict) else None
    timeout = section.get("timeout_s", 1.0) if isinstance(section, dict) else 1.0
    try:
        if not math.isfinite(timeout):
            key = "timeout_s"
            raise ValueError("it is not a finite number")
        if url is not None:
            parts = urllib.parse.urlsplit(url)
            if not parts.hostname or parts.port == 0:
                raise ValueError("it names no host, or port 0")
            parts.hostname.encode("idna")
    except (ValueError, UnicodeError) as problem:
        line = lines.get(f"{name}.{key}")
        raise DtcError(
            "target-file",
            f"{name}.{key} is not valid",
            where=f"{source}:{line}  {name}.{key}",
            why=str(problem),
            hint="http://host:port/path, with a port from 1 to 65535",
        ) from problem


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the target file."""
    loaded: dict[str, Any] = json.loads((SPEC / "schemas" / "target.schema.json").read_bytes())
    return loaded


@cache
def _validator() -> SchemaCheck:
    return SchemaCheck(schema())


def _not_yaml(problem: yaml.YAMLError, source: str) -> DtcError:
    mark = getattr(problem, "problem_mark", None)
    return DtcError(
        "target-file",
        "the target file is not YAML",
        where=f"{source}:{mark.line + 1}" if mark else source,
        why=str(getattr(problem, "problem", None) or problem),
        hint="check indentation, quotes and colons on that line",
    )


def _refuse_aliases(text: str, source: str) -> None:
    """A few lines of aliases can stand for gigabytes, and no target file needs any, nor depth."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST_FILE:  # the parser's time grows with the square of the depth
            raise RecursionError
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise DtcError(
                "target-file",
                "the target file uses a YAML alias",
                where=f"{source}:{line}",
                why=f"*{event.anchor} stands for something written elsewhere",
                hint="write it out",
            )


def _note_lines(node: Node | None, prefix: str, lines: dict[str, int], source: str) -> None:
    """Record the line of each key, and refuse a key that is given twice."""
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key = f"{prefix}{key_node.value}"
            if key in lines:
                raise DtcError(
                    "target-file",
                    f"the key {key_node.value} is given twice",
                    where=f"{source}:{key_node.start_mark.line + 1}  {key}",
                    why=f"it stands on line {lines[key]} already",
                    hint="keep one of the two",
                )
            lines[key] = key_node.start_mark.line + 1
            _note_lines(value_node, f"{key}.", lines, source)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[f"{prefix}{index}"] = item.start_mark.line + 1
            _note_lines(item, f"{prefix}{index}.", lines, source)


def _schema_error(problems: "list[ValidationError]", lines: Mapping[str, int], source: str) -> DtcError:
    first = problems[0]
    path = ".".join(str(part) for part in first.absolute_path)
    what, hint, key = _explain(first, path)
    line = lines.get(key) or lines.get(path)
    # One sentence names all missing keys of a section, each of which is a problem of its own here.
    others = {(str(p.validator), str(p.absolute_path), str(p.message)) for p in problems[1:]}
    if first.validator == "required":
        others = {other for other in others if other[:2] != ("required", str(first.absolute_path))}
    more = f" (and {len(others)} more in this file)" if others else ""
    return DtcError(
        "target-file",
        what + more,
        where=f"{source}:{line}  {key}" if line else f"{source}  {key}".rstrip(),
        why=_why(first),
        hint=hint,
    )


def _explain(error: "ValidationError", path: str) -> tuple[str, str, str]:
    """What is wrong, what to try, and the dotted key to point at."""
    section = path or "the top level"
    rules: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    known = sorted(rules.get("properties", {}))
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        unknown = next((str(key) for key in error.instance if key not in known), "")
        nearest = difflib.get_close_matches(unknown, known, n=1)
        hint = (f"did you mean {nearest[0]}? " if nearest else "") + f"known keys here: {', '.join(known)}"
        return f"unknown key {unknown} in {section}", hint, f"{path}.{unknown}".lstrip(".")
    if error.validator == "required":
        missing = [key for key in rules["required"] if key not in cast(dict[str, Any], error.instance)]
        return (
            f"{section} lacks {', '.join(missing)}",
            "dtc init writes a file with every key explained",
            path,
        )
    return f"{path or 'the file'} is not valid", _hint(error, path), path


def _hint(error: "ValidationError", path: str) -> str:
    if path.endswith("url") and "@" in str(error.instance):
        return "no user name or password in an address: keys belong below auth"
    if path == "city":
        return "two capitals, hyphen, capitals or digits, hyphen, year: KR-BUSAN-2025"
    if error.validator == "enum":
        return "one of: " + ", ".join(str(value) for value in cast(list[object], error.validator_value))
    if error.validator == "type" and error.validator_value == "string":
        return f'put it in quotes: "{error.instance}"' if "auth" not in path else "put it in quotes"
    if error.validator == "const":
        return f"write {error.validator_value}"
    return "see the comments that dtc init writes"


def _why(error: "ValidationError") -> str:
    """The validator's sentence, but never the value of a key: it may be a secret."""
    # An address may hold a password, which is why it was refused.
    secret = bool({"auth", "key", "url", "base_url", "token_url"} & set(error.absolute_path))
    short = len(error.message) < 300
    return error.message if short and not secret else f"it breaks the rule {error.validator}"


def _target(data: dict[str, Any], *, source: str, folder: Path, lines: Mapping[str, int]) -> Target:
    rest, auth = data.get("rest", {}), data.get("auth", {})
    keys = {role: Secret.parse(text) for role, text in auth.get("api_keys", {}).items()}
    other = data.get("other_city", {})
    if "key" in other:
        keys.setdefault("other_city", Secret.parse(other["key"]))
    oauth = auth.get("oauth")
    base_url = rest.get("base_url")
    client = data.get("client", {}).get("command")
    return Target(
        source=source,
        folder=folder,
        name=data["target"]["name"],
        vendor=data["target"]["vendor"],
        version=data["target"]["version"],
        city=data["city"],
        base_url=base_url.rstrip("/") if base_url else None,
        ca=folder / rest["ca"] if "ca" in rest else None,
        timeout_s=float(rest.get("timeout_s", DEFAULT_TIMEOUT_S)),
        api_keys=keys,
        oauth=OAuth(
            oauth["token_url"], Secret.parse(oauth["client_id"]), Secret.parse(oauth["client_secret"])
        )
        if oauth
        else None,
        other_city=other.get("id"),
        stream_url=data.get("stream", {}).get("url"),
        mqtt_url=data.get("mqtt", {}).get("url"),
        documents=tuple(data.get("documents", ())),
        validator=_validator_of(data.get("validator"), source, lines),
        client=_argv(client, f"{source}:{lines.get('client.command', 0)}") if client else None,
        excluded=dict(data.get("profile", {}).get("excluded", {})),
        hazards=tuple(data.get("hazards", DEFAULT_HAZARDS)),
        declares=dict(data.get("declares", {})),
        provoke=dict(data.get("provoke", {})),
        sbom=folder / data["sbom"] if "sbom" in data else None,
        rest_tls=_tls_files(rest, folder),
        stream_tls=_tls_files(data.get("stream", {}), folder),
        mqtt_tls=_tls_files(data.get("mqtt", {}), folder),
        signing=Signing(
            auth["signing"]["algorithm"],
            auth["signing"]["key_id"],
            Secret.parse(auth["signing"]["secret"]),
        )
        if "signing" in auth
        else None,
        limits=dict(data.get("limits", {})),
        lines=dict(lines),
    )


def _tls_files(section: dict[str, Any], folder: Path) -> TlsFiles:
    return TlsFiles(
        *(folder / section[key] if key in section else None for key in ("ca", "client_cert", "client_key"))
    )


def _validator_of(data: dict[str, Any] | None, source: str, lines: Mapping[str, int]) -> Validator | None:
    if data is None:
        return None
    if "url" in data:
        return Validator(url=data["url"])
    argv = _argv(data["command"], f"{source}:{lines.get('validator.command', 0)}")
    if not any("{file}" in word for word in argv):
        raise DtcError(
            "target-file",
            "the validator command has no {file}",
            where=f"{source}:{lines.get('validator.command', 0)}  validator.command",
            why="{file} is replaced by the record to judge",
            hint='validator: {command: "./check {file}"}',
        )
    return Validator(command=argv)


def _argv(command: str | Iterable[str], where: str) -> tuple[str, ...]:
    """An argv without a shell (D-11): a string is split as a shell would split it, nothing is expanded."""
    try:
        return tuple(shlex.split(command)) if isinstance(command, str) else tuple(command)
    except ValueError as problem:
        raise DtcError(
            "target-file", "a command cannot be split into words", where=where, why=str(problem)
        ) from problem
