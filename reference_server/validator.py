"""`python -m reference_server validate`: the server's own rules on a file (P1 7, 8)."""

from pathlib import Path
from typing import Any

from reference_server import instants, strictjson
from reference_server.rules import record
from reference_server.rules.findings import Findings


def judge(raw: bytes, *, fragment: bool = False, threshold: float | None = None) -> Findings:
    """All violations in the text of a document; text that is not JSON is one violation (DTC-P1-001)."""
    try:
        document = strictjson.loads(raw)
    except strictjson.BadJsonError as problem:
        found = Findings()
        found.add(1, "ERR_INVALID_TYPE", "", f"a record is one UTF-8 JSON object: {problem}")
        return found
    return record.judge(document, now_us=instants.now_us(), fragment=fragment, threshold=threshold)


def verdict(found: Findings) -> dict[str, Any]:
    """The answer of a validator: {"valid", "errors": [{"code", "pointer", "message"}]}.

    Of the SHOULDs only offline sensors are listed; they leave `valid` as it is (P1 7.3).
    """
    errors = [{"code": item.code, "pointer": item.pointer, "message": item.message} for item in found]
    return {"valid": all(item.warning for item in found), "errors": errors}


def judge_file(path: Path, *, fragment: bool, threshold: float | None) -> dict[str, Any]:
    """The verdict on a file.

    Raises:
        OSError: the file cannot be read.
    """
    return verdict(judge(path.read_bytes(), fragment=fragment, threshold=threshold))
