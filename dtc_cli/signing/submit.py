"""Adding a log entry and a time stamp to a bundle that was signed where no network was (two steps, C-112).

The signature stays as it is: the log and the authority speak about it. Nothing but its digest and the key
goes out.
"""

import base64
from typing import Any

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import bundle, dsse, pinned
from dtc_cli.signing.bundle import Bundle
from dtc_cli.signing.public_keys import PublicKey, algorithm

TIMEOUT_S = 60.0  # a log answers only when the entry is in a published tree
MAX_ANSWER = 1024 * 1024
DETAILS = {"ecdsa-p256-sha256": "PKIX_ECDSA_P256_SHA_256", "ed25519": "PKIX_ED25519"}


def submit(found: Bundle, key: PublicKey, *, rekor: str | None, tsa: str | None) -> bytes:
    """The bundle with what the services answered.

    Args:
        found: a key-signed bundle.
        key: the key that signed it.
        rekor: address of a Rekor v2 log; None: no entry.
        tsa: address of an RFC 3161 authority; None: no stamp.

    Raises:
        DtcError: `not-submitted`, also when an answer is about another signature; `extra-missing`.
    """
    entries = [] if rekor is None else [_logged(found, key, rekor)]
    stamps = [] if tsa is None else [_stamped(found, tsa)]
    return bundle.extended(found, entries, stamps)


def _logged(found: Bundle, key: PublicKey, rekor: str) -> dict[str, Any]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    signed = dsse.pae(found.envelope.payload_type, found.envelope.payload)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    request = {
        "hashedRekordRequestV002": {
            "digest": _b64(bytes.fromhex(sha256_hex(signed))),
            "signature": {
                "content": _b64(found.envelope.signatures[0].sig),
                "verifier": {"publicKey": {"rawBytes": _b64(der)}, "keyDetails": DETAILS[algorithm(key)]},
            },
        }
    }
    import orjson

    url = rekor.rstrip("/") + "/api/v2/log/entries"
    data = _post(url, orjson.dumps(request), "application/json")
    try:
        entry = orjson.loads(data)
        if entry["kindVersion"] != pinned.KIND or not entry["inclusionProof"]["checkpoint"]["envelope"]:
            raise ValueError("the entry has no proof, or is of another kind")
        spec = orjson.loads(base64.b64decode(entry["canonicalizedBody"]))["spec"]["hashedRekordV002"]
        if base64.b64decode(spec["signature"]["content"]) != found.envelope.signatures[0].sig:
            raise ValueError("the entry is about another signature")
    except (ValueError, LookupError, TypeError) as problem:
        raise _error(url, f"the log answered something else than an entry: {problem}") from problem
    return dict(entry)


def _stamped(found: Bundle, tsa: str) -> bytes:
    from dtc_cli.signing import keyless

    keyless.available("a time stamp")
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

    signature = found.envelope.signatures[0].sig
    query = TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA256).data(signature).build()
    data = _post(tsa, query.as_bytes(), "application/timestamp-query")
    try:
        answer = decode_timestamp_response(data)
        imprint = answer.tst_info.message_imprint.message
    except ValueError as problem:
        raise _error(tsa, f"the authority answered something else than a stamp: {problem}") from problem
    if imprint.hex() != sha256_hex(signature):
        raise _error(tsa, "the stamp is of another signature")
    return data


def _post(url: str, data: bytes, kind: str) -> bytes:
    import httpx

    try:
        answer = httpx.post(url, content=data, headers={"content-type": kind}, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise _error(url, str(problem) or type(problem).__name__) from problem
    if answer.status_code not in (200, 201) or len(answer.content) > MAX_ANSWER:
        raise _error(url, f"it answered {answer.status_code}: {answer.text[:200]!a}")
    return answer.content


def _error(url: str, why: str) -> DtcError:
    return DtcError(
        "not-submitted",
        "the signature was not taken in",
        where=url,
        why=why,
        hint="the package is unchanged; try again, or ask whoever runs the service",
        exit_code=ExitCode.CANNOT_DECIDE,
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
