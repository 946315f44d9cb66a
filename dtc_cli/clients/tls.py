"""The TLS port: handshakes with a door of the target, by the library and by a ClientHello of our own."""

import json
import os
import socket
import ssl
import struct
import time

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dtc_cli.clients.answer import TargetUnreachable
from dtc_cli.clients.track import Seen, Track
from dtc_cli.clients.wire import Door, Wire

SUITES = {  # RFC 8446 B.4
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "TLS_AES_128_CCM_SHA256": 0x1304,
    "TLS_AES_128_CCM_8_SHA256": 0x1305,
}
VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_HANDSHAKE, _ALERT = 22, 21
_GROUPS = (0x001D, 0x0017, 0x0018)  # x25519, secp256r1, secp384r1
_SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0807, 0x0601)


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """How a handshake went."""

    ok: bool
    version: str = ""
    cipher: str = ""
    alpn: str = ""
    key: str = ""
    """Kind and size of the key in the server's certificate: `RSA 2048`, `EC 256`, `Ed25519`."""
    error: str = ""
    """Why it failed, as the library says it."""
    verify: str = ""
    """Why the certificate was not accepted; empty when it was, or when something else failed."""
    connected: bool = True
    """Whether there was a TCP connection at all."""
    answered: str = ""
    """What the server said after the handshake when it was asked to (HTTP or CONNACK bytes, as hex)."""


class Tls:
    """Shakes hands with the doors of a target."""

    def __init__(self, doors: dict[str, Door], track: Track, timeout_s: float) -> None:
        self.doors = doors
        self._track = track
        self._timeout_s = timeout_s

    def handshake(
        self,
        door: str,
        *,
        lowest: str = "TLSv1.2",
        highest: str = "TLSv1.3",
        verify: bool = True,
        certificate: str = "own",
        alpn: tuple[str, ...] = (),
        say: bytes = b"",
        name: str = "",
    ) -> Handshake:
        """One handshake.

        Args:
            door: a name of `doors`.
            lowest: the lowest version that is offered.
            highest: the highest one.
            verify: check chain, name and dates of the server's certificate.
            certificate: `own` (that of the target file, if any), `none`, or `other`: of an unknown CA.
            alpn: protocols to offer.
            name: ask for, and check, another name than that of the door.
            say: bytes to send afterwards; TLS 1.3 tells of a refused client certificate only then.
        """
        place = self.doors[door]
        asked = {
            "door": door, "lowest": lowest, "highest": highest, "verify": verify,
            "certificate": certificate, "alpn": list(alpn), "say": len(say), "name": name,
        }  # fmt: skip

        def perform() -> Seen:
            found = self._shake(place, lowest, highest, verify, certificate, alpn, say, name or place.host)
            return Seen(
                status=0 if found.ok else 1, data=msgspec.json.encode(found), error=found.error or None
            )

        sent = json.dumps(asked, sort_keys=True).encode()
        seen, _ = self._track.step("HANDSHAKE", self._track.label(place.url), perform, sent=sent)
        return msgspec.json.decode(seen.data, type=Handshake)

    def offer(self, door: str, suite: str) -> str:
        """Offer TLS 1.3 with this cipher suite alone; the suite that the server takes.

        Returns:
            The name of a suite, `alert <number>`, or `closed`.
        """
        place = self.doors[door]

        def perform() -> Seen:
            return Seen(status=0, data=self._offer(place, SUITES[suite]).encode())

        return self._track.step("OFFER", self._track.label(place.url), perform, sent=suite.encode())[
            0
        ].data.decode()

    def _shake(
        self, place: Door, lowest: str, highest: str, verify: bool, certificate: str,
        alpn: tuple[str, ...], say: bytes, name: str,
    ) -> Handshake:  # fmt: skip
        context = place.context(verify=verify, client_cert=certificate == "own")
        if certificate == "other":
            _foreign(context)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else our own side would refuse what the server might not
        context.minimum_version, context.maximum_version = VERSIONS[lowest], VERSIONS[highest]
        if alpn:
            context.set_alpn_protocols(list(alpn))
        try:
            raw = socket.create_connection((place.host, place.port), timeout=self._timeout_s)
        except OSError as problem:
            return Handshake(ok=False, connected=False, error=str(problem))
        with raw:
            try:
                with context.wrap_socket(raw, server_hostname=name) as tls:
                    cipher = tls.cipher()
                    found = Handshake(
                        ok=True,
                        version=tls.version() or "",
                        cipher=cipher[0] if cipher else "",
                        alpn=tls.selected_alpn_protocol() or "",
                        key=_key(tls.getpeercert(binary_form=True)),
                    )
                    # Last, because a connection that was ended for its certificate tells nothing any more.
                    return msgspec.structs.replace(found, answered=_ask(tls, say)) if say else found
            except ssl.SSLCertVerificationError as problem:
                return Handshake(ok=False, error=str(problem), verify=problem.verify_message)
            except (OSError, ssl.SSLError) as problem:
                return Handshake(ok=False, error=str(problem) or type(problem).__name__)

    def _offer(self, place: Door, suite: int) -> str:
        try:
            wire = Wire(place, self._timeout_s, plain=True)
        except TargetUnreachable as problem:
            return f"unreachable: {problem}"
        data, until = b"", time.monotonic() + self._timeout_s
        try:
            wire.send(_client_hello(place.host, suite))
            while (told := _server_said(data)) is None:
                more = wire.read(until)
                if not more:
                    return "closed" if wire.ended else "silent"
                data += more
        finally:
            wire.close()
        return told


def _ask(tls: ssl.SSLSocket, say: bytes) -> str:
    tls.sendall(say)
    return tls.recv(4096).hex()


def _foreign(context: ssl.SSLContext) -> None:
    """Load a client certificate that a CA of our own making signed."""
    import tempfile
    from pathlib import Path

    from dtc_cli.clients.certificates import self_signed

    certificate, key = self_signed("dtc-nobody")
    with tempfile.TemporaryDirectory() as folder:
        chain, secret = Path(folder, "cert.pem"), Path(folder, "key.pem")
        chain.write_bytes(certificate)
        secret.write_bytes(key)
        context.load_cert_chain(chain, secret)


def _client_hello(host: str, suite: int) -> bytes:
    name = host.encode("idna")
    extensions: list[tuple[int, bytes]] = [
        (43, b"\x02\x03\x04"),  # supported_versions: TLS 1.3 alone
        (10, _vector(b"".join(struct.pack("!H", group) for group in _GROUPS))),
        (13, _vector(b"".join(struct.pack("!H", kind) for kind in _SIGNATURES))),
        (51, _vector(struct.pack("!HH", 0x001D, 32) + os.urandom(32))),  # any 32 bytes are an x25519 key
        (45, b"\x01\x01"),
    ]
    if not host.replace(".", "").isdigit() and ":" not in host:
        extensions.insert(0, (0, _vector(b"\x00" + _vector(name))))
    packed = b"".join(struct.pack("!H", kind) + _vector(body) for kind, body in extensions)
    body = (
        b"\x03\x03" + os.urandom(32) + b"\x20" + os.urandom(32)
        + _vector(struct.pack("!H", suite)) + b"\x01\x00" + _vector(packed)
    )  # fmt: skip
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", _HANDSHAKE, 0x0301, len(message)) + message


def _vector(body: bytes) -> bytes:
    return struct.pack("!H", len(body)) + body


def _server_said(data: bytes) -> str | None:
    """What the first record of the server says; None while it is not whole."""
    if len(data) < 5:
        return None
    kind, size = data[0], int.from_bytes(data[3:5])
    if len(data) < 5 + size:
        return None
    body = data[5 : 5 + size]
    if kind == _ALERT and size >= 2:
        return f"alert {body[1]}"
    if kind != _HANDSHAKE or body[:1] != b"\x02" or len(body) < 41 + body[38]:
        return f"no ServerHello: {body[:16].hex()}"
    at = 39 + body[38]
    taken = int.from_bytes(body[at : at + 2])
    return next((name for name, number in SUITES.items() if number == taken), f"suite {taken:#06x}")


def _key(certificate: bytes | None) -> str:
    if not certificate:
        return ""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as problem:
        return f"unreadable: {problem}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.key_size}"
    return type(key).__name__.lstrip("_").removesuffix("PublicKey")
