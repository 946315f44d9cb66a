"""The crosswalk (Annex G): where each requirement meets documents of adjacent programmes, as CSV.

A row says where to look, not that another programme accepts the result: each has its own rules of evidence.
"""

import csv
import io

from dtc_cli.core.report import Report

COLUMNS = ("requirement", "clause", "title", "level", "outcome", "programme", "document", "place")

Place = tuple[str, str, str]
"""Programme, document, place in it."""

SCHEMA: Place = ("JSON Schema", "Draft 2020-12 Validation", "6")
CITYGML: Place = ("OGC", "CityGML 3.0 Conceptual Model (20-010)", "7")
FEATURES: Place = ("OGC", "API - Features Part 1 (17-069r4)", "7")
ITEMS: Place = ("OGC", "API - Features Part 1 (17-069r4)", "7.15")
SENSORTHINGS: Place = ("OGC", "SensorThings API 1.1 (18-088)", "8")
HTTP: Place = ("IETF", "RFC 9110", "15")
TLS: Place = ("IETF", "RFC 8446", "9")
QUALITY: Place = ("ISO/IEC", "25010 (product quality)", "performance efficiency")

TABLE: dict[str, tuple[Place, ...]] = {
    "phase1/Coordinate system validation": (("ISO", "19111", "coordinates"), ("IETF", "RFC 7946", "4")),
    "phase1/Data type correctness": (SCHEMA, CITYGML),
    "phase1/GeoJSON compliance": (("IETF", "RFC 7946", "3"),),
    "phase1/JSON schema validation": (SCHEMA, ("IETF", "RFC 8259", "2")),
    "phase1/Required fields presence": (SCHEMA, CITYGML),
    "phase1/Timestamp format": (("IETF", "RFC 3339", "5.6"), ("ISO", "8601-1", "date and time")),
    "phase1/Value range validation": (SCHEMA,),
    "phase2/Authentication mechanisms": (("IETF", "RFC 6750", "2"), ("OWASP", "ASVS 4.0.3", "V2")),
    "phase2/Error handling": (HTTP, ("IETF", "RFC 9457", "3")),
    "phase2/Filtering and sorting": (ITEMS,),
    "phase2/Pagination": (ITEMS,),
    "phase2/REST endpoint availability": (FEATURES, ("OpenAPI Initiative", "OpenAPI 3.1", "4")),
    "phase2/Rate limiting": (("IETF", "RFC 6585", "4"), ("OWASP", "API Security Top 10 2023", "API4")),
    "phase2/Request/response format": (HTTP, ("IETF", "RFC 8259", "2")),
    "phase3/Heartbeat mechanism": (("IETF", "RFC 6455", "5.5"),),
    "phase3/MQTT connectivity": (("OASIS", "MQTT 5.0", "3.1"),),
    "phase3/Message format": (("IETF", "RFC 8259", "2"),),
    "phase3/QoS levels": (("OASIS", "MQTT 5.0", "4.3"),),
    "phase3/Reconnection logic": (("IETF", "RFC 6455", "7.2.3"), ("OASIS", "MQTT 5.0", "4.4")),
    "phase3/TLS encryption": (TLS, ("IEC", "62443-3-3", "FR 4")),
    "phase3/WebSocket connection": (("IETF", "RFC 6455", "4"),),
    "phase4/Data synchronization": (("ISO/IEC", "30173 (digital twin concepts)", "synchronization"),),
    "phase4/Event propagation": (("ISO/IEC", "30173 (digital twin concepts)", "synchronization"),),
    "phase4/GIS system integration": (FEATURES, CITYGML),
    "phase4/IoT platform connectivity": (SENSORTHINGS, ("OASIS", "MQTT 5.0", "3")),
    "phase4/Performance benchmarks": (QUALITY,),
    "phase4/Scalability tests": (QUALITY,),
    "performance/Concurrent connections: 100,000+": (QUALITY,),
    "performance/Data ingestion: 50,000 sensors": (QUALITY,),
    "performance/Latency: p99 < 100ms": (QUALITY,),
    "performance/Query response: < 500ms": (QUALITY,),
    "performance/Throughput: 10,000 req/s": (QUALITY,),
    "security/Authentication bypass attempts": (("OWASP", "ASVS 4.0.3", "V2"), ("IEC", "62443-3-3", "FR 1")),
    "security/Authorization checks": (("OWASP", "ASVS 4.0.3", "V4"), ("IEC", "62443-3-3", "FR 2")),
    "security/CSRF protection": (("OWASP", "ASVS 4.0.3", "V4.2"),),
    "security/Rate limit enforcement": (("OWASP", "API Security Top 10 2023", "API4"),),
    "security/SQL injection resistance": (("OWASP", "ASVS 4.0.3", "V5.3"), ("IEC", "62443-3-3", "FR 3")),
    "security/TLS configuration": (("OWASP", "ASVS 4.0.3", "V9"), TLS, ("IEC", "62443-3-3", "FR 4")),
    "security/XSS protection": (("OWASP", "ASVS 4.0.3", "V5.3"),),
    "none/annex evidence": (
        ("SLSA", "Verification Summary Attestation 1", "whole"),
        ("OWASP", "CycloneDX 1.5", "whole"),
        ("ISO/IEC", "17065 (certification bodies)", "7"),
    ),
}
"""A check of the standard to where it meets others; each check of the catalogue has its line."""


def render(report: Report) -> bytes:
    """One line for each requirement and place, with a line of headings (RFC 4180, UTF-8, CRLF)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in report.requirements:
        for place in TABLE.get(row.check, ()):
            writer.writerow((row.id, row.clause, row.title, row.level.value, row.outcome.value, *place))
    return out.getvalue().encode("utf-8", "backslashreplace")
