"""`python -m dtc_cli` and the `dtc` entry point."""

import sys

from dtc_cli.app import main as run


def main() -> None:
    """Run `dtc` and leave with its exit code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
