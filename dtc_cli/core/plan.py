"""The plan: which vectors a run must judge. A pure function of catalogue, level and target file."""

from collections.abc import Iterable, Mapping

import msgspec

from dtc_cli.core.chain import profile_digest
from dtc_cli.core.model import Level, Requirement, Vector
from dtc_cli.core.selection import Rule
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The closed world of one run."""

    level: Level
    requirements: tuple[Requirement, ...]
    """All entries with a level up to the claimed one, by id."""
    vectors: tuple[Vector, ...]
    """The vectors that must be judged, by id; those of excluded requirements are left out."""
    excluded: Mapping[str, str]


def make(
    requirements: Iterable[Requirement],
    vectors: Iterable[Vector],
    level: Level,
    excluded: Mapping[str, str],
    select: Rule | None = None,
) -> Plan:
    """The plan for a level.

    With a selection the plan holds the selected vectors and their requirements only: a run of it can tell
    about these requirements, and never reaches a level.

    Raises:
        DtcError: `profile` when the profile excludes an id that the catalogue does not know.
    """
    entries = sorted(requirements, key=lambda requirement: requirement.id)
    unknown = sorted(set(excluded) - {entry.id for entry in entries})
    if unknown:
        raise DtcError(
            "profile",
            f"the profile excludes {unknown[0]}, which is no requirement",
            where=f"profile.excluded.{unknown[0]}",
            hint="dtc requirements lists the ids",
        )
    of_level = tuple(entry for entry in entries if entry.level.rank <= level.rank)
    by_id = {entry.id: entry for entry in of_level if entry.id not in excluded}
    chosen = [vector for vector in vectors if vector.requirement in by_id]
    if select is not None:
        chosen = [vector for vector in chosen if select(by_id[vector.requirement], vector)]
        kept = {vector.requirement for vector in chosen}
        of_level = tuple(entry for entry in of_level if entry.id in kept)
    return Plan(
        level=level,
        requirements=of_level,
        vectors=tuple(sorted(chosen, key=lambda vector: vector.id)),
        excluded=dict(excluded),
    )


def profile(target: Target) -> dict[str, object]:
    """What the target file claims about the product, with the digest that the evidence chain starts from."""
    return {
        "excluded": dict(target.excluded),
        "hazards": list(target.hazards),
        "declares": dict(target.declares),
        "digest": profile_digest(target.excluded, target.hazards, target.declares),
    }
