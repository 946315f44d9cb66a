"""The rules of phase 1 put to one record, and the requirements that no record can show."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dtc_cli.core.records.envelope import judge_envelope
from dtc_cli.core.records.features import is_geojson_form, judge_geojson
from dtc_cli.core.records.finding import Judgement, Settings, Sheet
from dtc_cli.core.records.objects import judge_objects
from dtc_cli.core.records.parsing import not_an_object
from dtc_cli.core.records.placement import Frame
from dtc_cli.core.records.references import Index, judge_ids, judge_references
from dtc_cli.core.records.sensors import judge_network
from dtc_cli.core.records.simulations import judge_simulations
from dtc_cli.core.records.values import is_object

NOT_BY_DOCUMENT: Mapping[str, str] = {
    "DTC-P1-020": "unknown members break no document; only a validator can refuse them",
    "DTC-P1-032": "that custom attributes are accepted and kept is seen at a validator and in a round trip",
    "DTC-P1-043": "a geometry without lod breaks no rule; only a validator can refuse it",
    "DTC-P1-046": "needs a conversion to CityGML and back",
    "DTC-P1-069": "an unlisted parameter breaks no rule; only a validator can refuse it",
    "DTC-P1-088": "low quality is a state of the city; the requirement is that a validator reports it",
    "DTC-P1-089": "a silent sensor is a state of the city; the requirement is that a validator reports it",
    "DTC-P1-090": "that all violations are reported together is seen at a validator",
    "DTC-P1-091": "what is reported for the faults of P1 8 is seen at a validator",
    "DTC-P1-092": "any non-empty id is legal; only a validator can refuse one",
}
"""Requirements that no document can show to be met or broken, each with the reason.

For -088 and -089 `judge` does find the low quality and the silent sensor, as warnings about the data.
"""


def judge(
    record: object,
    *,
    now: datetime,
    fragment: bool = False,
    strict: bool = True,
    quality_threshold: float = 0.60,
    live: bool = False,
) -> Judgement:
    """All findings on a record, and how many places of it put each requirement to the test.

    No content of the record makes it raise.

    Args:
        record: the decoded JSON value; anything at all. A GeoJSON Feature(Collection) is judged by P1 6.2.
        now: the validator's clock, aware; measurements later than 60 s after it are in the future (C-09).
        fragment: judge only the parts present (C-07): the five compulsory members may be missing, and a
            reference is looked up only where the collection it leads to is in the fragment.
        strict: a city object without `properties` is an error; in schema mode (False) a warning (C-03).
        quality_threshold: data quality below it is reported as ERR_QUALITY_LOW (P1 7.3, C-12).
        live: the record is the whole present state of a city: unresolved references are errors (C-06), and
            the silence of a sensor is measured against `now` instead of the record's timestamp.

    Raises:
        ValueError: if `now` has no zone.
    """
    settings = Settings(
        now=now, fragment=fragment, strict=strict, quality_threshold=quality_threshold, live=live
    )
    sheet = Sheet(settings)
    sheet.holds("DTC-P1-001", is_object(record))
    if not is_object(record):
        sheet.findings.append(not_an_object(record))
    elif is_geojson_form(record):
        judge_geojson(record, sheet)
    else:
        frame = judge_envelope(record, sheet)
        judge_objects(record, frame, sheet)
        judge_rest(record, frame, sheet)
    return sheet.judgement()


def judge_rest(record: dict[str, Any], frame: Frame, sheet: Sheet) -> None:
    """Judge what comes after the city objects; of them only ids, sensors and capacities matter here."""
    index = Index(record)
    if "sensorNetwork" in record:
        judge_network(record["sensorNetwork"], frame, index.capacities(), sheet)
    judge_simulations(record, sheet)
    judge_ids(index, sheet)
    judge_references(index, sheet)


def merge(judgements: list[Judgement]) -> Judgement:
    """The findings and counts of several documents as one, in their order."""
    total: Counter[str] = Counter()
    for one in judgements:
        total.update(one.exercised)
    findings = tuple(finding for one in judgements for finding in one.findings)
    return Judgement(findings=findings, exercised=dict(sorted(total.items())))
