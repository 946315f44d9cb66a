"""Runs Schemathesis, a tool of other makers, with all its checks on a started twin."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
# A word of a dictionary takes the place of a value that breaks the schema on purpose, too: so there is none
# for parameters whose schema can be broken. The examples of the document are used for them.
CONFIG = """
continue-on-failure = true
[parameters]
"path.cityId" = "{city}"
"path.collectionId" = {{ dictionary = "collections", probability = 0.8 }}
"path.featureId" = {{ dictionary = "objects", probability = 0.5 }}
"path.objectId" = {{ dictionary = "objects", probability = 0.5 }}
"path.sensorId" = {{ dictionary = "sensors", probability = 0.5 }}
"path.name" = "device"
"path.resource" = {{ dictionary = "sets", probability = 0.9 }}
"path.serviceId" = {{ dictionary = "services", probability = 0.5 }}
[dictionaries]
sets = {{ values = ["Things", "Datastreams", "Observations", "ObservedProperties"] }}
collections = {{ values = ["objects"] }}
objects = {{ values = ["building-000001", "road-000001"] }}
sensors = {{ values = ["sensor-traffic-001", "sensor-environmental-001"] }}
services = {{ values = ["service-bus", "service-waste"] }}
[[operations]]
include-operation-id = "deleteCity"
parameters = {{ "path.cityId" = "{other}" }}
[checks.use_after_free]
enabled = false  # `deleted_means_gone` asks it of every operation but simulations
[checks.positive_data_acceptance]
# 400, 413 and 426 are judged more strictly by refusals_are_foreseen: they name a rule that no schema can say
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "412", "413", "426", "429", "503"]
"""


def fuzzed(
    target: Path, folder: Path, *, seed: int, examples: int, options: tuple[str, ...] = ()
) -> tuple[int, str, dict[str, int]]:
    """Exit code and output of a run, and how many requests each operation accepted.

    Args:
        target: the target file of a running twin of this project.
        folder: where the files of the run go.
        seed: of the generated requests.
        examples: requests per operation and phase, at most.
        options: further options of `schemathesis run`.
    """
    settings: dict[str, Any] = yaml.safe_load(target.read_text())
    origin = settings["rest"]["base_url"].removesuffix("/digital-twin-city/v1")
    key = Path(settings["auth"]["api_keys"]["load"].removeprefix("file:")).read_text()
    config, counts = folder / "schemathesis.toml", folder / "counts.json"
    config.write_text(CONFIG.format(city=settings["city"], other=settings["other_city"]["id"]))
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(config),
            "run", f"{origin}/openapi.json", "--checks", "all", "--seed", str(seed),
            "--max-examples", str(examples), "-H", f"X-API-Key: {key}", "--no-color", *options,
        ],
        cwd=folder,  # it keeps what it learns in the current folder
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.openapi_rules",
            "OPENAPI_RULES_COUNTS": str(counts),
            "PYTHONWARNINGS": "ignore",
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    accepted: dict[str, int] = json.loads(counts.read_text()) if counts.exists() else {}
    return done.returncode, done.stdout + done.stderr, accepted
