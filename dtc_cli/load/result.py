"""What is kept of a load: enough to judge it again from the files alone, years later."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli import __version__
from dtc_cli.clients.redaction import Redactor
from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.load import objectives, truth
from dtc_cli.load.health import Host
from dtc_cli.load.histogram import Histogram
from dtc_cli.load.lanes import Sample
from dtc_cli.load.objectives import Objective, Verdict
from dtc_cli.load.outcome import Outcome
from dtc_cli.load.truth import Findings

RESULT = "load.json"
SAMPLES = "samples.jsonl"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a load was made."""

    profile: str
    mix: str
    rate: float
    duration_s: float
    warmup_s: float
    workers: int
    lanes: int
    timeout_s: float
    seed: int
    scaled: str
    """Why no bound can be passed; empty for a run of the profile's full size (C-92)."""
    objectives: tuple[Objective, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A load and its verdicts; `load.json` holds it."""

    dtc: str = __version__
    kind: str = "load"
    run: str
    started: str
    """RFC 3339, UTC."""
    target: dict[str, Any]
    data: dict[str, int]
    """What the requests were made from: objects, places, sensors."""
    host: Host
    terms: Terms
    outcome: Outcome
    findings: Findings
    verdicts: tuple[Verdict, ...]

    def verdict(self, name: str) -> Verdict:
        """The verdict of an objective.

        Raises:
            KeyError: when the profile has none of that name.
        """
        return next((one for one in self.verdicts if one.name == name), None) or _unknown(name)

    def saturated(self) -> "Result":
        """The same measurement by a generator that was the limit, judged: nothing may be decided by it."""
        health = msgspec.structs.replace(self.outcome.health, reasons=("the generator was the limit",))
        return judge(
            msgspec.structs.replace(self, outcome=msgspec.structs.replace(self.outcome, health=health))
        )

    def stalled(self, seconds: float) -> "Result":
        """The same measurement of a target that stood still once for so long, judged as if not scaled.

        Each request that was due meanwhile has waited for the rest of the standstill.
        """
        total = Histogram.of(self.outcome.total)
        waiting = max(1, int(self.outcome.offered_per_s * seconds))
        total.record(int(1e6 * seconds * (waiting - number) / waiting) for number in range(waiting))
        outcome = msgspec.structs.replace(
            self.outcome,
            total=total.summary(),
            health=msgspec.structs.replace(self.outcome.health, reasons=()),
        )
        terms = msgspec.structs.replace(self.terms, scaled="")
        return judge(msgspec.structs.replace(self, outcome=outcome, terms=terms))

    @property
    def gaps(self) -> tuple[str, ...]:
        """What a benchmark must record and this one does not (DTC-PERF-008)."""
        total, host = self.outcome.total, self.host
        recorded = {
            "p50, p95 and p99": all(total.at(point) is not None for point in ("p50", "p95", "p99")),
            "throughput": self.outcome.offered_per_s > 0,
            "error rate": total.count > 0,
            "host": bool(host.system and host.cores),
            "data set": bool(self.data),
        }
        return tuple(name for name, there in recorded.items() if not there)

    @property
    def exit_code(self) -> ExitCode:
        """1 when a bound is broken, 6 when one could not be decided, else 0."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if "failed" in outcomes:
            return ExitCode.NOT_CONFORMANT
        return ExitCode.INCOMPLETE if "inconclusive" in outcomes else ExitCode.OK


def _unknown(name: str) -> Verdict:
    raise KeyError(name)


def make(
    *, run: str, started: datetime, target: Target, data: dict[str, int], terms: Terms, outcome: Outcome
) -> Result:
    """Judge a measurement."""
    findings = truth.check(outcome.samples, tuple(outcome.routes))
    return Result(
        run=run,
        started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        target={
            "name": target.name,
            "vendor": target.vendor,
            "version": target.version,
            "city": target.city,
            "base_url": target.base_url,
        },
        data=data,
        host=Host.here(),
        terms=terms,
        outcome=msgspec.structs.replace(outcome, samples=()),
        findings=findings,
        verdicts=objectives.judge(
            terms.objectives,
            outcome,
            wrong=findings.wrong,
            checked=findings.checked,
            scaled=bool(terms.scaled),
        ),
    )


def write(folder: Path, result: Result, samples: tuple[Sample, ...], redactor: Redactor) -> None:
    """Keep a result and the sampled answers, redacted, in a folder."""
    lines = [
        canonical_json(
            {
                "route": sample.route,
                "about": sample.about,
                "status": sample.status,
                "whole": sample.whole,
                "body": redactor.text(sample.body.decode("utf-8", "replace")),
            }
        )
        for sample in samples
    ]
    (folder / SAMPLES).write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def read(folder: Path) -> Result:
    """Read a result and judge it again from what was recorded: no verdict is taken on trust.

    Raises:
        DtcError: `load-result` when the folder holds none, or one that is damaged.
    """
    try:
        kept = msgspec.json.decode((folder / RESULT).read_bytes(), type=Result)
        samples = tuple(
            Sample(row["route"], row["about"], row["status"], row["body"].encode(), row["whole"])
            for row in map(msgspec.json.decode, (folder / SAMPLES).read_bytes().splitlines())
        )
        findings = truth.check(samples, tuple(kept.outcome.routes))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as problem:
        raise DtcError(
            "load-result",
            f"{folder} holds no result of a load",
            where=str(folder / RESULT),
            why=str(problem),
            hint="give the folder that dtc load named, below runs/",
        ) from problem
    return judge(msgspec.structs.replace(kept, findings=findings))


def judge(made: Result) -> Result:
    """The result with verdicts that follow from what it holds."""
    verdicts = objectives.judge(
        made.terms.objectives,
        made.outcome,
        wrong=made.findings.wrong,
        checked=made.findings.checked,
        scaled=bool(made.terms.scaled),
    )
    return msgspec.structs.replace(made, verdicts=verdicts)
