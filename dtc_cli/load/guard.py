"""Load is a hazard: it goes only where the target file allows it, and to hosts of others only by name."""

import ipaddress
import socket
import urllib.parse
from collections.abc import Mapping

from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

DOORS: Mapping[str, tuple[str, ...]] = {"connections": ("stream", "mqtt"), "ingestion": ("mqtt",)}
"""The live doors that a kind of load uses besides the API; every other kind uses none."""


def refuse(target: Target, named: tuple[str, ...], kind: str = "") -> None:
    """Stop unless every address that this load is going to use may be loaded.

    Args:
        target: what is to be loaded.
        named: hosts that the user named with `--yes-load`.
        kind: of the load, as `DOORS` names them; any other uses the API alone.

    Raises:
        DtcError: `hazard` when the target file does not allow load, or a host is neither local nor named;
            `target-unreachable` when nobody knows the address of a live door that was named.
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
    live = {"stream": target.stream_url, "mqtt": target.mqtt_url}
    doors = {f"{name}.url": url for name in DOORS.get(kind, ()) if (url := live[name])}
    agreed = {_plain(one) for one in named}
    hosts = {key: _host(url) for key, url in {"rest.base_url": target.base_url, **doors}.items()}
    for key, host in hosts.items():
        if _plain(host) not in agreed and not is_loopback(host):
            raise DtcError(
                "hazard",
                f"{host} is not this machine",
                where=target.where(key),
                why="a load on a server of others is an attack unless they agreed",
                hint=f"--yes-load {host}   says that they did",
            )
    # Whether the API answers is seen when the load is prepared; the doors are not tried before the load.
    for key in doors:
        if not _addresses(hosts[key]):
            raise DtcError(
                "target-unreachable",
                f"no address is known for {hosts[key]}",
                where=target.where(key),
                why="the name cannot be resolved from this machine",
                hint="dtc doctor looks at the address, the port and the keys",
                exit_code=ExitCode.CANNOT_DECIDE,
            )


def is_loopback(host: str) -> bool:
    """Whether every address of a host is a loopback address."""
    addresses = _addresses(host)
    return bool(addresses) and all(
        ipaddress.ip_address(address.split("%")[0]).is_loopback for address in addresses
    )


def _addresses(host: str) -> set[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return set()


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or ""


def _plain(host: str) -> str:
    """A host as it is compared: names know no upper case, and IPv6 goes without its brackets."""
    return host.lower().strip("[]").rstrip(".")
