"""The recipe of docs/certificates.md: openssl and jq alone come to the same answer about a certificate."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dtc_cli.core.model import Level
from dtc_cli.registry import credential, jws
from dtc_cli.signing import public_keys
from tests.support.packages import key

DOCS = Path(__file__).parents[2] / "docs" / "certificates.md"
MISSING = [tool for tool in ("bash", "openssl", "jq", "base64", "od") if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def recipe() -> str:
    text = (
        DOCS.read_text(encoding="utf-8").partition("## A certificate without dtc\n")[2].partition("\n## ")[0]
    )
    (found,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return str(found)


def follow(folder: Path) -> "subprocess.CompletedProcess[str]":
    script = "set -euo pipefail\n" + recipe()
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("attempt", range(4))
def test_a_certificate_passes_every_line_and_a_changed_one_does_not(tmp_path: Path, attempt: int) -> None:
    """Several signatures: their halves begin with zeros or a high bit now and then."""
    facts = credential.Facts(
        level=Level.GOLD, statement="a" * 64, run_id="r", run_finished="2026-01-01T00:00:00Z",
        tls_spki=(), vendor="Works", city="KR-BUSAN-2025", product="Busan Twin", version=str(attempt),
    )  # fmt: skip
    payload = credential.make(
        identifier="0-0", facts=facts, standard="wia", standard_version="1.0.0", issuer="https://body.example",
        issuer_name="Body", registry="https://body.example", index=3,
        at=datetime.now(UTC).replace(microsecond=0),
    )  # fmt: skip
    token = jws.sign(payload, credential.TYPE, key())
    assert credential.verify(token, key().public)[1] == facts
    (tmp_path / "certificate.vc.jwt").write_text(token)
    (tmp_path / "body.pub").write_bytes(public_keys.to_pem(key().public))
    done = follow(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Verified OK" in done.stdout
    assert '"name": "Gold, wia 1.0.0"' in done.stdout
    assert done.stdout.strip().endswith("true")
    head, body, signature = token.split(".")
    (tmp_path / "certificate.vc.jwt").write_text(f"{head}.{body[:-4]}AAAA.{signature}")
    assert follow(tmp_path).returncode != 0
