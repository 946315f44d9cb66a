"""Who a client is: the login of P3 8.2, by user name, password and client certificate."""

from mqtt5 import ConnAckReasonCode, Will

from reference_server.auth import Keyring, Principal, by_authorization
from reference_server.errors import ApiError
from reference_server.messaging import rights
from reference_server.mqtt.broker import RefusedError

API_KEY, OAUTH = "api-key", "oauth"  # P3 8.2.1, 8.2.2; C-71


def principal(
    keyring: Keyring, user: str | None, password: bytes | None, certificate: str | None
) -> Principal:
    """The caller of a CONNECT.

    Raises:
        RefusedError: 0x86 for wrong user name or password, 0x87 for none at all or a certificate of nobody.
    """
    try:
        owner = None if certificate is None else keyring.by_certificate(certificate)
    except ApiError as problem:
        raise RefusedError(ConnAckReasonCode.NOT_AUTHORIZED, problem.message) from problem
    if user is None and password is None:
        if owner is None:
            raise RefusedError(ConnAckReasonCode.NOT_AUTHORIZED, "log in as api-key or oauth")
        return owner
    secret = (password or b"").decode("utf-8", "surrogateescape")
    try:
        if user == API_KEY:
            return keyring.by_key(secret)
        if user == OAUTH:
            return by_authorization(keyring, f"Bearer {secret}")
    except ApiError as problem:
        raise RefusedError(ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, problem.message) from problem
    raise RefusedError(ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, "the user name is api-key or oauth")


def check_will(caller: Principal, will: Will | None) -> None:
    """Refuse a will that the caller could not publish itself.

    Raises:
        RefusedError: 0x87.
    """
    if will is not None and not rights.may_publish(caller, will.topic):
        raise RefusedError(ConnAckReasonCode.NOT_AUTHORIZED, "the will's topic is not the client's")
