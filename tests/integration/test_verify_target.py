"""`dtc verify --target`: is the server at an address the one that was judged? Asked of real TLS servers."""

import json
from pathlib import Path

import pytest

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import live
from dtc_cli.signing.refusal import Unavailable
from tests.support.packages import check, failing, make, trust_file
from tests.support.tls_server import self_signed, served


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A certificate with its key in one file, and the SHA-256 of the key."""
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


def package_of(folder: Path, *spki: str) -> Path:
    return make(
        folder,
        target={
            "name": "Twin", "vendor": "v", "version": "1", "city": "KR-BUSAN-2025",
            "fingerprint": {"tlsSpki": list(spki), "server": None, "openapi": None},
        },
    )  # fmt: skip


def test_the_judged_server_is_recognised(certificate: tuple[Path, str], tmp_path: Path) -> None:
    package = package_of(tmp_path, "0" * 64, certificate[1])
    with served(certificate[0]) as url:
        result = check(package, trust_file(tmp_path), target=url)
    assert (failing(result), result.exit_code) == ([], ExitCode.OK)


def test_an_api_that_was_changed_since_is_noticed(certificate: tuple[Path, str], tmp_path: Path) -> None:
    same, other = b'{"openapi": "3.1.0", "paths": {}}', b'{"openapi": "3.1.0", "paths": {"/more": {}}}'
    target = {
        "name": "Twin", "vendor": "v", "version": "1", "city": "KR-BUSAN-2025",
        "fingerprint": {"tlsSpki": [certificate[1]], "server": None,
                        "openapi": sha256_hex(canonical_json(json.loads(same)))},
    }  # fmt: skip
    package, trust = make(tmp_path, target=target), trust_file(tmp_path)
    for document, code, says in (
        (same.replace(b" ", b""), ExitCode.OK, "and the API description of the run"),
        (other, ExitCode.STALE, "describes another API than in the run"),
        (b"{", ExitCode.STALE, "describes another API"),
        (b"", ExitCode.OK, "of the run"),
    ):
        with served(certificate[0], document) as url:
            result = check(package, trust, target=url)
        said = next(each.reason for each in result.checks if each.name == "target.match")
        assert (result.exit_code, says in said) == (code, True), said


def test_another_server_is_noticed(certificate: tuple[Path, str], tmp_path: Path) -> None:
    package = package_of(tmp_path, "0" * 64)
    with served(certificate[0]) as url:
        result = check(package, trust_file(tmp_path), target=url)
    assert (failing(result), result.exit_code, result.authentic) == (["target.match"], ExitCode.STALE, True)
    assert result.conformant is None


def test_without_tls_nothing_can_be_recognised(certificate: tuple[Path, str], tmp_path: Path) -> None:
    with served() as url:
        plain = check(package_of(tmp_path / "a", "0" * 64), trust_file(tmp_path), target=url)
    with served(certificate[0]) as url:
        unseen = check(package_of(tmp_path / "b"), trust_file(tmp_path), target=url)
    for result in (plain, unseen):
        assert (failing(result), result.exit_code) == (["target.match"], ExitCode.CANNOT_DECIDE)


def test_a_server_that_does_not_answer_leaves_it_open(tmp_path: Path) -> None:
    with served() as url:
        gone = url
    result = check(package_of(tmp_path, "0" * 64), trust_file(tmp_path), target=gone)
    assert (failing(result), result.exit_code) == (["target.match"], ExitCode.CANNOT_DECIDE)


def test_a_server_that_speaks_something_else_leaves_it_open(certificate: tuple[Path, str]) -> None:
    with served() as url, pytest.raises(Unavailable):
        live.look(url.replace("http:", "https:"))


def test_the_server_header_is_noted() -> None:
    with served() as url:
        shown = live.look(url)
    assert shown.spki is None
    assert shown.server is not None
    assert shown.server.startswith("BaseHTTP")


@pytest.mark.parametrize(
    "url",
    [
        "twin.example",
        "ftp://x/",
        "https://",
        "https://u:p@x/",
        "http://x:0/",
        "http://x:99999/",
        "http://x/\n",
        "http://é/",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(DtcError) as refused:
        live.look(url)
    assert refused.value.code == "usage"
