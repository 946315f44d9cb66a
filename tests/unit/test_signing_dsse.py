"""DSSE: the exact bytes, agreement with openssl and an independent library, and what is refused."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # exported, but not for mypy

from dtc_cli.signing import bundle, dsse, public_keys
from dtc_cli.signing.keys import Key
from dtc_cli.signing.refusal import Refusal
from tests.support.packages import ed_key, key

KIND = "application/vnd.in-toto+json"


def other_key(signer: Key) -> SSlibKey:
    return SSlibKey.from_crypto(signer.public, signer.keyid)


def test_pae_is_the_text_of_the_specification() -> None:
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_counts_bytes_not_characters() -> None:
    assert dsse.pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(kind=st.text(), payload=st.binary(max_size=300))
def test_pae_agrees_with_an_independent_library(kind: str, payload: bytes) -> None:
    assert dsse.pae(kind, payload) == OtherEnvelope(payload, kind, {}).pae()


@pytest.mark.parametrize("signer", [key(), ed_key()], ids=["p256", "ed25519"])
def test_an_independent_library_accepts_our_envelope(signer: Key) -> None:
    made = dsse.sign(b'{"a":1}', KIND, signer).to_json()
    OtherEnvelope.from_dict(json.loads(json.dumps(made))).verify([other_key(signer)], 1)
    spoilt = {**made, "payload": base64.b64encode(b'{"a":2}').decode()}
    with pytest.raises(VerificationError):
        OtherEnvelope.from_dict(spoilt).verify([other_key(signer)], 1)


def test_openssl_accepts_our_p256_signature(tmp_path: Path) -> None:
    made = dsse.sign(b"payload", KIND, key())
    (tmp_path / "key.pub").write_bytes(public_keys.to_pem(key().public))
    (tmp_path / "sig").write_bytes(made.signatures[0].sig)
    (tmp_path / "pae").write_bytes(dsse.pae(KIND, b"payload"))
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pub", "-signature", "sig", "pae"]
    assert (
        "Verified OK"
        in subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    )


def test_we_accept_a_signature_that_openssl_made(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "k.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "pae").write_bytes(dsse.pae(KIND, b"payload"))
    subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", "k.pem", "-out", "sig", "pae"], cwd=tmp_path, check=True
    )
    pem = subprocess.run(
        ["openssl", "pkey", "-in", "k.pem", "-pubout"], cwd=tmp_path, check=True, capture_output=True
    ).stdout
    public = public_keys.read_pem(pem)
    envelope = dsse.Envelope(b"payload", KIND, (dsse.Signature("", (tmp_path / "sig").read_bytes()),))
    assert dsse.verify(envelope, [public]) == {public_keys.keyid(public)}


@pytest.mark.parametrize("signer", [key(), ed_key()], ids=["p256", "ed25519"])
def test_another_payload_type_or_key_does_not_fit(signer: Key) -> None:
    made = dsse.sign(b"x", KIND, signer)
    renamed = dsse.Envelope(made.payload, KIND + "x", made.signatures)
    with pytest.raises(Refusal, match="0 of 1"):
        dsse.verify(renamed, [signer.public])
    with pytest.raises(Refusal, match="0 of 1"):
        dsse.verify(made, [key("stranger").public])


def test_a_threshold_counts_keys_not_signatures() -> None:
    one = dsse.sign(b"x", KIND, key()).signatures[0]
    two = dsse.sign(b"x", KIND, ed_key()).signatures[0]
    again = dsse.Signature("another-hint", one.sig)
    keys = [key().public, ed_key().public]
    with pytest.raises(Refusal, match="1 of 2"):
        dsse.verify(dsse.Envelope(b"x", KIND, (one, again)), keys, threshold=2)
    assert len(dsse.verify(dsse.Envelope(b"x", KIND, (one, two)), keys, threshold=2)) == 2


def test_a_signer_that_signs_something_else_is_noticed() -> None:
    class Liar(Key):
        def sign(self, data: bytes) -> bytes:
            return super().sign(data + b"!")

    liar = Liar(ec.generate_private_key(ec.SECP256R1()), name="liar", role="vendor", path=None)
    with pytest.raises(Refusal, match="does not fit its public key"):
        dsse.sign(b"x", KIND, liar)


def test_url_safe_base64_is_read_too() -> None:
    made = dsse.sign(b"\xfb\xff\xfe", KIND, key())
    value = made.to_json()
    assert "+" in value["payload"] or "/" in value["payload"]
    value["payload"] = base64.urlsafe_b64encode(made.payload).decode()
    value["signatures"][0]["sig"] = base64.urlsafe_b64encode(made.signatures[0].sig).decode()
    assert dsse.parse(value) == made


@pytest.mark.parametrize(
    "text",
    [
        "QQ",
        "QQ=",
        "QR==",
        "QQ==\n",
        " QQ==",
        "Q Q=",
        "+-==",
        "QQ==QQ==",
        "é",
        "Q\x00==",
        "====",
        5,
        None,
        ["QQ=="],
    ],
    ids=repr,
)
def test_base64_with_another_reading_is_refused(text: Any) -> None:
    with pytest.raises(Refusal, match="not base64"):
        dsse.decode_base64(text, "it")


def good() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(bundle.render(dsse.sign(b"{}", KIND, key())))
    return value


def spoil(value: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    """Set a member; `path` is dotted, a number is a list index, `...` as new value removes it."""
    *way, last = path.split(".")
    node: Any = value
    for step in way:
        node = node[int(step)] if isinstance(node, list) else node[step]
    if new is ...:
        del node[last]
    else:
        node[last] = new
    return value


def test_a_bundle_is_read_back() -> None:
    read = bundle.parse(json.dumps(good()).encode(), "it")
    assert read.keyid == key().keyid
    assert read.envelope.payload == b"{}"
    assert (read.entries, read.stamps, read.identity) == ((), (), None)


def test_carried_log_entries_and_stamps_are_read() -> None:
    value = spoil(good(), "verificationMaterial.tlogEntries", [{"logIndex": "1"}])
    value = spoil(
        value,
        "verificationMaterial.timestampVerificationData",
        {"rfc3161Timestamps": [{"signedTimestamp": "AA=="}]},
    )
    read = bundle.parse(json.dumps(value).encode(), "it")
    assert (read.entries, read.stamps) == (({"logIndex": "1"},), (b"\0",))
    more = bundle.parse(bundle.extended(read, [{"logIndex": "2"}], [b"\1"]), "it")
    assert (len(more.entries), more.stamps, more.envelope) == (2, (b"\0", b"\1"), read.envelope)


SPOILT: list[tuple[str, Any]] = [
    ("mediaType", "application/vnd.dev.sigstore.bundle.v0.1+json"),
    ("mediaType", ...),
    ("extra", 1),
    ("verificationMaterial", ...),
    ("verificationMaterial", []),
    ("verificationMaterial", {"certificate": {"rawBytes": "QQ=="}}),
    ("verificationMaterial.publicKey", {}),
    ("verificationMaterial.publicKey.hint", "0" * 64),
    ("verificationMaterial.publicKey.more", 1),
    ("verificationMaterial.tlogEntries", 5),
    ("verificationMaterial.timestampVerificationData", 5),
    ("verificationMaterial.timestampVerificationData", {"rfc3161Timestamps": 5}),
    ("dsseEnvelope", ...),
    ("dsseEnvelope", None),
    ("dsseEnvelope.payload", "%%"),
    ("dsseEnvelope.payload", ...),
    ("dsseEnvelope.payloadType", 7),
    ("dsseEnvelope.signatures", []),
    ("dsseEnvelope.signatures", {}),
    ("dsseEnvelope.signatures.0.keyid", 5),
    ("dsseEnvelope.signatures.0.keyid", ...),
    ("dsseEnvelope.signatures.0.sig", ...),
    ("dsseEnvelope.signatures.0.cert", "x"),
]


@pytest.mark.parametrize(("path", "new"), SPOILT, ids=[f"{path}={new}"[:60] for path, new in SPOILT])
def test_a_spoilt_bundle_is_refused(path: str, new: Any) -> None:
    with pytest.raises(Refusal):
        bundle.parse(json.dumps(spoil(good(), path, new)).encode(), "it")


def test_a_second_signature_is_refused() -> None:
    value = good()
    value["dsseEnvelope"]["signatures"].append(value["dsseEnvelope"]["signatures"][0])
    with pytest.raises(Refusal, match="2 signatures"):
        bundle.parse(json.dumps(value).encode(), "it")


def test_a_huge_bundle_is_refused_unread() -> None:
    with pytest.raises(Refusal, match="larger"):
        bundle.parse(b" " * (bundle.MAX_BYTES + 1), "it")
