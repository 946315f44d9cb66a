"""`python -m reference_server`: serve, or `seed`, `validate`, `client`, `certs make`, `faults`."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from reference_server.settings import ExternalBroker

INTERRUPTED = 130

# Each command imports its own part: `validate` is started hundreds of times by a certification.


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0, 2 for bad usage or an unreadable file, 130 when Ctrl-C came before the end."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {
        "validate": _validate,
        "faults": _faults,
        "certs": _certs,
        "client": _client,
        "seed": _seed,
    }
    try:
        if arguments and arguments[0] in commands:
            return commands[arguments[0]](arguments[1:])
        return _serve(arguments)
    except KeyboardInterrupt:  # a server that is ready ends by itself, with 0
        print("stopped before it was done", file=sys.stderr)  # noqa: T201
        return INTERRUPTED


def _seed(arguments: Sequence[str]) -> int:
    import argparse

    from reference_server import seeding
    from reference_server.rules.record import CITY_ID
    from reference_server.settings import DEFAULT_CITY

    parser = argparse.ArgumentParser(
        prog="python -m reference_server seed", description="Generate a city of any size into a new database."
    )
    parser.add_argument("--db", type=Path, required=True, help="the database file to make")
    parser.add_argument("--city", default=DEFAULT_CITY, help="id of the city")
    parser.add_argument("--objects", type=int, default=150)
    parser.add_argument("--sensors", type=int, help="without it, as many as suit the objects")
    parser.add_argument("--days", type=float, default=1, help="days of readings up to the present")
    parser.add_argument("--seed", type=int, default=2025, help="the same seed makes the same city")
    parser.add_argument("--at", metavar="INSTANT", help="the present of the city (RFC 3339); without it, now")
    options = parser.parse_args(arguments)
    if not CITY_ID.fullmatch(options.city):
        parser.error("--city must look like KR-BUSAN-2025")
    if options.objects < 40 or (options.sensors or 0) < 0 or not 0 < options.days <= 366:
        parser.error("--objects must be at least 40, --sensors not negative, --days above 0 and at most 366")
    return seeding.run(options)


def _fault_option(parser: "argparse.ArgumentParser") -> None:
    parser.add_argument(
        "--fault", action="append", default=[], metavar="ID", help="break one requirement on purpose"
    )


def _install(parser: "argparse.ArgumentParser", ids: Sequence[str]) -> None:
    if not ids:
        return
    from reference_server.faults import table

    unknown = [name for name in ids if name not in table.FAULTS]
    if unknown:
        parser.error(f"there is no fault {unknown[0]}; `python -m reference_server faults` lists them")
    table.install(ids)


def _validating(ids: Sequence[str]) -> list[str]:
    """Which faults have a half in the validator; its command carries those alone."""
    if not ids:
        return []
    from reference_server.faults import refusals

    return [name for name in ids if name in refusals.INSTALLERS]


def _serve(arguments: Sequence[str]) -> int:
    import argparse

    from reference_server import serve
    from reference_server.rules.record import CITY_ID
    from reference_server.settings import DEFAULT_CITY, Settings

    parser = argparse.ArgumentParser(
        prog="python -m reference_server",
        description="Serve a generated city. Others: validate FILE, client URL, certs make DIR, faults.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--db", type=Path, help="database file; without one the state is dropped at the end")
    parser.add_argument(
        "--write-target", type=Path, metavar="FILE", help="write a ready target file, keys beside it"
    )
    parser.add_argument("--city", default=DEFAULT_CITY, help="id of the generated city")
    parser.add_argument("--objects", type=int, default=150, help="how many objects to generate")
    parser.add_argument("--sensors", type=int, help="how many to generate; without it, as many as suit")
    parser.add_argument("--days", type=float, default=1, help="days of readings to generate")
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--quality-threshold", type=float, help="refuse readings below this quality, 0..1")
    parser.add_argument(
        "--body-timeout",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds that a client may take over headers, a body, or a piece of an export",
    )
    parser.add_argument(
        "--require-if-match", action="store_true", help="refuse changes without If-Match (428)"
    )
    parser.add_argument(
        "--mqtt-port",
        type=_port,
        default=0,
        metavar="PORT",
        help="0 takes a free one, none opens no MQTT door",
    )
    _broker_options(parser)
    _tls_options(parser)
    _stream_options(parser)
    parser.add_argument("--stop-on-stdin-eof", action="store_true", help="end when stdin closes")
    _fault_option(parser)
    options = parser.parse_args(arguments)
    if not CITY_ID.fullmatch(options.city):
        parser.error("--city must look like KR-BUSAN-2025")
    if not 0 <= options.port <= 65535:
        parser.error("--port must lie in 0..65535")
    if options.objects < 0 or (options.sensors or 0) < 0 or not 0 <= options.days <= 366:
        parser.error("--objects and --sensors must not be negative, --days must lie in 0..366")
    if options.quality_threshold is not None and not 0 <= options.quality_threshold <= 1:
        parser.error("--quality-threshold must lie in 0..1")
    if not 0 < options.body_timeout < math.inf or not 0 < options.heartbeat < math.inf:
        parser.error("--body-timeout and --heartbeat must be above 0 seconds")
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key belong together")
    if options.tls_cert is None and (options.client_ca or options.tls_ca):
        parser.error("--client-ca and --tls-ca need --tls-cert and --tls-key")
    _install(parser, options.fault)
    return serve.run(
        Settings(
            host=options.host,
            port=options.port,
            db=options.db,
            city=options.city,
            objects=options.objects,
            seed=options.seed,
            sensors=options.sensors,
            days=options.days,
            write_target=options.write_target,
            quality_threshold=options.quality_threshold,
            faults=tuple(options.fault),
            validator_faults=tuple(_validating(options.fault)),
            require_if_match=options.require_if_match,
            body_timeout_s=options.body_timeout,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            tls_ca=options.tls_ca,
            client_ca=options.client_ca,
            client_cert=options.client_cert,
            client_key=options.client_key,
            mqtt_port=options.mqtt_port,
            mqtt_broker=_broker(parser, options),
            allowed_origins=tuple(options.allow_origin),
            heartbeat_s=options.heartbeat,
            alert_thresholds=dict(options.alert_threshold or [("air_quality", 100.0)]),
            stop_on_stdin_eof=options.stop_on_stdin_eof,
        )
    )


def _stream_options(parser: "argparse.ArgumentParser") -> None:
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="pages of this origin may open the stream, beside those of this server; * allows all",
    )
    parser.add_argument(
        "--heartbeat", type=float, default=30.0, metavar="S", help="ask silent clients for a sign of life"
    )
    parser.add_argument(
        "--alert-threshold",
        action="append",
        type=_threshold,
        metavar="PARAMETER=VALUE",
        help="readings above it raise an alert; air_quality=100 by default",
    )


def _threshold(text: str) -> tuple[str, float]:
    from argparse import ArgumentTypeError

    name, _, value = text.partition("=")
    try:
        limit = float(value)
    except ValueError:
        limit = math.nan
    if not name or not math.isfinite(limit):
        raise ArgumentTypeError("must look like air_quality=100")
    return name, limit


def _port(text: str) -> int | None:
    from argparse import ArgumentTypeError

    number = None
    if text != "none":
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
        if not 0 <= number <= 65535:
            raise ArgumentTypeError("must be a port, 0 for a free one, or none")
    return number


def _broker_options(parser: "argparse.ArgumentParser") -> None:
    parser.add_argument(
        "--mqtt-broker",
        metavar="URL",
        help="use this MQTT 5 broker (mqtt:// or mqtts://), not an own one",
    )
    parser.add_argument(
        "--mqtt-broker-login", type=Path, metavar="FILE", help="file that holds user:password"
    )
    parser.add_argument("--mqtt-broker-ca", type=Path, metavar="PEM", help="authority of the broker")
    parser.add_argument(
        "--mqtt-client-id", metavar="ID", help="client identifier at the broker; each twin needs its own"
    )


def _broker(parser: "argparse.ArgumentParser", options: "argparse.Namespace") -> "ExternalBroker | None":
    from urllib.parse import urlsplit

    from reference_server.settings import ExternalBroker as Broker

    if options.mqtt_broker is None:
        return None
    parts = urlsplit(options.mqtt_broker)
    try:
        usable = parts.scheme in ("mqtt", "mqtts") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc:
        parser.error("--mqtt-broker must look like mqtts://host:8883, the login in --mqtt-broker-login")
    user = password = None
    if options.mqtt_broker_login is not None:
        try:
            user, _, secret = options.mqtt_broker_login.read_text(encoding="utf-8").strip().partition(":")
        except (OSError, UnicodeDecodeError) as problem:
            parser.error(f"--mqtt-broker-login cannot be read: {problem}")
        password = secret.encode()
    client_id = options.mqtt_client_id or f"dtc-twin-{options.city}"
    return Broker(options.mqtt_broker, client_id, user, password, options.mqtt_broker_ca)


def _tls_options(parser: "argparse.ArgumentParser") -> None:
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="serve TLS 1.3 with this certificate")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its private key")
    parser.add_argument(
        "--tls-ca", type=Path, metavar="PEM", help="authority that the target file tells clients to trust"
    )
    parser.add_argument(
        "--client-ca",
        type=Path,
        metavar="PEM",
        help="mutual TLS: clients need a certificate of this authority",
    )
    parser.add_argument(
        "--client-cert", type=Path, metavar="PEM", help="client certificate for the target file"
    )
    parser.add_argument("--client-key", type=Path, metavar="PEM", help="its private key")


def _certs(arguments: Sequence[str]) -> int:
    import argparse

    from reference_server import certs

    parser = argparse.ArgumentParser(
        prog="python -m reference_server certs", description="Certificates for development and tests."
    )
    make = parser.add_subparsers(dest="command", required=True).add_parser(
        "make", help="write an authority and certificates signed by it"
    )
    make.add_argument("folder", type=Path)
    make.add_argument(
        "--host", action="append", default=[], help="further name or address of the server; localhost is one"
    )
    make.add_argument(
        "--client",
        action="append",
        default=[],
        metavar="NAME",
        help="a client certificate of that credential",
    )
    options = parser.parse_args(arguments)
    try:
        written = certs.make(options.folder, hosts=options.host, clients=options.client)
    except (OSError, ValueError) as problem:
        print(f"error: no certificates in {options.folder}: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps({"written": [str(path) for path in written]}, ensure_ascii=False))  # noqa: T201
    return 0


def _validate(arguments: Sequence[str]) -> int:
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        # The usual case by itself: to read options takes longer than to judge a record.
        return _judge(Path(arguments[0]), fragment=False, threshold=None)
    import argparse

    parser = argparse.ArgumentParser(prog="python -m reference_server validate")
    parser.add_argument("file", type=Path)
    parser.add_argument("--fragment", action="store_true", help="judge only what is there")
    parser.add_argument("--quality-threshold", type=float, help="report data below this quality, 0..1")
    _fault_option(parser)
    options = parser.parse_args(arguments)
    if _validating(options.fault) == options.fault:
        _install_refusals(options.fault)
    else:
        _install(parser, options.fault)
    return _judge(options.file, fragment=options.fragment, threshold=options.quality_threshold)


def _judge(file: Path, *, fragment: bool, threshold: float | None) -> int:
    from reference_server import validator

    try:
        verdict = validator.judge_file(file, fragment=fragment, threshold=threshold)
    except OSError as problem:
        print(f"error: cannot read {file}: {problem.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps(verdict, ensure_ascii=False))  # noqa: T201
    return 0


def _install_refusals(ids: Sequence[str]) -> None:
    # The whole table imports the whole server, and this runs thousands of times.
    if ids:
        from reference_server.faults import refusals

        for name in ids:
            refusals.INSTALLERS[name]()


def _client(arguments: Sequence[str]) -> int:
    import argparse

    from reference_server import client

    parser = argparse.ArgumentParser(add_help=False)
    _fault_option(parser)
    options, rest = parser.parse_known_args(arguments)
    _install(parser, options.fault)
    return client.command(rest)


def _faults(arguments: Sequence[str]) -> int:
    import argparse

    from reference_server.faults import table

    argparse.ArgumentParser(prog="python -m reference_server faults").parse_args(arguments)
    listed = [
        {"id": name, "requirement": one.requirement, "why": one.why} for name, one in table.FAULTS.items()
    ]
    print(json.dumps(listed, indent=1, ensure_ascii=False))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
