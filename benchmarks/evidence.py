"""Times packaging and verifying: `python benchmarks/evidence.py [VECTORS | PACKAGE ...]`.

A run of that many vectors is fabricated (one exchange with one body each), then packaged and verified in
processes of their own, whose peak memory is read when they end. Fabrication is not measured. 12,500 exchanges
are what a run of Gold records. `command` is the wall time of `dtc verify` as a user calls it, start of the
program included: the median of five. For a PACKAGE (any that `dtc certify` wrote) only that is measured.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ("12500", "34000")


def fabricate(folder: Path, count: int) -> None:
    """A finished Platinum run with at least that many vectors, and the catalogue that demands them."""
    import msgspec

    from dtc_cli import paths
    from dtc_cli.core.catalogue import Catalogue
    from dtc_cli.core.model import Level, Vector
    from tests.support import runs

    shutil.copytree(paths.SPEC, folder / "spec")
    entries = list(Catalogue(folder / "spec").requirements.values())
    each = -(-count // len(entries))
    vectors = [
        Vector(
            id=f"{entry.id}/case-{number:04}",
            requirement=entry.id,
            polarity=("negative", "positive")[number % 2],
            hazard="read",
            title=f"case {number} of {entry.id}",
        )
        for entry in entries
        for number in range(each)
    ]
    (folder / "spec" / "vectors.json").write_bytes(msgspec.json.encode(vectors))
    runs.make(folder / "run", Catalogue(folder / "spec"), level=Level.PLATINUM)


def package(folder: Path) -> None:
    from dtc_cli.signing import keys, package, public_keys

    key = keys.generate("bench")
    package.build(folder / "run", folder, {}, key)
    (folder / "key.pub").write_bytes(public_keys.to_pem(key.public))


def verify(folder: Path) -> None:
    from dtc_cli.core.catalogue import Catalogue
    from dtc_cli.core.model import Level
    from dtc_cli.signing.verify import verify
    from tests.support import runs

    (made,) = folder.glob("*.dtcpack.tar.gz")
    catalogue = Catalogue(folder / "spec")
    found = verify(made, folder / "key.pub", Level.SILVER, now=runs.FINISHED, catalogue=catalogue)
    assert found.exit_code == 0, [check for check in found.checks if check.code]  # noqa: S101


def command(package: Path, trust: Path | None) -> dict[str, float]:
    """Wall seconds of `dtc verify` (median and worst of five), its peak MiB and exit code."""
    more = ["--trust", str(trust), "--level", "silver"] if trust else []
    ask = [sys.executable, "-m", "dtc_cli", "verify", str(package), *more]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        done = subprocess.run(ask, cwd=ROOT, capture_output=True, check=False)
        seconds.append(round(time.perf_counter() - start, 2))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "median": statistics.median(seconds),
        "worst": max(seconds),
        "peak_mib": round(peak),
        "exit_code": done.returncode,
    }


def policy(folder: Path, package: Path) -> Path:
    """A policy that believes the key, and the fabricated catalogue with what it demands."""
    from dtc_cli.core.canonical import sha256_hex
    from dtc_cli.core.catalogue import Catalogue
    from dtc_cli.signing import layout
    from dtc_cli.signing.reader import open_package

    with open_package(package) as files:
        world = [sha256_hex(files.read(name)) for name in (layout.CATALOGUE, layout.VECTORS)]
    key = {"org": "Bench", "publicKeyPem": (folder / "key.pub").read_text()}
    roles = {"vendor": {"keys": [key]}, "auditor": {"keys": []}}
    catalogues = [Catalogue(folder / "spec").digest, *world]
    file = folder / "policy.json"
    # The fabricated run is dated; a reader of it is patient.
    value = {"dtcTrust": 1, "version": 1, "roles": roles, "catalogues": catalogues, "maxAgeDays": 3650}
    file.write_text(json.dumps(value))
    return file


def child(step: str, folder: Path) -> dict[str, float]:
    """One step in a process of its own: seconds, processor seconds of the whole process, and peak MiB."""
    done = subprocess.run(
        [sys.executable, __file__, "--step", step, str(folder)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(folder / "home"), "PATH": ""},
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    if sys.argv[1:2] == ["--step"]:
        step, folder = sys.argv[2], Path(sys.argv[3])
        start = time.perf_counter()
        {"package": package, "verify": verify}[step](folder)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cpu = round(time.process_time(), 2)
        print(json.dumps({"seconds": round(seconds, 2), "cpu_seconds": cpu, "peak_mib": round(peak)}))
        return
    sys.path.insert(0, str(ROOT))
    for count in sys.argv[1:] or DEFAULT:
        if not count.isdecimal():
            print(json.dumps({"package": Path(count).name, "command": command(Path(count).resolve(), None)}))
            continue
        with tempfile.TemporaryDirectory(prefix="dtc-bench-") as name:
            folder = Path(name)
            fabricate(folder, int(count))
            matrix = (folder / "run" / "matrix.jsonl").stat().st_size / 1e6
            steps = {step: child(step, folder) for step in ("package", "verify")}
            (made,) = folder.glob("*.dtcpack.tar.gz")
            size = made.stat().st_size / 1e6
            told = command(made, policy(folder, made))
        together = round(sum(each["seconds"] for each in steps.values()), 2)
        about = {"vectors": int(count), "matrix_mb": round(matrix, 1), "package_mb": round(size, 1)}
        print(json.dumps({**about, **steps, "together_seconds": together, "command": told}))


if __name__ == "__main__":
    main()
