"""The twenty cheats of the threat model, each tried on the package of a real run.

Numbers are those of the list of threats. What somebody could do who owns a trusted key is signed again with
such a key, so that nothing but the cheat itself is wrong. Each ends with its own exit code and sentence.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dtc_cli.core import chain
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.model import Outcome
from dtc_cli.core.sample import Sample
from dtc_cli.exit_codes import ExitCode
from dtc_cli.registry import entry, log
from dtc_cli.signing import audit, evidence, keys, layout
from dtc_cli.signing.reader import open_package
from dtc_cli.signing.verify import verify
from tests.e2e.conftest import Dtc, Result
from tests.support import beside, cheating
from tests.support.beside import BUSAN, LAB, auditor, policy
from tests.support.office import Office
from tests.support.packages import Contents, changed, key, resigned, unpack
from tests.support.tls_server import self_signed, served

INTEGRITY, UNTRUSTED, STALE = ExitCode.INTEGRITY, ExitCode.UNTRUSTED, ExitCode.STALE
INCOMPLETE, OK = ExitCode.INCOMPLETE, ExitCode.OK
Change = Callable[[Contents], object]
NOW = datetime.now(UTC)


class Told(NamedTuple):
    """What the cheat was told."""

    code: ExitCode
    text: str


class Scene:
    """The package of a real run, and a reader who trusts the key that the cheat holds."""

    def __init__(self, package: Path, folder: Path) -> None:
        self.folder = folder
        (folder / "honest").mkdir()
        self.package = resigned(package, folder / "honest", lambda _: None)
        self.trust = policy(folder, BUSAN)

    def asked(self, path: Path, trust: Path | None = None, **options: Any) -> Told:
        found = verify(path, trust or self.trust, **options)
        return Told(found.exit_code, " | ".join(each.reason for each in found.checks if each.code))

    def again(self, change: Change, **options: Any) -> Told:
        """Changed and signed again by the owner of a trusted key."""
        return self.asked(resigned(self.package, self.folder, change), **options)

    def by(self, **members: Any) -> Path:
        """A reader's policy of another content."""
        where = self.folder / "other"
        where.mkdir(exist_ok=True)
        return policy(where, BUSAN, *members.pop("roles", ()), **members)


@pytest.fixture(scope="module")
def scene(bronze: tuple[Result, Path], tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(Path(bronze[0].json["package"]), tmp_path_factory.mktemp("scene"))


def test_without_a_cheat_all_is_well(scene: Scene) -> None:
    assert scene.asked(scene.package) == (OK, "")


def better(contents: Contents) -> None:
    """1. The result is edited after the run."""
    assert b'"outcome":"passed"' in contents[layout.MATRIX]
    contents[layout.MATRIX] = contents[layout.MATRIX].replace(b'"outcome":"passed"', b'"outcome":"failed"', 1)


def first(scene: Scene) -> str:
    return str(cheating.lines(unpack(scene.package), layout.MATRIX)[0]["vector"])


def relaxed(contents: Contents) -> None:
    def loosen(entries: Any) -> None:
        next(each for each in entries if each["strength"] == "must")["strength"] = "may"

    cheating.document(layout.CATALOGUE, loosen)(contents)


def rejected(scene: Scene) -> Told:
    """8. The target behaves while it is certified; an auditor's own seed and address find it out."""
    path = scene.folder / "rejected.dtcpack.tar.gz"
    with open_package(scene.package) as files:
        facts = evidence.read(files)
    then = {line.vector: line for line in facts.lines}
    sample = Sample(20, 4711)
    now = {name: evidence_line(line, Outcome.FAILED) for name, line in then.items()}
    rerun = audit.compare(sample, [each.id for each in facts.vectors], then, now, None)
    at = entry.text(NOW)
    said = beside.predicate(
        scene.package, rerun=rerun, decision=audit.decide(rerun, ()), started_at=at, finished_at=at
    )
    beside.audited(scene.package, auditor(), said, out=path)
    return scene.asked(path, scene.by(roles=(LAB,)))


def evidence_line(line: Any, outcome: Outcome) -> Any:
    import msgspec

    return msgspec.structs.replace(line, outcome=outcome)


def one_auditor_twice(scene: Scene) -> Told:
    """15. Two auditors are asked for; both keys are of one organisation."""
    path, at = scene.folder / "twice.dtcpack.tar.gz", entry.text(NOW)
    said = beside.predicate(scene.package, started_at=at, finished_at=at)
    beside.audited(scene.package, auditor("lab"), said, out=path)
    beside.audited(path, auditor("lab2"), said)
    levels = {"bronze": {"require": ["auditor"], "auditors": 2}}
    return scene.asked(path, scene.by(roles=(LAB, ("auditor", "lab2", "City Lab")), levels=levels))


def linked(scene: Scene) -> Told:
    """18. A name in the package leads out of it."""
    folder = scene.folder / "unpacked"
    for name, data in unpack(scene.package).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "evidence" / "bodies" / ("a" * 64)).symlink_to("/etc/hostname")
    return scene.asked(folder)


def doubled(contents: Contents) -> None:
    value = json.loads(contents[layout.RUN_BUNDLE])
    value["dsseEnvelope"]["signatures"] *= 2
    contents[layout.RUN_BUNDLE] = canonical_json(value)


def revoked(scene: Scene) -> Told:
    entry_ = {"keyid": key().keyid, "invalidSince": "2026-01-01T00:00:00Z", "reason": "stolen"}
    return scene.asked(scene.package, scene.by(revoked=[entry_]))


CHEATS: dict[str, tuple[Callable[[Scene], Told], ExitCode, str]] = {
    "1 edit after the run": (
        lambda s: s.asked(changed(s.package, s.folder, better)), INTEGRITY, "was changed: its SHA-256"),
    "3 drop a failing test": (
        lambda s: s.again(cheating.drop_line(first(s))), INCOMPLETE, "1 vectors were not run, first"),
    "3 drop it from the plan too": (
        lambda s: s.again(cheating.both(
            cheating.without(layout.VECTORS, "id", first(s)), cheating.drop_line(first(s)))),
        INTEGRITY, "was left out"),
    "4 run a selection": (
        lambda s: s.again(cheating.run(selection={"complete": False, "expression": "-k easy"})),
        INCOMPLETE, "only a selection of the vectors was run"),
    "4 skip quietly": (
        lambda s: s.again(cheating.line(first(s), outcome="not_tested")),
        INCOMPLETE, "is not_tested without a reason"),
    "6 show an old run": (
        lambda s: s.asked(s.package, now=NOW + timedelta(days=100)), STALE, "days old; it counted until"),
    "6 show a run for somebody else": (
        lambda s: s.asked(s.package, nonce="AAAAAAAAAAAAAAAAAAAAAA"), STALE, "made for another nonce"),
    "8 behave while watched": (rejected, UNTRUSTED, "the auditor City Lab rejects the run"),
    "9 judge with other suites": (
        lambda s: s.asked(s.package, s.by(suites=["c" * 64])), UNTRUSTED, "does not accept the suite"),
    "10 loosen a requirement": (lambda s: s.again(relaxed), INTEGRITY, "was changed"),
    "11 sign with a key of one's own": (
        lambda s: s.asked(resigned(s.package, s.folder, lambda _: None, signer=key("stranger"))),
        UNTRUSTED, "is not in"),
    "12 set the clock": (
        lambda s: s.again(cheating.run(startedAt=entry.text(NOW - timedelta(hours=9)))),
        INTEGRITY, "wall clock and monotonic clock of the run differ by"),
    "13 withhold a body": (lambda s: s.again(cheating.withhold), INCOMPLETE, "1 bodies are withheld"),
    "14 use a stolen key": (revoked, STALE, "the key is revoked since 2026-01-01: stolen"),
    "15 one auditor as two": (one_auditor_twice, UNTRUSTED, "endorsed by 1 of 2 organisations"),
    "17 two signatures in one": (
        lambda s: s.asked(changed(s.package, s.folder, doubled)), INTEGRITY, "has 2 signatures, exactly one"),
    "18 a link in the package": (linked, INTEGRITY, "is a link"),
}  # fmt: skip


def test_each_is_told_what_he_did(scene: Scene) -> None:
    for name, (attempt, code, says) in CHEATS.items():
        told = attempt(scene)
        assert (told.code, says in told.text) == (code, True), (name, told)
    assert {int(name.split()[0]) for name in CHEATS} | {2, 5, 7, 16, 19, 20} == set(range(1, 21))


def test_2_a_verdict_that_its_owner_bent_before_signing(dtc: Dtc, scene: Scene, tmp_path: Path) -> None:
    """All fits but one answer: the owner of the key wrote another one, chained and signed again."""

    def bend(contents: Contents) -> None:
        events = cheating.lines(contents, layout.EVENTS)
        matrix = cheating.lines(contents, layout.MATRIX)
        run = json.loads(contents[layout.RUN])
        chosen = next(
            line for line in matrix
            if line["requirement"] == "DTC-P1-001" and line["outcome"] == "passed" and line["events"][1] >= 0
        )  # fmt: skip
        first, last = chosen["events"]
        bent = next(event for event in events[first : last + 1] if event.get("respDigest"))
        answer = b'{"valid": true, "errors": []}'
        if contents[layout.BODIES + bent["respDigest"]].startswith(b'{"valid": true'):
            answer = b'{"valid": false, "errors": [{"code": "X", "pointer": "", "message": "x"}]}'
        contents[layout.BODIES + sha256_hex(answer)] = answer
        bent["respDigest"] = sha256_hex(answer)
        head = chain.genesis(
            run["nonce"], run["runId"], run["standard"]["catalogueDigest"], run["profile"]["digest"]
        )
        for event in events:
            event["prev"] = head
            head = chain.link(canonical_json(event))
        span = chain.SpanDigest()
        for event in events[first : last + 1]:
            if event["vector"] == chosen["vector"]:
                span.add(event)
        chosen["requestDigest"], chosen["responseDigest"] = span.requests, span.answers
        run["events"] = {"count": len(events), "head": head}
        cheating.write_lines(contents, layout.EVENTS, events)
        cheating.write_lines(contents, layout.MATRIX, matrix)
        contents[layout.RUN] = json.dumps(run).encode()

    bent = resigned(scene.package, tmp_path, bend)
    assert scene.asked(bent).code is OK  # nothing in the files betrays it
    done = dtc("verify", bent, "--trust", scene.trust, "--replay", "--json")
    (check,) = [each for each in done.json["checks"] if each["name"] == "evidence.replay"]
    assert (done.code, check["status"]) == (3, "fail"), check
    assert "come out otherwise" in check["reason"]


def test_5_6_16_what_the_register_sees(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Running until it is green, the same run twice, and a rewritten history."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    office = Office(tmp_path, capfd)
    add = ("registry", "add", office.registry, scene.package, "--policy", scene.trust)
    code, said = office(*add, "--need-nonce")
    assert (code, "nonce" in said) == (STALE, True)
    asked = office.json(
        "registry", "nonce", office.registry, "--target", "Twin", "--vendor", "v", "--hours", "1"
    )
    register = entry.derive(log.read(office.registry).entries)
    (kept_back,) = entry.abandoned(register, NOW + timedelta(hours=2))
    assert kept_back.nonce == asked["nonce"]
    assert office(*add)[0] == 0
    assert office(*add)[0] == STALE
    state = tmp_path / "seen"
    watch = ("registry", "monitor", office.registry, "--state", state, "--log-key", office.log_key)
    assert office(*watch)[0] == 0
    held = log.read(office.registry)
    other = entry.Entry(seq=2, type="nonce", at=entry.text(NOW), nonce="AAAA", expires=entry.text(NOW))
    log._publish(office.registry, held.about, (*held.data[:2], other.data()), keys.load("log"))
    code, said = office(*watch)
    assert (code, "history was rewritten" in said) == (INTEGRITY, True)


def test_7_19_another_server_than_the_judged_one(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The package, and the badge that was copied from it, shown for another product."""
    judged, spki = self_signed(tmp_path / "judged.pem")
    other, _ = self_signed(tmp_path / "other.pem")

    def seen(contents: Contents) -> None:
        value = json.loads(contents[layout.RUN])
        value["target"]["fingerprint"] = {"tlsSpki": [spki], "server": None, "openapi": None}
        contents[layout.RUN] = json.dumps(value).encode()
        for name in [name for name in contents if name.startswith(layout.EXPORTS)]:
            del contents[name]  # they would still tell of the run as it was

    package = resigned(scene.package, tmp_path, seen)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    office = Office(tmp_path, capfd)
    ask = ("certificate", "issue", office.registry, package, "--policy", scene.trust, "--level", "bronze")
    badge = Path(office.json(*ask)["folder"]) / "badge.svg"
    look = ("badge", "verify", badge, "--trust", office.body, "--registry", office.registry, "--url")
    with served(judged) as url:
        assert scene.asked(package, target=url).code is OK
        assert office(*look, url)[0] == 0
    with served(other) as url:
        told = scene.asked(package, target=url)
        assert (told.code, "not one of the run" in told.text) == (STALE, True)
        assert office.json(*look, url, code=STALE)["server"].startswith("another server")


def test_20_no_secret_of_the_twin_is_in_the_package(scene: Scene, twin: Path) -> None:
    secrets = [file.read_bytes().strip() for file in twin.parent.glob("*.key")]
    assert len(secrets) >= 5
    forms = [
        form for secret in secrets for form in (secret, base64.b64encode(secret).rstrip(b"="), secret[::-1])
    ]
    leaks = [name for name, data in unpack(scene.package).items() if any(form in data for form in forms)]
    assert leaks == []
