"""What may lie in a package, and the closed list of it."""

import re
from collections.abc import Iterable, Mapping

from dtc_cli.signing.refusal import Refusal

SUMS = "SHA256SUMS"
RUN_BUNDLE = "attestations/run.sigstore.json"
EVIDENCE, EXPORTS, ATTESTATIONS, KEYS = "evidence/", "exports/", "attestations/", "keys/"

TEST_RESULT = "attestations/test-result.sigstore.json"

PROOF = "attestations/registry.tlog-proof"
"""Proof of the register that it holds the run; added later."""

RUN = "evidence/run.json"
MATRIX = "evidence/matrix.jsonl"
VERDICTS = "evidence/requirements.json"
VECTORS = "evidence/vectors.json"
EVENTS = "evidence/events.jsonl"
PROFILE = "evidence/profile.json"
CATALOGUE = "evidence/suite/catalogue.json"
BODIES = "evidence/bodies/"
SBOM = "evidence/sbom/"
DOCUMENTS = (RUN, MATRIX, VERDICTS, VECTORS, EVENTS, PROFILE, CATALOGUE)

MAX_FILES = 200_000
MAX_BYTES = 2 * 1024**3
MAX_NAME = 100
"""The name field of a ustar header; longer names would need extensions that readers disagree about."""

# Letters, digits and three marks: such a name means the same on every file system, terminal and shell.
SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
NAME = re.compile(rf"{SEGMENT}(?:/{SEGMENT})*")
KEY_FILE = re.compile(r"keys/([0-9a-f]{64})\.pub")
BESIDE = re.compile(r"attestations/(audit|vsa)-([0-9a-f]{16})\.sigstore\.json")
"""Statements that others add later, each named after the first 16 digits of its key."""
BODY = re.compile(r"evidence/bodies/([0-9a-f]{64})")
LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def safe(name: str) -> str:
    """The name, if it can stand in a package.

    Raises:
        Refusal: for absolute names, `..`, back slashes, control characters and everything else unusual.
    """
    if len(name) > MAX_NAME or not NAME.fullmatch(name):
        raise Refusal(f"the name {name[:120]!a} may not stand in a package")
    return name


def distinct(names: Iterable[str]) -> None:
    """Make sure that no two names meet on a file system that ignores case, and none is another's folder.

    Raises:
        Refusal: naming the two.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other is not name:
            raise Refusal(f"the names {other} and {name} collide")
    for name in seen:
        parent = name.rpartition("/")[0]
        while parent:
            if parent in seen:
                raise Refusal(f"{seen[parent]} is both a file and a folder")
            parent = parent.rpartition("/")[0]


def beside(kind: str, keyid: str) -> str:
    """The place of another one's statement: `audit` or `vsa`."""
    return f"{ATTESTATIONS}{kind}-{keyid[:16]}.sigstore.json"


def covered(name: str) -> bool:
    """Whether `SHA256SUMS` must list the file."""
    return name.startswith((EVIDENCE, EXPORTS))


def render_sums(digests: Mapping[str, str]) -> bytes:
    """The bytes of `SHA256SUMS`: `<sha256>  <name>` per line, sorted by name, as `sha256sum` reads it."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def parse_sums(data: bytes) -> dict[str, str]:
    """Name to SHA-256 (hex) of a closed list.

    Raises:
        Refusal: when the bytes are not exactly what `render_sums` writes for some list of files.
    """
    digests: dict[str, str] = {}
    for number, line in enumerate(data.decode("ascii", "replace").split("\n")[:-1], start=1):
        match = LINE.fullmatch(line)
        if match is None:
            raise Refusal(f"{SUMS} line {number} is not `<sha256>  <name>`")
        name = safe(match[2])
        if not covered(name):
            raise Refusal(f"{SUMS} line {number} lists {name}, which lies outside {EVIDENCE} and {EXPORTS}")
        digests[name] = match[1]
    if render_sums(digests) != data:
        raise Refusal(f"{SUMS} is not sorted, repeats a name or does not end in a newline")
    return digests
