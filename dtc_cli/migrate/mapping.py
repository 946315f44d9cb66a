"""The mapping of a plan, compiled: from fields of records to members of objects, a batch at a time."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dtc_cli.migrate import units, values
from dtc_cli.migrate.expressions import compile_expression
from dtc_cli.migrate.plan import LayerPlan, Rule, TypeRule
from dtc_cli.migrate.table import Table, as_dicts, kinds_of, plain
from dtc_cli.migrate.trouble import plan_error

Column = Callable[[Table], list[Any]]
POSITIVE = frozenset({"height", "area", "width", "lanes", "maxSpeed", "floors.above"})
"""Members below 0 of which there is nothing in the world; `min` of a rule decides otherwise."""
SMALL = (POSITIVE - {"area"}) | {"floors.below"}
"""Members for which 9999 is a stand-in as good as -9999."""
UOM = "_uom"
"""What the name of a field with the unit of another ends with."""
MOST_REMEMBERED = 20_000
"""Values of one rule whose outcome is kept: codes, floors and days repeat, names do not."""


class Mapper:
    """Maps the records of one layer; counts what it meets (unknown codes, values that do not fit).

    Attributes:
        notices: what happened how often, for the report: `unknown code`, `not a number`, `out of range`.
    """

    def __init__(self, layer: LayerPlan, tables: Mapping[str, Mapping[str, Any]], where: str) -> None:
        self.notices: Counter[str] = Counter()
        self._tables = tables
        self._type = layer.type
        self._tree: dict[str, Any] = {}
        for member, rule in layer.properties.items():
            _plant(self._tree, member, self._compiled(member, rule, where), where)
        self._used = {name for rule in layer.properties.values() for name in rule.source}
        self._used |= {name for rule in layer.sensor.values() for name in rule.source}
        if layer.key is not None:
            self._used.add(layer.key)  # it is metadata.legacyId
        self._keep_rest = layer.keep_rest

    def types(self, table: Table) -> list[str]:
        """The types of the objects that records become."""
        rule: TypeRule = self._type
        if rule.constant is not None:
            return [rule.constant] * table.size
        found = []
        for given in table.raw(rule.source or ""):
            code = values.text(given)
            if rule.table is not None and code is not None:
                word = self._tables[rule.table].get(code)
                if word is None:
                    self.notices[f"unknown code {rule.source}={code}"] += 1
                code = None if word is None else str(word)
            found.append(code or rule.default or "Landmark")
        return found

    def properties(self, table: Table) -> list[dict[str, Any]]:
        """The properties of the objects, members in the order of their names."""
        return _grown(self._tree, table)

    def rest(self, table: Table) -> list[dict[str, Any]] | None:
        """The fields that no rule used (kept in the metadata of an object); None where there are none."""
        names = sorted(name for name in table.columns if name not in self._used)
        if not self._keep_rest or not names:
            return None
        return as_dicts(names, [table.clean(name) for name in names], table.size)

    def _compiled(self, member: str, rule: Rule, where: str) -> Column:
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
        if _may_state_unit(member, rule):
            stating = _Stating(self.notices, self._tables, member, rule, get)
            return _defaulted(stating, rule.default)
        simple = not (rule.nulls or rule.table or rule.unit or rule.kind or rule.split or rule.pattern)
        if simple and rule.least is None and rule.most is None and member not in POSITIVE | SMALL:
            return _defaulted(get, rule.default)
        return _defaulted(_Finish(self.notices, self._tables, member, rule, get), rule.default)

    def _base(self, rule: Rule, at: str) -> Column:
        if rule.expr is not None:
            return self._guarded(compile_expression(rule.expr, where=at), at)
        if len(rule.source) == 1:
            name = rule.source[0]
            return lambda table: table.clean(name)
        if rule.source:
            names, glue = rule.source, rule.join if rule.join is not None else " "
            return lambda table: [
                glue.join(part for part in map(values.text, parts) if part) or None
                for parts in zip(*(table.raw(name) for name in names), strict=True)
            ]
        constant = plain(rule.value)
        return lambda table: [constant] * table.size

    def _guarded(self, get: Callable[[Mapping[str, Any]], Any], at: str) -> Column:
        def value(row: Mapping[str, Any]) -> Any:
            try:
                return plain(get(row))
            except (ValueError, TypeError, ArithmeticError, IndexError, AttributeError):
                self.notices[f"expression failed: {at.rpartition(' ')[2]}"] += 1
                return None

        return lambda table: [value(row) for row in table.rows]


class _Finish:
    """What a rule does with the values of its field; the outcome for a value is worked out once."""

    def __init__(
        self,
        notices: Counter[str],
        tables: Mapping[str, Mapping[str, Any]],
        member: str,
        rule: Rule,
        get: Column,
    ) -> None:
        self._notices, self._member, self._rule, self._get = notices, member, rule, get
        self._table = tables[rule.table] if rule.table is not None else None
        self._nulls = {values.text(one) for one in rule.nulls}
        self._known: dict[Any, Any] = {}
        self._noticed: dict[Any, str] = {}
        self._partly: set[Any] = set()
        """Values that say more than their outcome: the day of a year, what follows a number."""
        bare = not (rule.nulls or rule.table or rule.unit or rule.split or rule.pattern)
        bare = bare and rule.least is None and rule.most is None
        self._nines = member in SMALL and rule.most is None
        self._positive = member in POSITIVE and rule.least is None
        self._numeric = (
            rule.kind in ("number", "integer") or rule.unit is not None or member in POSITIVE | SMALL
        )
        # A number that is one already is left as it is.
        fits: dict[str, set[type]] = {
            "": {int, float} if self._numeric else set(),
            "number": {int, float},
            "integer": {int},
            "text": {str},
            "boolean": {bool},
        }
        self._as_is = fits.get(rule.kind or "", set()) if bare else set()

    def __call__(self, table: Table) -> list[Any]:
        """The values of the member for the records of a batch."""
        column = self._get(table)
        kinds = kinds_of(column)
        if kinds <= self._as_is and not (self._numeric and self._doubtful(column)):
            return column
        if len(kinds) > 1 or kinds & {list, dict}:
            return [self.counted(table, index, given) for index, given in enumerate(column)]
        known = self._known
        new = set(column).difference(known)
        if len(known) + len(new) > MOST_REMEMBERED:
            known.clear()
            self._noticed.clear()
            self._partly.clear()
            new = set(column)
        for given in new:
            known[given], notice = self._one(given)
            if notice:
                self._noticed[given] = notice
            elif self._says_more(given, known[given]):
                self._partly.add(given)
        if self._partly:
            for index, given in enumerate(column):
                if given in self._partly:
                    table.keep(index, self._rule.source)
        if self._noticed:
            for index, given in enumerate(column):
                if given in self._noticed:
                    self._note(table, index, known[given], self._noticed[given])
        return list(map(known.__getitem__, column))

    def counted(self, table: Table, index: int, given: Any) -> Any:
        """The outcome for the value of one record."""
        value, notice = self._one(given)
        if notice:
            self._note(table, index, value, notice)
        elif self._says_more(given, value):
            table.keep(index, self._rule.source)
        return value

    def _says_more(self, given: Any, outcome: Any) -> bool:
        """Whether a value holds what its outcome does not; then the field is kept as well."""
        kind = self._rule.kind
        if outcome is None or self._table is not None or self._rule.unit is not None or kind is None:
            return False
        return values.says_more(given, outcome, kind, self._rule.pattern)

    def _note(self, table: Table, index: int, value: Any, notice: str) -> None:
        self._notices[notice] += 1
        if value is None:
            table.lose(index, self._member, self._rule.source, notice.partition(": ")[2])

    def _doubtful(self, column: list[Any]) -> bool:
        """Whether one of these numbers may be out of place: a quick look at the least and the greatest."""
        given = [value for value in column if value is not None]
        if not given:
            return False
        low, high = (0 if self._positive else -9998), (9999 if self._nines else values.WILDEST)
        return bool(min(given) < low or max(given) >= high)

    def _strange(self, given: Any) -> str:
        """Why a number, also one that is written as text, is none for this member; empty where it is."""
        try:
            amount = values.number(given)
        except (ValueError, TypeError, OverflowError):
            return ""
        if amount is None:
            return ""
        if values.stands_in(amount, nines=self._nines):
            return "stands for no value"
        return "out of range" if self._positive and amount < 0 else ""

    def _one(self, given: Any) -> tuple[Any, str]:
        """The outcome for one value, and what there is to say about it."""
        if given is None or (self._nulls and values.text(given) in self._nulls):
            return None, ""
        rule, member = self._rule, self._member
        if self._table is not None:
            code = values.text(given) or ""
            if code not in self._table:
                # An unknown code is counted and kept as it is (edge case 31).
                return code, f"unknown code {rule.source[0] if rule.source else member}={code}"
            given = self._table[code]
        elif self._numeric and (why := self._strange(given)):
            return None, f"{member}: {why}: {str(given)[:40]}"
        try:
            given = _typed(given, rule)
        except (ValueError, TypeError, OverflowError):
            return None, f"{member}: not {rule.kind or 'a number'}: {str(given)[:40]}"
        if isinstance(given, int | float) and not isinstance(given, bool):
            low, high = rule.least, rule.most
            if (low is not None and given < low) or (high is not None and given > high):
                return None, f"{member}: out of range: {given}"
        return given, ""


class _Stating:
    """A measure whose records may state their unit beside it, in `FIELD_uom` as GML has it.

    A unit in the rule is a person's word and goes before. What is in no unit that is known is not taken.
    """

    def __init__(
        self,
        notices: Counter[str],
        tables: Mapping[str, Mapping[str, Any]],
        member: str,
        rule: Rule,
        get: Column,
    ) -> None:
        self._notices, self._tables, self._member, self._rule, self._get = notices, tables, member, rule, get
        self._as_written = _Finish(notices, tables, member, rule, get)
        self._by_unit: dict[str, tuple[_Finish, bool] | None] = {}
        """Unit as it is stated to how its values are taken, and whether that changes their numbers."""

    def __call__(self, table: Table) -> list[Any]:
        """The values of the member for the records of a batch, in the unit of the standard."""
        uoms = [values.text(one) for one in table.raw(self._rule.source[0] + UOM)]
        if not any(uoms):
            return self._as_written(table)
        return [
            self._value(table, index, given, uom)
            for index, (given, uom) in enumerate(zip(self._get(table), uoms, strict=True))
        ]

    def _value(self, table: Table, index: int, given: Any, uom: str | None) -> Any:
        if uom is None:
            return self._as_written.counted(table, index, given)
        if given is None:
            return None
        if uom not in self._by_unit:
            self._by_unit[uom] = self._in(units.stated(uom, self._member))
        known = self._by_unit[uom]
        if known is None:
            self._notices[f"{self._member}: its unit is not known: {uom[:40]}"] += 1
            table.lose(index, self._member, self._rule.source, f"its unit {uom[:40]} is not known")
            return None
        finish, changes = known
        value = finish.counted(table, index, given)
        if value is not None and changes:
            self._notices[f"{self._member}: stated in {uom[:40]}, converted"] += 1
            table.keep(index, self._rule.source)
        return value

    def _in(self, unit: str | None) -> "tuple[_Finish, bool] | None":
        if unit is None:
            return None
        if units.convert(1.0, unit) == 1:
            return self._as_written, False
        rule = msgspec.structs.replace(self._rule, unit=unit)
        return _Finish(self._notices, self._tables, self._member, rule, self._get), True


def _may_state_unit(member: str, rule: Rule) -> bool:
    """Whether a rule takes a measure from one field, and leaves its unit to the source."""
    plain_rule = rule.expr is None and rule.table is None and rule.unit is None and rule.split is None
    return member in units.QUANTITIES and plain_rule and len(rule.source) == 1 and rule.kind != "text"


def _plant(tree: dict[str, Any], member: str, column: Column, where: str) -> None:
    """Put a rule where its member stands: `floors.above` reaches into an object."""
    *path, last = member.split(".")
    place: Any = tree
    for part in path:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            break
    if not isinstance(place, dict) or last in place:
        raise plan_error(
            f"the member {member} is a value and an object at once",
            where=f"{where} {member}",
            hint="map either the whole or its parts",
        )
    place[last] = column


def _grown(tree: Mapping[str, Any], table: Table) -> list[dict[str, Any]]:
    names, columns = sorted(tree), []
    for name in names:
        branch = tree[name]
        if isinstance(branch, dict):
            columns.append([value or None for value in _grown(branch, table)])
        else:
            columns.append(branch(table))
    return as_dicts(names, columns, table.size)


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


def _defaulted(get: Column, default: Any) -> Column:
    if default is None:
        return get
    stated = plain(default)
    return lambda table: [stated if given is None else given for given in get(table)]
