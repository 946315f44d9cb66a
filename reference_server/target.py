"""The ready target file that `--write-target` leaves, and the keys beside it."""

import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from reference_server import VERSION, auth
from reference_server.messaging.allowances import ALLOWANCES
from reference_server.messaging.retention import RULES
from reference_server.settings import OTHER_CITY, Settings
from reference_server.storage.protocol import CredentialRow


class Grant(msgspec.Struct, frozen=True):
    """A key that the reference hands out: its role, where it holds, and its allowance."""

    name: str
    role: str
    everywhere: bool = False
    other: bool = False
    allowance: int | None = None
    window: float | None = None
    kind: str = "key"


class Addresses(msgspec.Struct, frozen=True):
    """Where the doors of a running twin are; None for one that is closed."""

    origin: str
    rest: str
    stream: str | None
    mqtt: str | None


SIGNING = "signing"
SIGNING_KEY_ID = "key-001"
"""The secret with which messages may be signed (P3 8.4), and the name by which they say so."""
GRANTS = (
    Grant("admin", "admin", everywhere=True),
    Grant("operator", "operator"),
    Grant("viewer", "viewer"),
    Grant("device", "device"),
    Grant("other_city", "operator", other=True),
    Grant("limited", "viewer", allowance=20, window=5.0),
    Grant("load", "admin", everywhere=True, allowance=1_000_000, window=60.0),
    Grant("dtc-client", "operator", kind="oauth"),
)


def credentials(settings: Settings) -> tuple[dict[str, str], list[CredentialRow]]:
    """Fresh secrets by name, and what is stored of them."""
    secrets: dict[str, str] = {}
    rows: list[CredentialRow] = []
    for grant in GRANTS:
        secrets[grant.name] = secret = auth.new_key()
        cities = None if grant.everywhere else (OTHER_CITY,) if grant.other else (settings.city,)
        rows.append(
            CredentialRow(
                grant.name,
                grant.kind,
                auth.digest(secret),
                grant.role,
                cities,
                grant.allowance or settings.allowance,
                grant.window or settings.window_s,
            )
        )
    return secrets, rows


def write(path: Path, settings: Settings, addresses: Addresses, secrets: Mapping[str, str]) -> None:
    """Write the target file, and each secret into a file of its own that only the owner can read."""
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for name, secret in secrets.items():
        key_file = path.parent / f"{path.stem}.{name}.key"
        write_private(key_file, secret)
        files[name] = f"file:{key_file}"
    signing = {"algorithm": "HMAC-SHA256", "key_id": SIGNING_KEY_ID, "secret": files.pop(SIGNING)}
    oauth = {
        "token_url": f"{addresses.origin}/oauth/token",
        "client_id": "dtc-client",
        "client_secret": files.pop("dtc-client"),
    }
    # Started once per record: it is told only of the faults that change what it does.
    command = [
        *_interpreter(bare=True),
        "-m",
        "reference_server",
        "validate",
        "{file}",
        *_flags(settings.validator_faults),
    ]
    document: dict[str, Any] = {
        "dtc": 1,
        "target": {"name": "Reference twin", "vendor": "dtc", "version": VERSION},
        "city": settings.city,
        "other_city": {"id": OTHER_CITY},
        "rest": {"base_url": addresses.rest, "timeout_s": 10},
        "auth": {"api_keys": files, "oauth": oauth, "signing": signing},
        "validator": {"command": command},
        "hazards": ["read", "write", "destructive", "load", "security"],
        "declares": declared(settings),
        "provoke": provoked(settings.city),
    }
    doors = {"mqtt": addresses.mqtt, "stream": addresses.stream}
    document |= {name: {"url": url} for name, url in doors.items() if url is not None}
    document["limits"] = {
        role: {"messages_per_s": one.messages, "bytes_per_s": one.bytes} for role, one in ALLOWANCES.items()
    }
    client = [*_interpreter(bare=False), "-m", "reference_server", "client", "{url}"]
    document["client"] = {"command": [*client, *_flags(settings.faults)]}
    for section in ("rest", "mqtt", "stream"):
        if section in document:
            document[section] |= _certificates(settings)
    # JSON is YAML; one member per line keeps the messages about a line useful
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in document.items()]
    write_private(path, "\n".join(lines) + "\n")


def _certificates(settings: Settings) -> dict[str, str]:
    """What a client needs to speak TLS with a door."""
    files = {"ca": settings.tls_ca, "client_cert": settings.client_cert, "client_key": settings.client_key}
    return {name: str(path.absolute()) for name, path in files.items() if path is not None}


def _interpreter(*, bare: bool) -> list[str]:
    """The running Python, told where this package lies; bare, without the set-up of installed packages.

    The validator needs the standard library only, and half of its time is the start of the interpreter.
    """
    root = Path(__file__).resolve().parent.parent
    if bare:
        return ["env", f"PYTHONPATH={root}", sys.executable, "-S"]
    if root == Path(sysconfig.get_path("purelib")).resolve():
        return [sys.executable]
    return ["env", f"PYTHONPATH={root}", sys.executable]


def declared(settings: Settings) -> dict[str, Any]:
    """What the target file declares of optional abilities."""
    declares: dict[str, Any] = {
        "cache_s": 0,
        "signing": True,
        "heartbeat": "server",
        "alert_threshold": dict(settings.alert_thresholds),
        "retention": {
            rule.pattern: {"duration_s": rule.seconds, "messages": rule.messages, "bytes": rule.bytes}
            for rule in RULES
        },
    }
    if settings.client_ca is not None:
        declares["mtls"] = True
    if settings.quality_threshold is not None:
        declares["quality_threshold"] = settings.quality_threshold
    return declares


def provoked(city: str) -> dict[str, Any]:
    """How to bring about what does not happen by itself.

    Requests below the base URL, with the key of an admin.
    """
    slow = {"event": "slow on purpose", "expectedAttendance": 5000, "repetitions": 10_000_000}
    runs = f"/cities/{city}/simulations"

    def request(method: str, path: str, body: Any) -> dict[str, Any]:
        return {"request": {"method": method, "path": path, "body": body}}

    return {
        "slow_simulation": request("POST", runs, {"type": "CrowdDynamics", "parameters": slow}),
        "failed_simulation": request(
            "POST", runs, {"type": "CrowdDynamics", "parameters": {**slow, "timeLimit": "1s"}}
        ),
        "service_status": request("PATCH", f"/cities/{city}/services/service-waste", {"status": "degraded"}),
    }


def _flags(faults: Iterable[str]) -> list[str]:
    return [word for fault in faults for word in ("--fault", fault)]


def write_private(path: Path, text: str) -> None:
    """Write a file that from its first byte on only the owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
