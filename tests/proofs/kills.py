"""`kill -9` twenty times under load: every acknowledged write is there after it, and all views agree."""

import os
import subprocess
import sys

from dtc_cli.paths import PACKAGE

TEST = "tests/integration/test_twin/test_durability.py"


def main() -> int:
    """Run the test of durability in its long form."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", TEST, *sys.argv[1:]],
        cwd=PACKAGE.parent,
        env={**os.environ, "DTC_LONG": "1"},
        check=False,
    )
    return 0 if done.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
