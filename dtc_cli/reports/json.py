"""The report as JSON: the whole model, camelCase, two spaces of indentation."""

import msgspec

from dtc_cli.core.report import Report


def render(report: Report) -> bytes:
    """The model as UTF-8 JSON. The place the run was read from is left out: it is no part of the result."""
    model = msgspec.to_builtins(report)
    del model["folder"]
    return msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n"
