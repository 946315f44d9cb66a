"""The services of Sigstore on loopback: an authority with its log, a Rekor v2 log, time stamps.

One small server plays all of them. Certificates and log are made here; stamps are made by `openssl ts`.
"""

import base64
import json
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import note, tree

WHO, ISSUER = "ci@works.example", "https://accounts.works.example"
SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
TSA = """[tsa]
default_tsa = it
[it]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A key and its self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = built(subject, subject, key.public_key(), days=30)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    made = made.add_extension(usage(sign=True), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return key, made.sign(key, hashes.SHA256())


def built(subject: x509.Name, issuer: x509.Name, public: Any, *, days: float) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=days))
    )


def usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=sign, crl_sign=sign, encipher_only=False, decipher_only=False,
    )  # fmt: skip


class World:
    """All services with their keys; `root` is what a reader pins, `config` what a signer uses."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.ca_key, self.ca = authority("test authority")
        self.ct_key = ec.generate_private_key(ec.SECP256R1())
        self.log_key = ed25519.Ed25519PrivateKey.generate()
        self.log = note.named("log.example", self.log_key.public_key())
        self.leaves: list[bytes] = []
        self.tsa_key, self.tsa_ca = authority("stamp authority")
        own = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stamps")])
        leaf = built(name, self.tsa_ca.subject, own.public_key(), days=20)
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        leaf = leaf.add_extension(usage(sign=False), critical=True)
        self.tsa = leaf.sign(self.tsa_key, hashes.SHA256())
        (folder / "tsa.pem").write_bytes(self.tsa.public_bytes(Encoding.PEM))
        (folder / "tsa.key").write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "tsa.cnf").write_text(TSA.format(folder=folder))
        (folder / "serial").write_text("01\n")

    @property
    def root(self) -> dict[str, Any]:
        since = {"start": "2020-01-01T00:00:00Z"}

        def who(*chain: x509.Certificate) -> dict[str, Any]:
            certificates = [{"rawBytes": b64(each.public_bytes(Encoding.DER))} for each in chain]
            return {
                "subject": {"organization": "test", "commonName": "test"}, "uri": self.url,
                "certChain": {"certificates": certificates}, "validFor": since,
            }  # fmt: skip

        def log(key: Any, details: str, identifier: bytes) -> dict[str, Any]:
            return {
                "baseUrl": self.url, "hashAlgorithm": "SHA2_256", "logId": {"keyId": b64(identifier)},
                "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": details, "validFor": since},
            }  # fmt: skip

        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log_key, "PKIX_ED25519", self._log_id())],
            "ctlogs": [log(self.ct_key, "PKIX_ECDSA_P256_SHA_256", sha256(spki(self.ct_key)).digest())],
            "certificateAuthorities": [who(self.ca)],
            "timestampAuthorities": [who(self.tsa, self.tsa_ca)],
        }

    @property
    def config(self) -> dict[str, Any]:
        def service(path: str, version: int) -> dict[str, Any]:
            return {
                "url": self.url + path, "majorApiVersion": version, "operator": "test",
                "validFor": {"start": "2020-01-01T00:00:00Z"},
            }  # fmt: skip

        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.root,
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service("", 1)],
                "oidcUrls": [service("", 1)],
                "rekorTlogUrls": [service("", 2)],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": [service("/tsa", 1)],
                "tsaConfig": {"selector": "ANY"},
            },
        }

    def token(self, who: str = WHO) -> str:
        """An identity token; nobody but this authority would take it."""
        now = int(time.time())
        # It outlives any run, also on a machine that is busy.
        claims = {"iss": ISSUER, "aud": "sigstore", "sub": who, "email": who, "iat": now, "exp": now + 86_400}
        return jwt.encode(claims, "only for this test authority, no secret", algorithm="HS256")

    def certify(self, request: bytes, token: str) -> dict[str, Any]:
        """A certificate for the name in the token, with the promise of the certificate log inside."""
        who = jwt.decode(token, options={"verify_signature": False})["email"]
        asked = x509.load_pem_x509_csr(base64.b64decode(json.loads(request)["certificateSigningRequest"]))
        made = built(x509.Name([]), self.ca.subject, asked.public_key(), days=10 / 1440)
        made = made.add_extension(usage(sign=False), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        made = made.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(who)]), critical=True)
        made = made.add_extension(x509.UnrecognizedExtension(ISSUER_V1, ISSUER.encode()), critical=False)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca_key.public_key()), critical=False
        )
        now = int(time.time() * 1000)
        bare = made.add_extension(x509.UnrecognizedExtension(SCTS, self._scts(now, b"")), critical=False)
        draft = bare.sign(self.ca_key, hashes.SHA256())
        body = draft.tbs_precertificate_bytes
        signed = struct.pack("!BBQH", 0, 0, now, 1) + sha256(spki(self.ca_key)).digest()
        signed += len(body).to_bytes(3, "big") + body + b"\0\0"
        promise = self.ct_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        final = made.add_extension(x509.UnrecognizedExtension(SCTS, self._scts(now, promise)), critical=False)
        chain = [final.sign(self.ca_key, hashes.SHA256()), self.ca]
        texts = [each.public_bytes(Encoding.PEM).decode() for each in chain]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": texts}}}

    def take_in(self, request: bytes) -> dict[str, Any]:
        """An entry of the log, with its proof."""
        asked = json.loads(request)["hashedRekordRequestV002"]
        spec = {
            "data": {"algorithm": "SHA2_256", "digest": asked["digest"]},
            "signature": asked["signature"],
        }
        body = canonical_json(
            {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": spec}}
        )
        self.leaves.append(tree.leaf(body))
        index, top = len(self.leaves) - 1, tree.root(self.leaves)
        text = f"{self.log.name}\n{len(self.leaves)}\n{b64(top)}\n"
        signature = b64(self._log_id()[:4] + self.log_key.sign(text.encode()))
        return {
            "logIndex": str(index),
            "logId": {"keyId": b64(self._log_id())},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": b64(top),
                "treeSize": str(len(self.leaves)),
                "hashes": [b64(each) for each in tree.inclusion(self.leaves, index)],
                "checkpoint": {"envelope": f"{text}\n{note.DASH}{self.log.name} {signature}\n"},
            },
            "canonicalizedBody": b64(body),
        }

    def stamp(self, query: bytes) -> bytes:
        """What `openssl ts` answers."""
        (self.folder / "query").write_bytes(query)
        subprocess.run(
            [
                "openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem",
                "-inkey", "tsa.key", "-out", "answer",
            ],
            cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip
        return (self.folder / "answer").read_bytes()

    def _log_id(self) -> bytes:
        raw = self.log_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return sha256(self.log.name.encode() + b"\n" + note.ED25519 + raw).digest()

    def _scts(self, now: int, signature: bytes) -> bytes:
        """The extension's content: a list of one promise (RFC 6962 3.3), as an OCTET STRING."""
        one = b"\0" + sha256(spki(self.ct_key)).digest() + struct.pack("!QH", now, 0)
        one += b"\4\3" + struct.pack("!H", len(signature)) + signature
        listed = struct.pack("!H", len(one)) + one
        text = struct.pack("!H", len(listed)) + listed
        size = bytes([len(text)]) if len(text) < 128 else b"\x81" + bytes([len(text)])
        return b"\4" + size + text


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """The services, on a free port of the loopback, until the block ends."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/api/v2/signingCert":
                token = self.headers["authorization"].removeprefix("Bearer ")
                self._answer(json.dumps(world.certify(data, token)).encode(), 200)
            elif self.path == "/api/v2/log/entries":
                self._answer(json.dumps(world.take_in(data)).encode(), 201)
            elif self.path == "/tsa":
                self._answer(world.stamp(data), 201)
            else:
                self._answer(b"no such service", 404)

        def _answer(self, data: bytes, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = False
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder, f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
