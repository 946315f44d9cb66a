"""The public door of the harness: all that a suite may use.

A suite module reads like this::

    from dtc_cli.harness.suite import Twin, expect, verifies

    @verifies("DTC-P2-022", negative=True)
    def test_reading_an_unknown_object(twin: Twin) -> None:
        answer = twin.rest.get("/cities/{city}/objects/no-such-object")
        expect.error(answer, {404}, {"OBJECT_NOT_FOUND"}, clause="P2 9.1")

One vector judges one requirement. What it needs from others it asks of `twin.scratch`, which ends the
vector as blocked, with the id of the requirement to look at, when it cannot be had.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from dtc_cli.clients import packets
from dtc_cli.clients.answer import Answer, TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.credentials import NOBODY, Credential
from dtc_cli.clients.headers import http_date
from dtc_cli.clients.mqtt import Arrived, MqttLink
from dtc_cli.clients.rest import quote
from dtc_cli.clients.signatures import signature
from dtc_cli.clients.stream import Received, StreamLink
from dtc_cli.clients.tls import Handshake
from dtc_cli.core.catalogue import load as catalogue
from dtc_cli.core.model import Outcome
from dtc_cli.core.records import NOT_BY_DOCUMENT, judge
from dtc_cli.core.records.cases import Case, Want, judge_answer, load_cases
from dtc_cli.harness import expect
from dtc_cli.harness.background import Scene, Watch
from dtc_cli.harness.outcomes import Blocked, NotApplicable, NotTested, Tolerated, Violation
from dtc_cli.harness.own_client import Part
from dtc_cli.harness.twin import Twin
from dtc_cli.load.refusal import LoadRefused
from dtc_cli.paths import SUITES

if TYPE_CHECKING:
    # Without the extra `load` there are no such things at run time; suites import them for their types only.
    from dtc_cli.load.crowd import Crowded
    from dtc_cli.load.ingestion import Ingested
    from dtc_cli.load.objectives import Verdict as LoadVerdict
    from dtc_cli.load.result import Result as LoadResult

__all__ = [
    "NOBODY",
    "NOT_BY_DOCUMENT",
    "RECORD_VECTORS",
    "Answer",
    "Arrived",
    "Blocked",
    "Case",
    "Credential",
    "Crowded",
    "Handshake",
    "Ingested",
    "LoadRefused",
    "LoadResult",
    "LoadVerdict",
    "MqttLink",
    "NotApplicable",
    "NotTested",
    "Outcome",
    "Part",
    "Received",
    "Scene",
    "StreamLink",
    "TargetMisbehaves",
    "TargetUnreachable",
    "Tolerated",
    "Twin",
    "Violation",
    "Want",
    "background",
    "catalogue",
    "expect",
    "http_date",
    "judge",
    "judge_answer",
    "load_cases",
    "packets",
    "quote",
    "signed",
    "verifies",
]

RECORD_VECTORS = SUITES / "phase1" / "vectors"
"""The folder of record vectors, found from a checkout and from an installed wheel alike."""


def background(watch: Watch, *, client: bool = False) -> pytest.MarkDecorator:
    """Mark a vector that judges what a watch saw: it runs beside the other vectors from the run's beginning.

    The vector gets what the watch returned from `twin.observed(watch)`.

    Args:
        watch: what to watch.
        client: it needs the target's own client; without one it is not started.
    """
    return pytest.mark.background.with_args(watch, client=client)


def signed(twin: Twin, message: Mapping[str, Any]) -> bytes:
    """The signature of a message with the key of the target file (P3 8.4)."""
    assert twin.target.signing is not None  # noqa: S101 - asked by the vector's condition
    return signature(message, twin.target.signing, twin.credentials.signing_key)


def verifies(
    requirement: str, *, negative: bool = False, hazard: str = "read", title: str = ""
) -> pytest.MarkDecorator:
    """Mark a test as a vector of a requirement.

    Args:
        requirement: catalogue id, for example `DTC-P2-013`.
        negative: the vector shows what a conformant target refuses.
        hazard: what running it does to the target: read, write, destructive, load or security.
        title: one line for reports; by default made from the function's name.
    """
    polarity = "negative" if negative else "positive"
    mark: pytest.MarkDecorator = pytest.mark.verifies(
        requirement=requirement, polarity=polarity, hazard=hazard, title=title
    )
    return mark
