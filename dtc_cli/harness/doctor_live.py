"""The preflight of the live doors: stream and broker are there and take the admin key."""

from collections.abc import Callable, Iterator

from dtc_cli.clients.answer import TargetUnreachable
from dtc_cli.clients.credentials import Credential
from dtc_cli.clients.stream import SUBPROTOCOL
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.harness.checks import Check
from dtc_cli.harness.outcomes import VectorOutcome
from dtc_cli.harness.twin import Twin

CLIENT_ID = "dtc-doctor"


def checks(twin: Twin) -> Iterator[Check]:
    """A check for each live door that the target file names, and for what mutual TLS and signing need."""
    target = twin.target
    if target.stream_url:
        yield _guarded("stream", twin, _stream)
    if target.mqtt_url:
        yield _guarded("mqtt", twin, _mqtt)
    yield from _claims(target)


def _guarded(name: str, twin: Twin, examine: Callable[[Twin, str], Check]) -> Check:
    where = twin.target.where(f"{name}.url")
    try:
        return examine(twin, where)
    except TargetUnreachable as problem:
        return Check(f"{name}-unreachable", "fail", str(problem), _hint(str(problem), name), where)
    except DtcError as problem:
        return Check(f"{name} certificates", "fail", problem.what, problem.hint, where)
    except VectorOutcome as outcome:
        return Check(name, "fail", str(outcome), "", where)


def _credential(twin: Twin) -> Credential:
    return twin.credentials.role("admin" if "admin" in twin.credentials.roles else "none")


def _stream(twin: Twin, where: str) -> Check:
    link = twin.stream.open(as_=_credential(twin))
    link.drop()
    if link.status in (401, 403):
        hint = "check auth.api_keys.admin; the key travels in the header X-API-Key of the upgrade"
        return Check("stream", "fail", f"the admin key is refused with {link.status}", hint, where)
    if not link.is_open:
        detail = f"an upgrade at {twin.stream.url} is answered with {link.status}, not with 101"
        hint = "stream.url is the address of the WebSocket: wss://host/digital-twin-city/v1/stream"
        return Check("stream", "fail", detail, hint, where)
    chosen = link.headers.get("sec-websocket-protocol", "no subprotocol")
    return Check("stream", "ok" if chosen == SUBPROTOCOL else "warn", f"upgraded with {chosen}")


def _mqtt(twin: Twin, where: str) -> Check:
    link = twin.mqtt.connect(CLIENT_ID, as_=_credential(twin))
    answer = link.connack
    link.drop()
    if answer is None or answer.kind != "CONNACK":
        came = answer.error or answer.kind if answer else "nothing"
        detail = f"CONNECT at {twin.mqtt.url} is not answered with CONNACK ({came})"
        return Check("mqtt", "fail", detail, "mqtt.url is the address of an MQTT 5 broker", where)
    if answer.packet.reason:
        detail = f"the admin key is refused with reason {answer.packet.reason:#04x}"
        hint = "user name api-key, the key as password (P3 8.2.1); the broker must speak MQTT 5"
        return Check("mqtt", "fail", detail, hint, where)
    return Check("mqtt", "ok", "CONNACK, reason 0")


def _claims(target: Target) -> Iterator[Check]:
    if target.declares.get("mtls") and not (target.stream_tls.cert or target.mqtt_tls.cert):
        detail = "declares.mtls is set, but the run has no client certificate: DTC-P3-082 stays not tested"
        hint = "stream.client_cert and stream.client_key, or those of mqtt"
        yield Check("mutual TLS", "warn", detail, hint, target.where("declares.mtls"))
    if target.declares.get("signing") and target.signing is None:
        detail = "declares.signing is set, but the run has no key to sign with: DTC-P3-086 stays not tested"
        hint = "auth.signing: {algorithm: HMAC-SHA256, key_id: ..., secret: env:NAME}"
        yield Check("signing", "warn", detail, hint, target.where("declares.signing"))


def _hint(problem: str, name: str) -> str:
    text = problem.lower()
    if "certificate" in text or "ssl" in text or "tls" in text:
        return f"the TLS certificate is not accepted: give {name}.ca, or use the host name that stands in it"
    if "refused" in text:
        return f"nothing listens there: start it, or check host and port in {name}.url"
    return f"check {name}.url and firewalls"
