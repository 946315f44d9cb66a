"""Forgers beyond the twenty cheats: each attempt ends with its own exit code and says its own sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.model import Level, Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import (
    attestation,
    audit,
    bundle,
    dsse,
    layout,
    note,
    public_keys,
    register_proof,
    statement,
    tree,
    vsa,
)
from dtc_cli.signing.keys import Key
from dtc_cli.signing.reader import open_package
from dtc_cli.signing.refusal import Refusal
from tests.support import beside, cheating, packages
from tests.support.beside import BODY, BUSAN, LAB, auditor, policy
from tests.support.packages import Contents, changed, check, key, make, resigned

INTEGRITY, UNTRUSTED, INCOMPLETE = ExitCode.INTEGRITY, ExitCode.UNTRUSTED, ExitCode.INCOMPLETE
Change = Callable[[Contents], object]


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest package that would be accepted."""
    return make(tmp_path_factory.mktemp("passed"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another honest package of the same vendor."""
    return make(tmp_path_factory.mktemp("other"), number=2)


def envelope(
    contents: Contents, edit: Callable[[dict[str, Any]], object], name: str = layout.RUN_BUNDLE
) -> None:
    value = json.loads(contents[name])
    edit(value)
    contents[name] = canonical_json(value)


def sealed(payload: bytes, kind: str = statement.PAYLOAD_TYPE, who: Key | None = None) -> bytes:
    return bundle.render(dsse.sign(payload, kind, who or key()))


def another_type(contents: Contents) -> None:
    payload = bundle.parse(contents[layout.RUN_BUNDLE], "it").envelope.payload
    contents[layout.RUN_BUNDLE] = sealed(payload, "text/plain")


def summary_as_run(contents: Contents) -> None:
    contents[layout.RUN_BUNDLE] = contents[layout.TEST_RESULT]


def audit_as_run(contents: Contents) -> None:
    """The vendor's key signed something else once: an audit of its own. It is shown as the run."""
    payload = bundle.parse(contents[layout.RUN_BUNDLE], "it").envelope.payload
    value = json.loads(payload)
    value["predicateType"] = audit.PREDICATE
    contents[layout.RUN_BUNDLE] = sealed(canonical_json(value))


def renamed_key(contents: Contents) -> None:
    """The right key under a name that points to nobody, so that no revocation finds it."""
    pem = contents.pop(f"{layout.KEYS}{key().keyid}.pub")
    contents[f"{layout.KEYS}{'0' * 64}.pub"] = pem
    for name in (layout.RUN_BUNDLE, layout.TEST_RESULT):

        def point(value: dict[str, Any]) -> None:
            value["verificationMaterial"]["publicKey"]["hint"] = "0" * 64
            value["dsseEnvelope"]["signatures"][0]["keyid"] = "0" * 64

        envelope(contents, point, name)


def another_hint(contents: Contents) -> None:
    """The hint of a key that the reader trusts above the signature of one that he does not."""
    pem = public_keys.to_pem(key("stranger").public)
    payload = bundle.parse(contents[layout.RUN_BUNDLE], "it").envelope.payload
    contents[layout.RUN_BUNDLE] = sealed(payload, who=key("stranger"))
    contents[f"{layout.KEYS}{key('stranger').keyid}.pub"] = pem

    def point(value: dict[str, Any]) -> None:
        value["verificationMaterial"]["publicKey"]["hint"] = key().keyid
        value["dsseEnvelope"]["signatures"][0]["keyid"] = key().keyid

    envelope(contents, point)


def second_signature(contents: Contents) -> None:
    def add(value: dict[str, Any]) -> None:
        value["dsseEnvelope"]["signatures"] *= 2

    envelope(contents, add)


def doubled_member(contents: Contents) -> None:
    contents[layout.RUN_BUNDLE] = contents[layout.RUN_BUNDLE].replace(
        b'"payload":', b'"payload":"e30=","payload":', 1
    )


def number(name: str, old: bytes, new: bytes) -> Change:
    def change(contents: Contents) -> None:
        assert old in contents[name]
        contents[name] = contents[name].replace(old, new, 1)

    return change


def nothing_recorded(contents: Contents) -> None:
    """All verdicts without a single exchange: whoever holds the key can write such a matrix by hand."""
    cheating.rechained(lambda events: events.clear())(contents)
    lines = cheating.lines(contents, layout.MATRIX)
    for line in lines:
        line.update({"events": [0, -1], "requestDigest": None, "responseDigest": None})
    cheating.write_lines(contents, layout.MATRIX, lines)
    for name in [name for name in contents if name.startswith(layout.BODIES)]:
        del contents[name]


def hollow(contents: Contents) -> None:
    """Every MUST is called not applicable, with a reason that sounds well."""
    lines = cheating.lines(contents, layout.MATRIX)
    for line in lines:
        line.update(outcome="not_applicable", justification="the product does not need it")
    cheating.write_lines(contents, layout.MATRIX, lines)


UNSIGNED: dict[str, tuple[Change, ExitCode, str]] = {
    "a signature over another payload type": (another_type, INTEGRITY, "the payload type is not"),
    "the summary shown as the run": (summary_as_run, INTEGRITY, "breaks the schema"),
    "an audit shown as the run": (audit_as_run, INTEGRITY, "breaks the schema"),
    "the right key under a wrong id": (renamed_key, INTEGRITY, "is not the key that its name says"),
    "a trusted id above a stranger's signature": (another_hint, INTEGRITY, "does not hold exactly the keys"),
    "the same signature twice": (second_signature, INTEGRITY, "has 2 signatures, exactly one is allowed"),
    "a member twice in the envelope": (doubled_member, INTEGRITY, "stands twice in one object"),
    "a key that nobody signed with": (
        lambda held: held.update({f"{layout.KEYS}{key('x').keyid}.pub": public_keys.to_pem(key("x").public)}),
        INTEGRITY,
        "does not hold exactly the keys",
    ),
}
SIGNED: dict[str, tuple[Change, ExitCode, str]] = {
    "a number of five thousand digits": (
        number(layout.RUN, b'"monotonicMs": 20', b'"monotonicMs": ' + b"9" * 5000),
        INTEGRITY, "not strict JSON"),
    "a number beyond 2^53": (
        number(layout.MATRIX, b'"durationMs":3', b'"durationMs":9007199254740993'), INTEGRITY, "RFC 8785"),
    "an infinite number": (
        number(layout.RUN, b'"monotonicMs": 20', b'"monotonicMs": 1e400'), INTEGRITY, "too large"),
    "a letter that only looks the same": (
        number(layout.MATRIX, b'"passed"', '"p\u0430ssed"'.encode()), INTEGRITY, "is not what a run writes"),
    "no exchange at all": (nothing_recorded, INCOMPLETE, "vectors were judged and nothing was recorded"),
    "every rule called not applicable": (hollow, INCOMPLETE, "MUSTs are undecided"),
}  # fmt: skip


def told(result: Any) -> str:
    return " | ".join(each.reason for each in result.checks if each.code is result.exit_code)


@pytest.mark.parametrize("name", [*UNSIGNED, *SIGNED])
def test_a_forger_is_told_off(passed: Path, tmp_path: Path, name: str) -> None:
    trust = policy(tmp_path, BUSAN)
    if name in UNSIGNED:
        forge, code, says = UNSIGNED[name]
        path = changed(passed, tmp_path, forge)
    else:
        forge, code, says = SIGNED[name]
        try:
            path = resigned(passed, tmp_path, forge)
        except (Refusal, ValueError):  # our own packer refuses; a forger has one of his own
            path = packages.by_hand(passed, tmp_path, forge)
    result = check(path, trust)
    assert result.exit_code is code, told(result)
    assert says in told(result)
    assert result.conformant is None


def test_parts_of_two_valid_packages_make_no_third(passed: Path, other: Path, tmp_path: Path) -> None:
    """Any half of one with the other half of the other, the signed list from either."""
    trust, theirs = policy(tmp_path, BUSAN), packages.unpack(other)
    groups: dict[str, Callable[[str], bool]] = {
        "evidence": lambda name: name.startswith(layout.EVIDENCE),
        "attestations": lambda name: name.startswith(layout.ATTESTATIONS),
        "list and statements": lambda name: name.startswith(layout.ATTESTATIONS) or name == layout.SUMS,
        "list and evidence": lambda name: name.startswith(layout.EVIDENCE) or name == layout.SUMS,
        "matrix and roll-up": lambda name: name in (layout.MATRIX, layout.VERDICTS),
    }
    for what, belongs in groups.items():

        def swap(held: Contents, belongs: Callable[[str], bool] = belongs) -> None:
            for name in [name for name in held if belongs(name)]:
                del held[name]
            held.update({name: data for name, data in theirs.items() if belongs(name)})

        result = check(changed(passed, tmp_path, swap), trust)
        assert result.exit_code is INTEGRITY, what


def test_counts_altered_and_signed_by_a_stranger(tmp_path: Path) -> None:
    """The failed run of a vendor, made good and signed by somebody whom the reader does not know."""
    failed = make(tmp_path, outcomes={cheating.FAILED: Outcome.FAILED})
    better = resigned(
        failed, tmp_path, cheating.line(cheating.FAILED, outcome="passed"), signer=key("stranger")
    )
    result = check(better, policy(tmp_path, BUSAN))
    assert (result.exit_code, "is not in" in told(result)) == (UNTRUSTED, True)
    assert check(better, None).exit_code is UNTRUSTED


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gold run with an audit and the verdict of a body that saw both."""
    path = beside.audited(make(tmp_path_factory.mktemp("gold"), level=Level.GOLD), auditor())
    name = layout.beside("audit", auditor().keyid)
    with open_package(path) as files:
        inputs = tuple(
            vsa.Resource(uri=each, digest=attestation.Digest(files.digest(each)))
            for each in (layout.RUN_BUNDLE, layout.TEST_RESULT, name)
        )
    return beside.decided(path, auditor("body"), input_attestations=inputs)


def test_a_verdict_does_not_outlive_what_it_rests_on(gold: Path, tmp_path: Path) -> None:
    """Another audit in the place of the one that the body read: the same auditor, another day."""
    asked = policy(tmp_path, BUSAN, LAB, BODY, levels={"gold": {"require": ["auditor", "registry"]}})
    assert check(gold, asked).exit_code is ExitCode.OK
    name = layout.beside("audit", auditor().keyid)
    later = beside.predicate(gold, percent=30)
    data = attestation.make(audit.PREDICATE, later, beside.sums(gold), auditor())
    result = check(changed(gold, tmp_path, lambda held: held.update({name: data})), asked)
    assert (result.exit_code, f"Body decided on {name}" in told(result)) == (UNTRUSTED, True)
    gone = changed(
        gold, tmp_path, lambda held: [held.pop(each) for each in (name, f"keys/{auditor().keyid}.pub")]
    )
    assert check(gone, asked).exit_code is UNTRUSTED


def test_a_verdict_on_nothing_counts_for_nothing(tmp_path: Path) -> None:
    path = beside.audited(make(tmp_path, level=Level.GOLD), auditor())
    nothing = vsa.Resource(uri="somewhere", digest=attestation.Digest("b" * 64))
    beside.decided(path, auditor("body"), input_attestations=(nothing,))
    asked = policy(tmp_path, BUSAN, LAB, BODY, levels={"gold": {"require": ["auditor", "registry"]}})
    result = check(path, asked)
    assert (result.exit_code, f"decided on {layout.RUN_BUNDLE}" in told(result)) == (UNTRUSTED, True)


def test_the_checkpoint_of_another_log_proves_nothing(passed: Path, tmp_path: Path) -> None:
    """The log's own key under the name of another log: a test log is not the register."""
    signer = packages.ed_key()
    real = note.named("body.example/log", signer.public)
    entry = canonical_json({"seq": 0, "type": "register", "statement": beside.sums(passed)})
    leaf = tree.leaf(entry)
    asked = policy(tmp_path, BUSAN, log=str(real), levels={"bronze": {"registered": True}})

    def proof(origin: str, who: note.Verifier, data: bytes = entry) -> Path:
        signed = note.sign(note.Checkpoint(origin, 1, tree.root([leaf])), signer, who)
        made = register_proof.render(data, 0, [], signed)
        return changed(passed, tmp_path, lambda held: held.update({layout.PROOF: made}))

    assert check(proof(real.name, real), asked).exit_code is ExitCode.OK
    another = note.named("test.example/log", signer.public)
    swapped = canonical_json({"seq": 0, "type": "nonce", "statement": beside.sums(passed)})
    for forged, says in (
        (("test.example/log", another), "not signed by body.example/log"),
        (("test.example/log", real), "is of the log 'test.example/log', not of body.example/log"),
        ((real.name, real, swapped), "the entry is not in the log at that place"),
    ):
        result = check(proof(*forged), asked)
        assert (result.exit_code, says in told(result)) == (INTEGRITY, True), told(result)
