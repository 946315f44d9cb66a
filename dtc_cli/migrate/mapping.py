"""The mapping of a plan, compiled: from the fields of a record to the members of an object."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from dtc_cli.migrate import units, values
from dtc_cli.migrate.expressions import compile_expression
from dtc_cli.migrate.plan import LayerPlan, Rule, TypeRule
from dtc_cli.migrate.trouble import plan_error

Row = Mapping[str, Any]


class Mapper:
    """Maps rows of one layer; counts what it meets (unknown codes, values that do not fit).

    Attributes:
        notices: what happened how often, for the report: `unknown code`, `not a number`, `out of range`.
    """

    def __init__(self, layer: LayerPlan, tables: Mapping[str, Mapping[str, Any]], where: str) -> None:
        self.notices: Counter[str] = Counter()
        self._tables = tables
        self._type = layer.type
        self._members = [
            (member.split("."), self._compiled(member, rule, where))
            for member, rule in layer.properties.items()
        ]
        used = {name for rule in layer.properties.values() for name in rule.source}
        self._used = used
        self._keep_rest = layer.keep_rest

    def type_of(self, row: Row) -> str:
        """The type of the object that a row becomes."""
        rule: TypeRule = self._type
        if rule.constant is not None:
            return rule.constant
        code = values.text(row.get(rule.source or ""))
        if rule.table is not None and code is not None:
            found = self._tables[rule.table].get(code)
            if found is None:
                self.notices[f"unknown code {rule.source}={code}"] += 1
            code = None if found is None else str(found)
        return code or rule.default or "Landmark"

    def properties(self, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
        """The properties of the object, and the fields that no rule used (kept in its metadata)."""
        result: dict[str, Any] = {}
        for path, get in self._members:
            value = get(row)
            if value is None:
                continue
            if len(path) == 1:
                result[path[0]] = value
                continue
            place = result
            for part in path[:-1]:
                place = place.setdefault(part, {})
            place[path[-1]] = value
        rest = {}
        if self._keep_rest:
            for name, value in row.items():
                if name not in self._used and (shown := plain(value)) is not None:
                    rest[name] = shown
        return result, rest

    def _compiled(self, member: str, rule: Rule, where: str) -> Callable[[Row], Any]:
        at = f"{where} {member}"
        if rule.unit is not None and not units.known(rule.unit):
            raise plan_error(
                f"there is no unit {rule.unit}",
                where=at,
                hint="one of: " + ", ".join(sorted(units.TO_METRES)),
            )
        if rule.zone is not None:
            try:
                values.zone(rule.zone)
            except ValueError as problem:
                raise plan_error(str(problem), where=at, hint="an IANA name, or +09:00") from problem
        get = self._base(rule, at)
        simple = not (rule.nulls or rule.table or rule.unit or rule.kind or rule.split or rule.pattern)
        if simple and rule.least is None and rule.most is None:
            return _defaulted(get, rule.default)
        return _defaulted(self._finished(member, rule, get), rule.default)

    def _base(self, rule: Rule, at: str) -> Callable[[Row], Any]:
        if rule.expr is not None:
            return self._guarded(compile_expression(rule.expr, where=at), at)
        if len(rule.source) == 1:
            name = rule.source[0]
            return lambda row: plain(row.get(name))
        if rule.source:
            names, glue = rule.source, rule.join if rule.join is not None else " "
            return lambda row: (
                glue.join(part for part in (values.text(row.get(name)) for name in names) if part) or None
            )
        constant = rule.value
        return lambda _row: constant

    def _guarded(self, get: Callable[[Row], Any], at: str) -> Callable[[Row], Any]:
        def value(row: Row) -> Any:
            try:
                return plain(get(row))
            except (ValueError, TypeError, ArithmeticError, IndexError, AttributeError):
                self.notices[f"expression failed: {at.rpartition(' ')[2]}"] += 1
                return None

        return value

    def _finished(self, member: str, rule: Rule, get: Callable[[Row], Any]) -> Callable[[Row], Any]:
        table = self._tables[rule.table] if rule.table is not None else None
        nulls = {values.text(one) for one in rule.nulls}
        notices = self.notices

        def value(row: Row) -> Any:
            given = get(row)
            if given is None or (nulls and values.text(given) in nulls):
                return None
            if table is not None:
                code = values.text(given) or ""
                if code in table:
                    given = table[code]
                else:
                    # An unknown code is counted and kept as it is (edge case 31).
                    notices[f"unknown code {rule.source[0] if rule.source else member}={code}"] += 1
                    return code
            try:
                given = _typed(given, rule)
            except (ValueError, TypeError, OverflowError):
                notices[f"{member}: not {rule.kind or 'a number'}: {str(given)[:40]}"] += 1
                return None
            if isinstance(given, int | float) and not isinstance(given, bool):
                low, high = rule.least, rule.most
                if (low is not None and given < low) or (high is not None and given > high):
                    notices[f"{member}: out of range: {given}"] += 1
                    return None
            return given

        return value


def _typed(given: Any, rule: Rule) -> Any:  # noqa: PLR0911 - one arm per kind
    if rule.split is not None:
        return [part.strip() for part in str(given).split(rule.split) if part.strip()]
    if rule.unit is not None:
        amount = values.number(given)
        if amount is None:
            return None
        converted = units.convert(amount, rule.unit)
        return amount if converted == amount else round(converted, 4)
    if rule.kind == "number":
        return values.number(given)
    if rule.kind == "integer":
        return values.integer(given)
    if rule.kind == "boolean":
        return values.boolean(given)
    if rule.kind == "year":
        return values.year(given, rule.pattern)
    if rule.kind == "date":
        return values.day(given, rule.pattern)
    if rule.kind == "instant" or (rule.kind is None and rule.pattern):
        return values.instant(given, rule.pattern, rule.zone)
    if rule.kind == "text":
        return values.text(given)
    return given


def _defaulted(get: Callable[[Row], Any], default: Any) -> Callable[[Row], Any]:
    if default is None:
        return get

    def value(row: Row) -> Any:
        given = get(row)
        return default if given is None else given

    return value


def plain(value: Any) -> Any:  # noqa: PLR0911 - one arm per kind
    """A value as JSON can hold it: texts without padding, no NaN, bytes as hex, dates as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.replace("\x00", "").strip() or None
    if isinstance(value, int):
        return value if -(2**53) <= value <= 2**53 else str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return None
        return int(value) if value.is_integer() and abs(value) <= 2**53 else value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)
