"""What a server is started with."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

BASE_PATH = "/digital-twin-city/v1"  # P2 4.1
DEFAULT_CITY = "KR-BUSAN-2025"
OTHER_CITY = "KR-ULSAN-2025"
"""A second, small city, in which the key `other_city` has its rights."""


class ExternalBroker(msgspec.Struct, frozen=True):
    """An MQTT 5 broker that the twin is a client of, and how it logs in there."""

    url: str
    client_id: str
    user: str | None = None
    password: bytes | None = None
    ca: Path | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `python -m reference_server`; allowances are requests per window and client."""

    host: str = "127.0.0.1"
    port: int = 0
    db: Path | None = None
    """None keeps the state in a temporary file that is removed at the end."""
    city: str = DEFAULT_CITY
    objects: int = 150
    seed: int = 2025
    sensors: int | None = None
    """How many to generate; None means as many as suit the objects."""
    days: float = 1
    """How many days of readings to generate."""
    write_target: Path | None = None
    quality_threshold: float | None = None
    """Readings below it are refused with DATA_QUALITY_LOW; None accepts every label."""
    allowance: int = 1000  # P4 3.2.1: 1000 requests per minute and client
    window_s: float = 60.0
    global_allowance: int = 1_200_000
    """Of all clients together; the standard's 10,000 a minute (P4 3.2.1) would stop a load run at 167/s."""
    body_limit: int = 10 * 1024 * 1024
    body_timeout_s: float = 30.0
    import_limit: int = 4 * 1024**3
    """Bytes that the body of an import may take."""
    key_grace_s: int = 24 * 3600
    """How long a replaced key holds when its owner names no other time."""
    faults: tuple[str, ...] = ()
    validator_faults: tuple[str, ...] = ()
    stop_on_stdin_eof: bool = False
    require_if_match: bool = False
    tls_cert: Path | None = None
    """Certificate chain (PEM) with which every door speaks TLS 1.3; None serves in the clear."""
    tls_key: Path | None = None
    tls_ca: Path | None = None
    """The authority that the target file names."""
    client_cert: Path | None = None
    """Certificate that the target file tells clients to show, with its key."""
    client_key: Path | None = None
    client_ca: Path | None = None
    """Clients must show a certificate of this authority (P3 8.2.3)."""
    heartbeat_s: float = 30.0  # P3 4.1.3
    pong_s: float = 10.0  # P3 4.1.3
    allowed_origins: tuple[str, ...] = ()
    """Origins of pages that may open the stream, beside those of this server; `*` allows all."""
    alert_thresholds: Mapping[str, float] = msgspec.field(default_factory=lambda: {"air_quality": 100.0})
    """A reading above its parameter's threshold raises an alert (D-34; P4 7.2)."""
    mqtt_broker: ExternalBroker | None = None
    """An external broker; the twin then opens no MQTT door of its own."""
    mqtt_port: int | None = 0
    """None opens no MQTT door; 0 takes a free port. Without TLS it listens on the loopback only."""
