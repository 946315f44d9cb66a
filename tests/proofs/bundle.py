"""An air-gapped site: the real bundle of this checkout installs and works without a network.

Making the bundle needs a package index. The rest runs in a network name space of its own where the machine
lets us make one (`unshare`), else with each index and proxy pointing nowhere; it says which it was.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from dtc_cli import console


def cut_off() -> list[str]:
    """The command that takes the network away, empty where the machine does not let us."""
    command = ["unshare", "--net", "--map-root-user"]
    able = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if able and able.returncode == 0 else []


def main() -> int:
    """Bundle, unpack, install, then make a key and a policy and list requirements; 0 when all of it works."""
    with tempfile.TemporaryDirectory(prefix="dtc-prove-") as name:
        folder = Path(name)
        out = folder / "dtc-bundle.tar"
        subprocess.run([sys.executable, "-m", "dtc_cli", "bundle", "--out", str(out)], check=True)
        with tarfile.open(out) as archive:
            archive.extractall(folder, filter="data")
        without = cut_off()
        console.out("no network at all" if without else "indexes and proxies point nowhere")
        nowhere = "http://127.0.0.1:9/"
        there = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"),
            "PIP_INDEX_URL": nowhere, "PIP_RETRIES": "0", "http_proxy": nowhere, "https_proxy": nowhere,
            "PYTHON": sys.executable,
        }  # fmt: skip
        dtc = folder / "env" / "bin" / "dtc"
        steps = [
            ["sh", str(folder / "dtc-bundle" / "install.sh"), str(folder / "env")],
            [str(dtc), "requirements", "--phase", "1", "--coverage"],
            [str(dtc), "keys", "generate", "vendor", "--no-passphrase"],
            [str(dtc), "keys", "export-public", "vendor", "--out", "vendor.pub"],
            [str(dtc), "trust", "init", "trust.json"],
            [str(dtc), "trust", "add", "trust.json", "vendor.pub", "--role", "vendor", "--org", "Works"],
            [str(dtc), "trust", "check", "trust.json"],
            [str(dtc), "verify", "--help"],
        ]
        for step in steps:
            done = subprocess.run(
                [*without, *step], cwd=folder, env=there, capture_output=True, text=True, check=False
            )
            words = " ".join(Path(step[0]).name if place == 0 else word for place, word in enumerate(step))
            console.out(f"{done.returncode}  {words.replace(str(folder), '.')}")
            if done.returncode != 0:
                console.out(done.stdout + done.stderr)
                return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
