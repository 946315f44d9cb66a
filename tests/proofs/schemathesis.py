"""Schemathesis with all checks on the bundled twin's OpenAPI document: no failure, three seeds."""

import sys
import tempfile
from pathlib import Path

from dtc_cli import console
from dtc_cli.harness.reference import running
from reference_server.rest import routes
from tests.support.fuzzing import fuzzed

SEEDS = (1, 2, 3)
EXAMPLES = 60
NOT_ACCEPTED = {"cancelSimulation", "stream"}
"""May be refused each time: generated runs end within milliseconds; a WebSocket wants an upgrade."""


def main() -> int:
    """Run each seed on a fresh twin."""
    seeds = [int(text) for text in sys.argv[1:]] or list(SEEDS)
    proven = True
    operations = {route.operation for route in (*routes.below_base(), *routes.at_origin())}
    operations.remove("openapi")  # Schemathesis reads its schema there, and so leaves it out
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="dtc-schemathesis-") as folder, running() as target:
            code, text, accepted = fuzzed(target, Path(folder), seed=seed, examples=EXAMPLES)
        never = sorted(operations - set(accepted) - NOT_ACCEPTED)
        total = sum(accepted.values())
        console.out(f"seed {seed}: exit {code}, {total} requests accepted, never accepted: {never or 'none'}")
        console.out(text.rpartition("= SUMMARY =")[2].strip() if code == 0 else text)
        proven = proven and code == 0 and not never
    return 0 if proven else 1


if __name__ == "__main__":
    sys.exit(main())
