"""What stands at the root of the origin, open to all: /health and /ready (P4 7.1)."""

import time

from reference_server import STANDARD, VERSION
from reference_server.rest import exports
from reference_server.rest.call import Call, Reply, reply_json


async def health(call: Call) -> Reply:
    """GET /health: the process answers."""
    shown = {
        "status": "healthy",
        "version": VERSION,
        "standard": STANDARD,
        "uptime": round(time.monotonic() - call.world.started, 3),
    }
    return reply_json(shown, headers={"cache-control": "no-store"})


async def ready(call: Call) -> Reply:
    """GET /ready: 200 once the storage answers, else 503."""
    answers = call.world.ready and await call.world.storage.city(call.world.settings.city) is not None
    status = 200 if answers else 503
    return reply_json({"ready": answers}, status, {"cache-control": "no-store"})


async def metrics(call: Call) -> Reply:
    """GET /metrics: counters in the text format of Prometheus."""
    lines = [
        "# HELP dtc_twin_answers_total Answers by method, operation or error code, and status.",
        "# TYPE dtc_twin_answers_total counter",
    ]
    for (method, name, status), n in sorted(call.world.answers.items()):
        shown = method if method.isalpha() else "OTHER"
        labels = f'method="{shown[:10]}",operation="{name}",status="{status}"'
        lines.append(f"dtc_twin_answers_total{{{labels}}} {n}")
    lines += ["# HELP dtc_twin_entities Stored entities.", "# TYPE dtc_twin_entities gauge"]
    for city in await call.world.storage.cities():
        counters = await call.world.storage.counters(city.no)
        for kind in ("object", "sensor"):
            n = sum(int(value) for name, value in counters.items() if name.startswith(f"{kind}:"))
            lines.append(f'dtc_twin_entities{{city="{city.id}",kind="{kind}"}} {n}')
        lines.append(f'dtc_twin_readings_total{{city="{city.id}"}} {call.world.readings[city.id]}')
    stream, bus = call.world.stream, call.world.messaging.bus
    for name, kind, n in (
        ("dtc_twin_stream_connections", "gauge", len(stream)),
        ("dtc_twin_stream_too_slow_total", "counter", stream.slow),
        ("dtc_twin_messages_total", "counter", bus.published),
        ("dtc_twin_exports_under_way", "gauge", exports.under_way()),
        ("dtc_twin_exported_bytes_total", "counter", call.world.exported),
    ):
        lines += [f"# TYPE {name} {kind}", f"{name} {n}"]
    uptime = time.monotonic() - call.world.started
    lines += ["# TYPE dtc_twin_uptime_seconds gauge", f"dtc_twin_uptime_seconds {uptime:.3f}", ""]
    return Reply(200, "\n".join(lines).encode(), media_type=b"text/plain; version=0.0.4; charset=utf-8")
