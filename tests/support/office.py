"""A certification body at work in a folder: its registry, its keys, and a reader's files."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.app import main
from dtc_cli.core.model import Level
from tests.support import beside, packages
from tests.support.beside import BUSAN

NOW = datetime.now(UTC).replace(microsecond=0)


class Office:
    """A registry, its keys, and a reader's files."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd
        self.registry, self.body = folder / "registry", folder / "body.pub"
        for name, role in (("log", "log"), ("registry", "registry")):
            assert self("keys", "generate", name, "--role", role, "--no-passphrase")[0] == 0
        assert self("keys", "export-public", "registry", "--out", self.body)[0] == 0
        self.policy = beside.policy(folder, BUSAN, catalogues=packages.accepted())
        made = self.json(
            "registry", "init", self.registry, "--name", "City Body", "--origin", "body.example/log",
            "--issuer", "https://body.example",
        )  # fmt: skip
        self.log_key = made["logKey"]

    def __call__(self, *arguments: object) -> tuple[int, str]:
        code = main([str(each) for each in arguments])
        done = self._capfd.readouterr()
        return code, done.out + done.err

    def json(self, *arguments: object, code: int = 0) -> Any:
        found = main([*(str(each) for each in arguments), "--json"])
        out = self._capfd.readouterr().out
        assert found == code, out
        return json.loads(out)

    def package(
        self, name: str = "run", *, finished: datetime = NOW - timedelta(hours=1), **more: Any
    ) -> Path:
        return packages.make(self.folder / name, finished=finished, level=Level.SILVER, **more)

    def issue(self, package: Path, *more: str) -> tuple[str, Path]:
        said = self.json(
            "certificate",
            "issue",
            self.registry,
            package,
            "--policy",
            self.policy,
            "--level",
            "silver",
            *more,
        )
        return said["certificate"], Path(said["folder"])

    def show(self, file: Path, code: int, *more: object) -> str:
        found = self.json("certificate", "show", file, "--trust", self.body, *more, code=code)
        return str(found.get("state") or found["error"]["why"])

    def shown(self, file: Path, code: int) -> str:
        return self.show(file, code, "--registry", self.registry)
