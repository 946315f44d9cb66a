"""Where the installed package keeps its data, and where a user's own files live."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SPEC = PACKAGE / "spec"
SUITES = PACKAGE.parent / "suites"


def config_home() -> Path:
    """The user's `dtc` folder: `$XDG_CONFIG_HOME/dtc`, else `~/.config/dtc`."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "dtc"


def keys_home() -> Path:
    """The folder of signing keys, `0700` (D-13)."""
    return config_home() / "keys"
