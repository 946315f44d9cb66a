"""TLS of the twin: versions, certificates, mutual TLS, and the authority made for development."""

import json
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import mqtt5
import pytest

from tests.integration.test_twin.conftest import CITY, ROOT, Twin
from tests.support.mqtt_client import Client, Closed

Start = Callable[..., Twin]


def server(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "reference_server", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    done = server("certs", "make", str(folder), "--client", "viewer", "--client", "nobody")
    assert done.returncode == 0, done.stderr
    assert str(folder / "ca.pem") in json.loads(done.stdout)["written"]
    return folder


@pytest.fixture
def secured(start: Start, certs: Path) -> Callable[..., Twin]:
    def begin(*more: str) -> Twin:
        pair = ("--tls-cert", str(certs / "server.pem"), "--tls-key", str(certs / "server.key"))
        return start(*pair, "--tls-ca", str(certs / "ca.pem"), *more)

    return begin


def trusting(certs: Path, client: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certs / "ca.pem")
    if client is not None:
        context.load_cert_chain(certs / f"{client}.pem", certs / f"{client}.key")
    return context


def city(twin: Twin, context: ssl.SSLContext, key: str | None = "viewer") -> httpx.Response:
    headers = {} if key is None else {"X-API-Key": twin.key(key)}
    with httpx.Client(verify=context) as client:
        return client.get(f"{twin.rest}/cities/{CITY}", headers=headers)


def test_the_authority_and_what_it_signs(certs: Path) -> None:
    for name in ("ca", "server", "viewer"):
        assert stat.S_IMODE((certs / f"{name}.key").stat().st_mode) == 0o600
    before = (certs / "ca.pem").read_bytes()
    assert server("certs", "make", str(certs), "--client", "later").returncode == 0
    assert (certs / "ca.pem").read_bytes() == before
    assert (certs / "later.pem").exists()


def test_a_client_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    done = server("certs", "make", str(tmp_path), "--client", "../operator")
    assert done.returncode == 2
    assert "no name for a client" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_tls_1_3_is_spoken_and_nothing_older(secured: Start, certs: Path) -> None:
    twin = secured()
    assert twin.rest.startswith("https://")
    assert twin.settings["rest"]["ca"] == str(certs / "ca.pem")
    answer = city(twin, trusting(certs))
    assert answer.status_code == 200
    assert int(answer.headers["strict-transport-security"].split("=")[1]) >= 31536000
    address = (httpx.URL(twin.rest).host, httpx.URL(twin.rest).port)
    with (
        socket.create_connection(address) as raw,
        trusting(certs).wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.version() == "TLSv1.3"
        assert wrapped.cipher()[0] in {  # type: ignore[index]
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
        }
    assert twin.settings["mqtt"] == {"url": twin.announced["mqtt"], "ca": str(certs / "ca.pem")}
    assert mqtt_login(twin.announced["mqtt"], trusting(certs), twin.key("viewer")) == 0
    with Client(twin.announced["mqtt"]) as plain, pytest.raises((Closed, ConnectionError, ValueError)):
        plain.login(twin.key("viewer"))
    old = trusting(certs)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(httpx.ConnectError):
        city(twin, old)
    with pytest.raises(httpx.TransportError):
        httpx.get(twin.rest.replace("https://", "http://"))


def test_mutual_tls(secured: Start, certs: Path, tmp_path: Path) -> None:
    twin = secured("--client-ca", str(certs / "ca.pem"))
    assert twin.settings["declares"]["mtls"] is True
    with pytest.raises(httpx.TransportError):
        city(twin, trusting(certs))
    by_certificate = city(twin, trusting(certs, "viewer"), key=None)
    assert by_certificate.status_code == 200
    assert city(twin, trusting(certs, "viewer"), key="operator").status_code == 200
    unknown = city(twin, trusting(certs, "nobody"))
    assert unknown.status_code == 403
    assert unknown.json()["error"]["code"] == "FORBIDDEN"
    assert server("certs", "make", str(tmp_path), "--client", "viewer").returncode == 0
    foreign = trusting(certs)
    foreign.load_cert_chain(tmp_path / "viewer.pem", tmp_path / "viewer.key")
    with pytest.raises(httpx.TransportError):
        city(twin, foreign)
    url = twin.announced["mqtt"]
    assert url.startswith("mqtts://")
    assert mqtt_login(url, trusting(certs, "viewer"), None) == 0
    assert mqtt_login(url, trusting(certs, "viewer"), twin.key("operator")) == 0
    assert mqtt_login(url, trusting(certs, "nobody"), twin.key("operator")) == 0x87
    for context in (trusting(certs), foreign):
        with pytest.raises((ssl.SSLError, Closed, ConnectionError)):
            mqtt_login(url, context, twin.key("operator"))


def mqtt_login(url: str, context: ssl.SSLContext, key: str | None) -> int:
    with Client(url, tls=context) as client:
        user = {} if key is None else {"username": "api-key", "password": key.encode()}
        client.send(mqtt5.ConnectPacket("tls", **user))  # type: ignore[arg-type]
        return int(client.get(mqtt5.ConnAckPacket).reason_code)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tls-cert", "x.pem"), "belong together"),
        (("--client-ca", "x.pem"), "need --tls-cert"),
        (("--tls-cert", "absent.pem", "--tls-key", "absent.key"), "cannot serve TLS: absent.pem"),
    ],
)
def test_wrong_options_are_said_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = server(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
