"""Load is a hazard: it goes only where the target file allows it, and to hosts of others only by name."""

import ipaddress
import socket
import urllib.parse

from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError


def refuse(target: Target, named: tuple[str, ...]) -> None:
    """Stop unless this target may be loaded.

    Args:
        target: what is to be loaded.
        named: hosts that the user named with `--yes-load`.

    Raises:
        DtcError: `hazard` when the target file does not allow load, or the host is neither local nor named.
    """
    if target.base_url is None:
        raise DtcError(
            "target-file",
            "the target file has no rest.base_url to load",
            where=target.source,
            hint="rest: {base_url: ...}",
        )
    if "load" not in target.hazards:
        raise DtcError(
            "hazard",
            "the target file does not allow load",
            where=target.where("hazards"),
            why="a load can slow down or stop a server that others use",
            hint="hazards: [read, write, load]   once its owner agrees",
        )
    host = urllib.parse.urlsplit(target.base_url).hostname or ""
    if host not in named and not is_loopback(host):
        raise DtcError(
            "hazard",
            f"{host} is not this machine",
            where=target.where("rest.base_url"),
            why="a load on a server of others is an attack unless they agreed",
            hint=f"--yes-load {host}   says that they did",
        )


def is_loopback(host: str) -> bool:
    """Whether every address of a host is a loopback address."""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(addresses) and all(
        ipaddress.ip_address(address.split("%")[0]).is_loopback for address in addresses
    )
