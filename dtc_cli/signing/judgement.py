"""What the evidence amounts to: verdicts, level table and counts, by the rules of the core alone."""

from collections import Counter
from typing import Any

import msgspec

from dtc_cli.core import levels, verdicts
from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.model import Level, LevelResult, Outcome, Verdict
from dtc_cli.signing.evidence import Evidence

PASSED, FAILED = "PASSED", "FAILED"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict per requirement, result per level, and the highest level reached."""

    verdicts: tuple[Verdict, ...]
    levels: tuple[LevelResult, ...]
    achieved: Level


def judge(evidence: Evidence) -> Judgement:
    """Recompute everything from matrix, plan and profile."""
    excluded = evidence.run.profile.excluded
    claimed = evidence.run.level.claimed
    rolled = verdicts.roll_up(evidence.requirements, evidence.vectors, evidence.lines, excluded)
    by_id = {requirement.id: requirement for requirement in evidence.requirements}
    results = levels.judge_levels(rolled, by_id, claimed, excluded)
    whole = evidence.run.status == "complete" and evidence.run.selection.complete
    return Judgement(
        verdicts=rolled,
        levels=results,
        # A selection or a broken-off run shows what it shows, but reaches nothing.
        achieved=levels.achieved(results) if whole else Level.NONE,
    )


def results(judgement: Judgement) -> dict[str, int]:
    """How many requirements ended how, in the words of D-05."""
    count = Counter(verdict.outcome for verdict in judgement.verdicts)
    return {
        "total": len(judgement.verdicts),
        "passed": count[Outcome.PASSED],
        "failed": count[Outcome.FAILED],
        "warned": count[Outcome.WARNED],
        "error": count[Outcome.ERROR],
        "excluded": count[Outcome.NOT_APPLICABLE],
        "notRun": count[Outcome.NOT_TESTED] + count[Outcome.BLOCKED],
    }


def level_table(judgement: Judgement, claimed: Level) -> dict[str, str]:
    """Claimed and achieved level, and PASSED or FAILED for each up to the claimed one."""
    table = {"claimed": claimed.value, "achieved": judgement.achieved.value}
    for result in judgement.levels:
        reached = result.level.rank <= judgement.achieved.rank
        table[result.level.value] = PASSED if reached else FAILED
    return table


def verdict(judgement: Judgement, claimed: Level) -> str:
    """PASSED when the claimed level was reached, else FAILED."""
    return PASSED if judgement.achieved is claimed else FAILED


def to_bytes(judgement: Judgement) -> bytes:
    """`evidence/requirements.json`: the judgement in RFC 8785 form."""
    value: dict[str, Any] = msgspec.to_builtins(judgement)
    return canonical_json(value)
