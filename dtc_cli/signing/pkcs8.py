"""PKCS#8 for private keys, encrypted with a key derivation that is slow enough for a passphrase.

The library's own encryption derives with 2,048 rounds, which a graphics card tries a million times a second.
So the envelope (RFC 8018 PBES2) is written here; any PKCS#8 reader, openssl too, opens it.
"""

import base64
import os

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

ROUNDS = 600_000  # OWASP's figure for PBKDF2 with SHA-256
SALT_BYTES = 16
KEY_BYTES = 32

# Object identifiers in DER, with their tag and length.
PBES2 = bytes.fromhex("06092a864886f70d01050d")
PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
HMAC_SHA256 = bytes.fromhex("06082a864886f70d0209")
AES_256_CBC = bytes.fromhex("060960864801650304012a")
NULL = b"\x05\x00"
INTEGER, OCTET_STRING, SEQUENCE = 0x02, 0x04, 0x30


def plain(private: PrivateKey) -> bytes:
    """The key as unencrypted PKCS#8 in PEM form."""
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def encrypted(private: PrivateKey, secret: bytes, rounds: int = ROUNDS) -> bytes:
    """The key as PKCS#8 in PEM form under PBKDF2-HMAC-SHA-256 and AES-256-CBC."""
    salt, vector = os.urandom(SALT_BYTES), os.urandom(algorithms.AES.block_size // 8)
    derived = PBKDF2HMAC(hashes.SHA256(), KEY_BYTES, salt, rounds).derive(secret)
    padder = padding.PKCS7(algorithms.AES.block_size).padder()
    data = padder.update(_der(private)) + padder.finalize()
    encryptor = Cipher(algorithms.AES(derived), modes.CBC(vector)).encryptor()
    derivation = _tlv(
        SEQUENCE,
        PBKDF2
        + _tlv(
            SEQUENCE,
            _tlv(OCTET_STRING, salt) + _integer(rounds) + _tlv(SEQUENCE, HMAC_SHA256 + NULL),
        ),
    )
    cipher = _tlv(SEQUENCE, AES_256_CBC + _tlv(OCTET_STRING, vector))
    scheme = _tlv(SEQUENCE, PBES2 + _tlv(SEQUENCE, derivation + cipher))
    whole = _tlv(SEQUENCE, scheme + _tlv(OCTET_STRING, encryptor.update(data) + encryptor.finalize()))
    text = base64.b64encode(whole).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    label = "ENCRYPTED PRIVATE KEY"
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _der(private: PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _tlv(tag: int, content: bytes) -> bytes:
    """Tag, length and value in DER."""
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def _integer(value: int) -> bytes:
    return _tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))
