"""Asking a target what it has, before a load is put on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from dtc_cli.clients.answer import TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.credentials import Credentials
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.rest import Rest
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.load import scenario


@contextmanager
def answering(target: Target) -> Iterator[None]:
    """Silence and nonsense of the target become a message to people.

    Raises:
        DtcError: `target-unreachable`.
    """
    try:
        yield
    except (TargetUnreachable, TargetMisbehaves) as problem:
        raise DtcError(
            "target-unreachable",
            f"no load can be prepared on {target.name}",
            where=target.where("rest.base_url"),
            why=str(problem),
            hint="dtc doctor looks at the address, the port and the keys",
            exit_code=ExitCode.CANNOT_DECIDE,
        ) from problem


def explored(target: Target, credentials: Credentials, recorder: Recorder, *, mix: str) -> scenario.City:
    """What the city has that a mix of requests needs.

    Raises:
        DtcError: `load-data`.
        TargetUnreachable, TargetMisbehaves: inside `answering` they are told to people.
    """
    rest = Rest(
        target.base_url or "",
        city=target.city,
        credentials=credentials,
        recorder=recorder,
        timeout_s=target.timeout_s,
        ca=target.ca,
        certificate=target.rest_tls,
    )
    try:
        return scenario.explore(rest, mix=mix)
    finally:
        rest.close()
