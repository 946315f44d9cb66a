"""What this machine allows of many connections, said before they are opened, and how to raise it."""

import ipaddress
import math
import resource
import socket
from pathlib import Path

import msgspec

RESERVE = 256
"""Descriptors that a process needs for other things."""
PORT_SHARE = 0.85
"""Of the ephemeral ports of an address that a run uses: closed ones rest for a minute."""
FIRST_OWN = 2
"""127.0.0.2 and up are the source addresses on loopback."""
MEMORY_KIB = 12
"""Measured per connection at our end, with TLS some 40 more."""
TLS_KIB = 40


class Limits(msgspec.Struct, frozen=True):
    """How many connections there can be, and from where."""

    wanted: int
    possible: int
    """At our end; what the target allows shows in the run."""
    processes: int
    per_process: int
    """Connections that one process can hold."""
    sources: tuple[str, ...]
    """Local addresses; empty for the system's choice of one."""
    words: tuple[str, ...]
    """What limits them and how to raise it."""


def judge(wanted: int, host: str, *, tls: bool, sources: tuple[str, ...] = ()) -> Limits:
    """Look at descriptors, ports and memory.

    Args:
        wanted: connections.
        host: of the target.
        tls: whether they are encrypted.
        sources: local addresses that may be used; on loopback they are chosen here.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    per_process = (1 << 20 if hard == resource.RLIM_INFINITY else hard) - RESERVE
    ports = int(_ephemeral() * PORT_SHARE)
    addresses = math.ceil(wanted / ports)
    words = []
    if not sources and _is_v4_loopback(host) and addresses > 1:
        sources = tuple(f"127.0.0.{FIRST_OWN + number}" for number in range(min(addresses, 250)))
    from_ports = ports * max(1, len(sources))
    if from_ports < wanted:
        words.append(
            f"{max(1, len(sources))} source address(es) have ports for {from_ports} connections: name "
            f"{addresses} with --source, or widen net.ipv4.ip_local_port_range"
        )
    from_memory = _free_kib() // (MEMORY_KIB + (TLS_KIB if tls else 0))
    if from_memory < wanted:
        words.append(f"the free memory is enough for about {from_memory} connections at our end")
    table = _number("/proc/sys/net/netfilter/nf_conntrack_max")
    if table is not None and table < wanted:
        words.append(
            f"the firewall follows at most {table} connections: sysctl net.netfilter.nf_conntrack_max"
        )
    possible = max(1, min(wanted, from_ports, from_memory, table or wanted))
    processes = max(1, math.ceil(possible / per_process))
    words.append(
        f"{per_process} connections for each process of ours (ulimit -n {hard}), {processes} are used; "
        "a target on this machine has the same limit for each of its processes"
    )
    return Limits(wanted, possible, processes, per_process, sources, tuple(words))


def _is_v4_loopback(host: str) -> bool:
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None, socket.AF_INET)}
        return bool(found) and all(ipaddress.ip_address(one).is_loopback for one in found)
    except (OSError, UnicodeError, ValueError):
        return False


def _ephemeral() -> int:
    """Ports that the system gives to outgoing connections, per local address."""
    try:
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        return 16384  # RFC 6335 6: the dynamic ports
    return last - first + 1


def _free_kib() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    except (OSError, StopIteration, ValueError):
        return 1 << 30


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
