"""From a violated rule of phase 1 to the API's refusal.

P2 names on the wire, the ERR_ code in details.rule.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from reference_server.errors import ApiError
from reference_server.rules.findings import Finding

OBJECT_CODES: Mapping[str, str] = {
    "ERR_INVALID_GEOMETRY": "INVALID_GEOMETRY",
    "ERR_OUT_OF_BOUNDS": "OUT_OF_BOUNDS",
    "ERR_DUPLICATE_ID": "DUPLICATE_OBJECT",
    "ERR_MISSING_REFERENCE": "OBJECT_NOT_FOUND",
    "ERR_INVALID_CITY_ID": "INVALID_CITY_DATA",
}


def refuse(findings: Iterable[Finding], code: str = "VALIDATION_ERROR", **ids: Any) -> None:
    """Raise for the first finding, naming all of them; `code` where the rule has no API name of its own.

    Raises:
        ApiError: when there is a finding.
    """
    items = [item for item in findings if not item.warning]
    if not items:
        return
    first = items[0]
    details = {
        **ids,
        "rule": first.code,
        "field": first.pointer.lstrip("/").replace("/", "."),
        "violations": [
            {"rule": item.code, "pointer": item.pointer, "message": item.message} for item in items[:50]
        ],
    }
    # a reference to something absent is a fault of the request, not of its path
    status = 400 if first.code == "ERR_MISSING_REFERENCE" else None
    raise ApiError(OBJECT_CODES.get(first.code, code), first.message, details, status=status)
