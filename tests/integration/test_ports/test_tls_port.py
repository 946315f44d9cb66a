"""The TLS port against a server that asks for client certificates, and what a judge learns of it."""

from pathlib import Path

from dtc_cli.clients.wire import Door
from dtc_cli.core.model import Level
from dtc_cli.core.target import load
from dtc_cli.harness.reference import running
from tests.support.live_ports import Ports
from tests.support.live_suites import judge, with_outcome

GET = b"GET /health HTTP/1.1\r\nHost: dtc\r\nConnection: close\r\n\r\n"


def test_a_client_without_a_certificate_of_the_authority_is_refused(tmp_path: Path) -> None:
    """TLS 1.3 tells of the refusal only after the handshake: the port reports it, and fails at nothing."""
    with running((), Level.GOLD, mutual=True) as file:
        target = load(file)
        assert target.base_url is not None
        assert target.rest_tls.cert is not None, "the target file names a certificate for REST"
        ports = Ports(tmp_path / "run", {"rest": Door(target.base_url, target.rest_tls)})
        try:
            own = ports.tls.handshake("rest", say=GET)
            refused = [ports.tls.handshake("rest", say=GET, certificate=kind) for kind in ("none", "other")]
        finally:
            ports.close()
        assert bytes.fromhex(own.answered).startswith(b"HTTP/1.1 200")
        assert [one.answered for one in refused] == ["", ""]
        verdicts = judge(file, ["phase3/test_tls.py", "phase2/test_credentials.py"], tmp_path)
    assert with_outcome(verdicts, "failed", "error", "blocked") == []
    assert verdicts["DTC-P3-082"] == "passed"
