"""Defects of security on stream and broker (P4 8.3): strangers served, rights widened, limits off."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from reference_server.auth import READ, Principal
from reference_server.faults.broker import _takes_over
from reference_server.faults.fault import Fault, wrap
from reference_server.faults.stream_tools import always
from reference_server.faults.stream_wire import _any_caller
from reference_server.messaging import rights
from reference_server.messaging.allowances import Meter
from reference_server.mqtt import login
from reference_server.mqtt.broker import Broker
from reference_server.stream import handshake

Make = Callable[..., Any]
GUEST = Principal("guest", "viewer", frozenset({READ}), None, 1000, 60.0)


def _guests(principal: Make) -> Make:
    """A client without user name is a guest."""

    def wrong(keyring: Any, user: Any, password: Any, certificate: Any) -> Any:
        if user is None and password is None:
            return GUEST
        return principal(keyring, user, password, certificate)

    return wrong


def _any_cookie(authenticate: Make) -> Make:
    """A cookie of any value is enough."""

    def wrong(keyring: Any, headers: Any, certificate: Any) -> Any:
        if b"cookie" in headers and b"x-api-key" not in headers:
            return GUEST
        return authenticate(keyring, headers, certificate)

    return wrong


def _everything(may: Make) -> Make:
    """A filter that names no branch is not looked at."""
    return lambda caller, pattern: pattern.split("/")[0] in ("#", "+") or may(caller, pattern)


def _branchless(may: Make) -> Make:
    """A wildcard in place of the branch passes."""

    def wrong(caller: Any, pattern: str) -> bool:
        levels = pattern.split("/")
        return (len(levels) > 2 and levels[2] == "+") or bool(may(caller, pattern))

    return wrong


def _any_city(patterns: Make) -> Make:
    return lambda caller, table: patterns(msgspec.structs.replace(caller, cities=None), table)


def _bytes_free(take: Make) -> Make:
    return lambda self, caller, _size: take(self, caller, 0)


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("004", "the stream serves callers without credentials", wrap(handshake, "authenticate", _any_caller)),
    ("004-cookie", "any cookie opens the stream", wrap(handshake, "authenticate", _any_cookie)),
    ("004-guest", "the broker has guests", wrap(login, "principal", _guests)),
    ("004-takeover", "a client id takes over another user's session", wrap(Broker, "open", _takes_over)),
    ("007", "a filter for everything delivers everything", wrap(rights, "may_subscribe", _everything)),
    ("007-branch", "a plus in place of the branch passes", wrap(rights, "may_subscribe", _branchless)),
    ("007-city", "topics of all cities are open", wrap(rights, "patterns", _any_city)),
    ("007-says", "everybody may say everything", wrap(rights, "may_publish", always(True))),
    ("019", "devices are not limited", wrap(Meter, "take", always(True))),
    ("019-bytes", "only messages are counted, however large", wrap(Meter, "take", _bytes_free)),
)


def faults() -> Iterator[Fault]:
    """Every defect of security on the live doors."""
    for key, why, install in TABLE:
        yield Fault(f"DTC-SEC-{key}", f"DTC-SEC-{key[:3]}", why, install)
