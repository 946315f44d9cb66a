"""The requirement table, with counts by outcome and a filter that the script brings to life."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import READING_ORDER, Row
from dtc_cli.core.report.words import name_of
from dtc_cli.reports import shown
from dtc_cli.reports.html.markup import anchor, badge, link, links, table, text

PHASES = {"1": "1 data", "2": "2 API", "3": "3 real time", "4": "4 integration"}


def requirements_section(report: Report) -> str:
    """Totals, filter and table."""
    tests: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for case in report.cases:
        tests[case.requirement][case.outcome] += 1
    groups: dict[str, list[Row]] = {}
    for row in report.requirements:
        groups.setdefault(row.root or row.id, []).append(row)
    bodies = "".join(
        f"<tbody>{''.join(_row(row, tests[row.id]) for row in group)}</tbody>\n" for group in groups.values()
    )
    return (
        '<section class="new-page" aria-labelledby="requirements"><h2 id="requirements">Requirements</h2>\n'
        + _totals(report)
        + _filter(report.requirements)
        + table(
            "Every requirement of the level: what needs attention first, blocked ones under their cause.",
            ("Outcome", "Requirement", "Level", "Strength", "Clause", "#Tests passed", "What happened"),
            bodies,
            identifier="requirement-table",
        )
        + "</section>\n"
    )


def _totals(report: Report) -> str:
    rows = "".join(
        f'<tr data-total="{outcome.value}"><th scope="row">{badge(outcome)}</th>'
        f'<td class="number">{report.totals.requirements[outcome.value]:,}</td>'
        f'<td class="number">{report.totals.vectors[outcome.value]:,}</td>'
        f"<td>{text(shown.MEANINGS[outcome])}</td></tr>"
        for outcome in READING_ORDER
    )
    columns = ("Outcome", "#Requirements", "#Tests", "It means")
    counts = table("Counts by outcome.", columns, f"<tbody>{rows}</tbody>", identifier="totals")
    return f"{counts}{_by_check(report.requirements)}<h3>All requirements</h3>\n"


def _by_check(rows: Iterable[Row]) -> str:
    """Requirements by phase and check against outcome: where a product is strong, and where it is not."""
    matrix: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for row in rows:
        matrix[row.check][row.outcome] += 1
    lines = "".join(
        f'<tr><th scope="row">{text(check.replace("/", ": ", 1))}</th>'
        + "".join(f'<td class="number">{counts[outcome] or ""}</td>' for outcome in READING_ORDER)
        + f'<td class="number">{sum(counts.values()):,}</td></tr>'
        for check, counts in sorted(matrix.items())
    )
    columns = ("Check", *(f"#{shown.words(outcome)}" for outcome in READING_ORDER), "#all")
    inner = table("Requirements by phase and check.", columns, f"<tbody>{lines}</tbody>")
    return f'<details class="case"><summary>By phase and check</summary><div>{inner}</div></details>\n'


def _filter(rows: Iterable[Row]) -> str:
    every = list(rows)
    phases = sorted({row.phase for row in every})
    levels = sorted({row.level for row in every}, key=lambda level: level.rank)
    present = {row.outcome for row in every}
    strengths = sorted({row.strength.value for row in every})
    return (
        '<form id="filter" class="filter" role="search" aria-label="Requirements" hidden>'
        '<label>Search<input type="search" name="words" autocomplete="off"></label>'
        + _select("Outcome", "outcome", {o.value: shown.words(o) for o in READING_ORDER if o in present})
        + _select("Level", "level", {level.value: name_of(level) for level in levels})
        + _select("Phase", "phase", {phase: PHASES.get(phase, phase) for phase in phases})
        + _select("Strength", "strength", {strength: strength.upper() for strength in strengths})
        + '<button type="reset">Show all</button><p id="shown" class="small" role="status"></p></form>\n'
    )


def _select(label: str, name: str, choices: Mapping[str, str]) -> str:
    options = "".join(
        f'<option value="{text(value)}">{text(words)}</option>' for value, words in choices.items()
    )
    return f'<label>{label}<select name="{name}"><option value="">all</option>{options}</select></label>'


def _row(row: Row, tests: Counter[Outcome]) -> str:
    passed, every = tests[Outcome.PASSED], sum(tests.values())
    under = ' class="under"' if row.root else ""
    data = "".join(
        f' data-{name}="{text(value)}"'
        for name, value in (
            ("outcome", row.outcome.value),
            ("level", row.level.value),
            ("phase", row.phase),
            ("strength", row.strength.value),
        )
    )
    message = text(row.message)
    if row.blocked_by:
        message += f"{' ' if message else ''}(blocked by {links(row.blocked_by)})"
    return (
        f'<tr id="row-{anchor(row.id)}"{under}{data}><td>{badge(row.outcome)}</td>'
        f'<th scope="row">{link(row.id)} <span class="soft">{text(row.title)}</span></th>'
        f"<td>{name_of(row.level)}</td><td>{row.strength.value.upper()}</td><td>{text(row.clause)}</td>"
        f'<td class="number">{passed:,} of {every:,}</td><td class="message">{message}</td></tr>\n'
    )
