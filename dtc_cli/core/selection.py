"""The selector grammar of `--select`: which vectors of a level to run."""

import difflib
import fnmatch
import re
from collections.abc import Callable, Collection, Mapping

from dtc_cli.core.model import LEVELS, Requirement, Vector
from dtc_cli.core.sample import Sample
from dtc_cli.errors import DtcError

GRAMMAR = """\
terms, separated by commas, of which any may hold:
  DTC-P2-022, DTC-P1-*    requirements           DTC-P2-022/reading-*     vectors; * stands for any text
  phase:2                 a phase, or phase:performance, phase:security
  level:silver            requirements that are new at a level
  check:Pagination        a check of P4 8.3      clause:"P2 4.3"          a clause of the standard
  strength:must           must, should or may    hazard:read              what a vector does to the target
  failed:RUN              what did not pass in that run
  sample:20%@7            that share of the vectors, drawn with that seed
A term with ! before it takes away."""

Rule = Callable[[Requirement, Vector], bool]


def parse(
    expression: str, requirements: Mapping[str, Requirement], failed_in: Callable[[str], Collection[str]]
) -> Rule:
    """The rule that an expression stands for.

    Args:
        expression: see `GRAMMAR`.
        requirements: the catalogue, to explain an id or a word that is not in it.
        failed_in: the ids of the vectors that did not pass in a run, for `failed:`.

    Raises:
        DtcError: `selection` for a term that is none or names nothing.
    """
    terms = [term.strip() for term in expression.split(",") if term.strip()]
    if not terms:
        raise _unknown(expression, "it is empty")
    wanted = [_term(term, requirements, failed_in) for term in terms if not term.startswith("!")]
    unwanted = [_term(term[1:], requirements, failed_in) for term in terms if term.startswith("!")]
    return lambda requirement, vector: (
        (not wanted or any(rule(requirement, vector) for rule in wanted))
        and not any(rule(requirement, vector) for rule in unwanted)
    )


def _term(
    term: str, requirements: Mapping[str, Requirement], failed_in: Callable[[str], Collection[str]]
) -> Rule:
    if term.upper().startswith("DTC-"):
        return _by_id(term, requirements)
    name, colon, value = term.partition(":")
    value = value.strip().strip("\"'")
    if not colon or not value:
        raise _unknown(term, "it is neither an id nor name:value")
    if name == "failed":
        failed = frozenset(failed_in(value))
        return lambda _, vector: vector.id in failed
    if name == "sample":
        try:
            sample = Sample.parse(value)
        except ValueError as problem:
            raise _unknown(term, str(problem)) from problem
        return lambda _, vector: sample.holds(vector.id)
    known = {
        "phase": sorted({str(entry.phase) for entry in requirements.values()}),
        "level": [level.value for level in LEVELS],
        "check": sorted({entry.check for entry in requirements.values()}),
        "strength": ["must", "should", "may"],
        "hazard": ["read", "write", "destructive", "load", "security"],
        "clause": sorted(
            {part.strip() for entry in requirements.values() for part in entry.clause.split(",")}
        ),
    }
    if name not in known:
        raise _unknown(name, f"there is no selector {name}", ["failed", "sample", *known])
    return _by_word(name, value, term, known[name])


def _by_id(term: str, requirements: Mapping[str, Requirement]) -> Rule:
    name, _, slug = term.partition("/")
    ids = frozenset(fnmatch.filter(requirements, name.upper()))
    if not ids:
        raise _unknown(term, "the catalogue has no such requirement", requirements)
    pattern = slug or "*"
    return lambda entry, vector: entry.id in ids and fnmatch.fnmatchcase(vector.id.partition("/")[2], pattern)


def _by_word(name: str, value: str, term: str, known: Collection[str]) -> Rule:
    if name == "clause":
        # A clause contains its sub-clauses: P2 4.3 is in P2 4, but P2 4.30 is not in P2 4.3.
        pattern = re.compile(rf"(?:^|[ ,-]){re.escape(value)}(?![\d])", re.IGNORECASE)
        if not any(pattern.search(clause) for clause in known):
            raise _unknown(term, "no requirement cites this clause", known)
        return lambda entry, _: pattern.search(entry.clause) is not None
    if name == "check":
        fitting = {
            check for check in known if value.lower() in (check.lower(), check.partition("/")[2].lower())
        }
        if not fitting:
            raise _unknown(term, "there is no such check", known)
        return lambda entry, _: entry.check in fitting
    if value.lower() not in known:
        raise _unknown(term, f"{value} is no {name}", known)
    if name == "hazard":
        return lambda _, vector: vector.hazard == value.lower()
    return lambda entry, _: str(getattr(entry, name)) == value.lower()


def _unknown(term: str, why: str, known: Collection[str] = ()) -> DtcError:
    word = term.partition(":")[2] or term
    nearest = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return DtcError(
        "selection",
        f"the selector {term!r} selects nothing",
        where=f"--select {term}",
        why=why,
        hint=("did you mean " + ", ".join(nearest) + "?") if nearest else "dtc test --help shows the grammar",
    )
