"""Reading CityGML beside a bare iterparse: MB per processor second, ratios, memory for two sizes.

Bare is told apart: without a look at any element but the members, and with an event for every element.

usage: python benchmarks/citygml.py [MEGABYTES] [FILE]   a file of blocks is made unless one is given
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE, EVENTS, READ = "bare", "events", "read"


def make(path: Path, megabytes: float) -> None:
    """Blocks with an LOD1 solid and LOD2 surfaces, as in PLATEAU and German open data."""
    from tests.support import citygml_made as made

    one = made.block("B0000000", 200_000, 550_000, 9.5)
    count = max(1, int(megabytes * 1e6 / len(one)))
    head, tail = made.write(path, "@@").read_text(encoding="utf-8").split("@@")
    with path.open("w", encoding="utf-8") as out:
        out.write(head)
        for n in range(count):
            block = made.block(f"B{n:07d}", 200_000 + 20 * (n % 500), 550_000 + 20 * (n // 500), 3 + n % 40)
            out.write(("" if n == 0 else "<cityObjectMember>") + block)
            out.write("" if n == count - 1 else "</cityObjectMember>\n")
        out.write(tail)


def measure(what: str, path: Path) -> None:
    """One measurement in a process of its own: processor seconds, records, peak memory in MB."""
    count = 0
    if what == BARE:
        from lxml import etree

        started = time.process_time()
        for _, element in etree.iterparse(str(path), events=("end",), tag="{*}cityObjectMember"):
            count += 1
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    elif what == EVENTS:
        from lxml import etree

        started = time.process_time()
        for _, element in etree.iterparse(str(path), events=("end",)):
            if element.tag.endswith("}cityObjectMember"):
                count += 1
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    else:
        from dtc_cli.migrate.sources.citygml import CityGmlSource

        source = CityGmlSource(str(path))
        name = source.layers()[0].name
        started = time.process_time()
        for batch in source.batches(name, start=0, size=1000, careful=False):
            count += batch.size
    seconds = time.process_time() - started
    print(seconds, count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def asked(what: str, path: Path) -> tuple[float, int, float]:
    out = subprocess.run(
        [sys.executable, __file__, "--measure", what, str(path)], check=True, capture_output=True, text=True
    ).stdout.split()
    return float(out[0]), int(out[1]), float(out[2])


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]))
        return
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 40.0
    with tempfile.TemporaryDirectory() as folder:
        for size in (megabytes / 4, megabytes):
            path = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "made.gml"
            if len(sys.argv) <= 2:
                make(path, size)
            bytes_ = path.stat().st_size / 1e6
            runs = {what: [asked(what, path) for _ in range(3)] for what in (BARE, EVENTS, READ)}
            bare, events, read = (min(one[0] for one in runs[what]) for what in (BARE, EVENTS, READ))
            print(
                f"{bytes_:.1f} MB, {runs[READ][0][1]} objects: iterparse of members {bytes_ / bare:.1f}, "
                f"of every element {bytes_ / events:.1f}, read {bytes_ / read:.1f} MB/s, "
                f"ratios {bare / read:.2f} and {events / read:.2f}, peak {runs[READ][0][2]:.0f} MB"
            )


if __name__ == "__main__":
    main()
