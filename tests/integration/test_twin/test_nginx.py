"""The shipped nginx file: HTTP/2 in front of the twin (P3 4.3)."""

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from dtc_cli.app import main
from dtc_cli.harness.authority import make
from tests.integration.test_twin.conftest import CITY, ROOT, Twin
from tests.support.ports import free_ports, wait_for_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian package nginx-light)")


@pytest.fixture
def front(twin: Twin, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Addresses of nginx in front of the twin: (https, http)."""
    make(tmp_path / "certs")
    secure, plain = free_ports(2)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    port = httpx.URL(twin.rest).port
    for old, new in (("127.0.0.1:8000", f"127.0.0.1:{port}"), ("8443", str(secure)), ("8080", str(plain))):
        assert old in text
        text = re.sub(rf"\b{re.escape(old)}\b", new, text)
    (tmp_path / "nginx.conf").write_text(text)
    assert NGINX is not None
    arguments = [NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE) as process:
        try:
            wait_for_port(secure, process)
            yield f"https://localhost:{secure}", f"http://localhost:{plain}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_http2_answers_as_http1_does(twin: Twin, front: tuple[str, str], tmp_path: Path) -> None:
    secure, plain = front
    path = f"/digital-twin-city/v1/cities/{CITY}"
    context = ssl.create_default_context(cafile=tmp_path / "certs" / "ca.pem")
    headers = {"X-API-Key": twin.key("load")}
    with httpx.Client(http2=True, verify=context, base_url=secure, headers=headers) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert answer.json() == twin.get("")
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        assert client.get(path + "/objects/absent").status_code == 404
    moved = httpx.get(plain + path)
    assert moved.status_code == 308
    assert moved.headers["location"] == secure + path


@pytest.mark.skipif(shutil.which("h2load") is None, reason="h2load is not installed (nghttp2-client)")
def test_h2load_offers_reads_over_http2(
    twin: Twin, front: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = httpx.URL(twin.rest).path
    kept = yaml.safe_load(twin.target.read_text(encoding="utf-8"))
    kept["rest"] = {"base_url": front[0] + path, "ca": str(tmp_path / "certs" / "ca.pem")}
    file = twin.target.with_name("front.yaml")
    file.write_text(yaml.safe_dump(kept), encoding="utf-8")
    words = ["load", "http2", str(file), "--rate", "40", "--duration", "1", "--out", str(tmp_path), "--json"]
    assert main(words) == 0, capsys.readouterr().err
    made = json.loads(capsys.readouterr().out)
    assert set(made["statuses"]) == {"200"}
    assert made["requests"] == made["statuses"]["200"] > 0
    assert made["latency"]["count"] == made["requests"]
    key = twin.key("load").encode()
    assert not any(key in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    file.write_text(yaml.safe_dump({**kept, "rest": {"base_url": twin.rest}}), encoding="utf-8")
    assert main(words) == 7
    error = json.loads(capsys.readouterr().out)["error"]
    assert "does not speak HTTP/2" in error["what"]
    assert error["why"].startswith(("no answer of HTTP/2 came to h2load", "it chose http/1.1"))
