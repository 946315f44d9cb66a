"""Sensor inventories and measurement tables (CSV, XLSX): each reading with parameter, unit, instant."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.migrate import values
from dtc_cli.migrate.sources.records import Item, Kinds, batches
from dtc_cli.migrate.sources.source import Batch, Layer
from dtc_cli.migrate.sources.table import TableSource
from dtc_cli.migrate.trouble import source_error

IDS = (
    "sensorid", "sensor", "deviceid", "device", "stationid", "station", "stationcode", "serial", "serialno",
    "측정소코드", "측정소명", "센서", "센서id", "測定局コード", "messstation", "messstelle", "sensornummer",
    "capteur", "idcapteur", "estacion", "estación", "sonda", "stazione", "id",
)  # fmt: skip
TIMES = (
    "timestamp", "time", "datetime", "date", "at", "measuredat", "observedat", "phenomenontime",
    "측정일시", "일시",
    "測定日時", "日時", "zeitstempel", "zeitpunkt", "messzeit", "datum", "datumzeit",
    "horodatage", "dateheure", "fecha", "fechahora", "dataora",
)  # fmt: skip
SURELY = (
    "sensorid", "sensor", "sensorname", "deviceid", "device", "stationid", "stationcode", "측정소코드",
    "측정소명", "센서", "센서id", "測定局コード", "messstation", "messstelle", "sensornummer", "capteur",
    "idcapteur",
)  # fmt: skip
"""Names of a sensor's id that mean nothing else."""
TRAITS = (
    "sensortype", "devicetype", "manufacturer", "maker", "model", "installdate", "installed",
    "calibrationdate", "센서종류", "제조사", "설치일", "설치일자", "メーカー", "設置日",
)  # fmt: skip
"""What only an inventory tells about a sensor."""
PARAMETERS = (
    "parameter", "property", "observedproperty", "pollutant", "item", "항목", "項目", "messgröße",
    "messgroesse", "komponente", "paramètre", "parametre", "parámetro", "parametro", "magnitud",
)  # fmt: skip
AMOUNTS = (
    "value", "result", "reading", "측정값", "값", "値", "測定値", "messwert", "wert", "valeur", "valor",
    "valore",
)  # fmt: skip
UNITS = ("unit", "units", "uom", "단위", "単位", "einheit", "unité", "unite", "unidad", "unità")
NULLS = ("-999", "-999.0", "-9999", "-9999.0", "nan", "null", "n/a", "na", "-", "---")
READ = 4096


def kind_of_table(names: list[str]) -> str | None:
    """Whether a table with these columns holds readings or sensors: `measurements`, `sensors`, None."""
    folded = {re.sub(r"[\W_]+", "", name).lower() for name in names}
    long = all(folded & set(each) for each in (IDS, TIMES, PARAMETERS, AMOUNTS, UNITS))
    if long:  # a station that has values of parameters in units is no stop of a bus
        return "measurements"
    if not folded & set(SURELY):
        return None
    wide = any(_split(name)[1] is not None for name in names)
    if folded & set(TIMES) and (wide or folded & set(AMOUNTS)):
        return "measurements"
    return "sensors" if folded & set(TRAITS) else None


class SensorSource:
    """A table of sensors, or of their readings.

    An inventory gives its records as they are, keyed by the id of the sensor. A table of readings may be long
    (parameter, value) or wide (a column for each parameter, `PM2.5 (ug/m3)`); each value becomes a record
    with `sensor_id`, `parameter`, `value`, `unit`, `at` (RFC 3339), keyed by these. Times
    without a zone stop the migration until the zone is stated.

    Args:
        path: CSV or XLSX.
        format: `sensors` or `measurements`.
        encoding: overrides detection, for CSV.
        id: column of the sensor's id.
        time: column of the instant.
        pattern: of the instant, as strptime, `epoch-ms` or `epoch-s`.
        zone: of instants that state none, as an IANA name or an offset.
        parameter: column of the parameter, or for a table of one parameter its name.
        value: column of the value.
        unit: column of the unit, or the unit.
        parameters: columns of a wide table.
        nulls: texts that stand for no value.
        **more: as for `TableSource`.
    """

    def __init__(
        self,
        path: str,
        *,
        format: str,
        encoding: str | None = None,
        id: str | None = None,
        time: str | None = None,
        pattern: str | None = None,
        zone: str | None = None,
        parameter: str | None = None,
        value: str | None = None,
        unit: str | None = None,
        parameters: list[str] | None = None,
        nulls: list[str] | None = None,
        **more: Any,
    ) -> None:
        self.format = format
        kind = "xlsx" if Path(path).suffix.lower() == ".xlsx" else "csv"
        self._table = TableSource(path, format=kind, encoding=encoding, **more)
        self._path, self._pattern, self._zone = path, pattern, zone
        self._nulls = {one.lower() for one in (nulls if nulls is not None else NULLS)}
        self._gaps = {"", *self._nulls}
        self._facts = self._table.layers()[0]
        names = [field.name for field in self._facts.fields]
        self._id = self._column(names, id, IDS, "id")
        if format == "sensors":
            return
        if zone is not None:
            values.zone(zone)
        self._time = self._column(names, time, TIMES, "time")
        self._value = value or _named(names, AMOUNTS)
        self._parameter = parameter or _named(names, PARAMETERS)
        self._unit = unit or _named(names, UNITS)
        self._wide = parameters or ([] if self._value else self._numeric(names))
        for name in (*self._wide, *([value] if value else ())):
            self._column(names, name, (), "value")
        if not self._wide and self._value is None:
            raise source_error(
                "no column holds values", where=path,
                hint="options: {value: COLUMN} or {parameters: [COLUMN]}; columns: " + ", ".join(names),
            )  # fmt: skip

    def layers(self) -> list[Layer]:
        """See `Source`."""
        if self.format == "sensors":
            notes = (*self._facts.notes, "it is read as an inventory of sensors; --format csv reads a table")
            return [
                msgspec.structs.replace(
                    self._facts, key=self._id, scheme="sensor", role="sensors", notes=notes
                )
            ]
        kinds, count, zoneless = Kinds(), 0, False
        for item in self._readings():
            kinds.add(item.row)
            count += 1
            zoneless = zoneless or (item.problem is None and item.row.get("zone_stated") is False)
        blockers = []
        if zoneless and self._zone is None:
            blockers.append(
                "the times state no zone; options: {zone: Asia/Seoul}, or whichever it is, states it"
            )
        return [
            msgspec.structs.replace(
                self._facts, count=count, fields=kinds.fields(), key="reading_id", role="measurements",
                blockers=tuple(blockers),
                notes=("it is read as readings of sensors; --format csv reads it as a table",),
            )
        ]  # fmt: skip

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`."""
        if self.format == "sensors":
            return self._table.batches(layer, start=start, size=size, careful=careful)
        return batches(self._readings(), start, size)

    def token(self) -> str:
        """Size and time of the file."""
        return self._table.token()

    def close(self) -> None:
        """Nothing stays open."""
        self._table.close()

    def _column(self, names: list[str], given: str | None, usual: tuple[str, ...], what: str) -> str:
        found = given if given in names else None if given else _named(names, usual)
        if found is None:
            raise source_error(
                f"there is no column {given}" if given else f"no column is known to hold the {what}",
                where=self._path, hint=f"options: {{{what}: COLUMN}}; columns: " + ", ".join(names),
            )  # fmt: skip
        return found

    def _numeric(self, names: list[str]) -> list[str]:
        """Columns of numbers, with comma or point, that are neither id, time nor place."""
        _, x, y = self._table.places(names)
        first = next(self._table.batches(self._facts.name, start=0, size=READ, careful=False), None)
        hidden = (self._id, self._time, self._unit, x, y)
        columns = first.columns if first is not None else {}
        return [name for name in names if name not in hidden and self._is_number(columns.get(name, []))]

    def _is_number(self, column: list[Any]) -> bool:
        words = [word for one in column if (word := values.text(one)) and word.lower() not in self._nulls]
        try:
            return bool(words) and all(values.number(word) is not None for word in words)
        except ValueError:
            return False

    def _readings(self) -> Iterator[Item]:
        for batch in self._table.batches(self._facts.name, start=0, size=READ, careful=False):
            for place in range(batch.size):
                row = batch.row(place)
                for parameter, unit, given in self._values(row):
                    problem = batch.problems.get(place)
                    item = self._item(row, parameter, unit, given, batch.geometry[place], problem)
                    item.fid = item.row["reading_id"] or str(batch.first + place)
                    yield item

    def _values(self, row: Mapping[str, Any]) -> Iterator[tuple[str | None, str | None, Any]]:
        if self._wide:
            for column in self._wide:
                name, unit = _split(column)
                given = row.get(column)
                if (values.text(given) or "").lower() in self._gaps:
                    continue  # an empty cell of a wide table is no reading
                yield name, unit, given
            return
        parameter = self._stated(row, self._parameter)
        yield parameter or self._value, self._stated(row, self._unit), row.get(self._value or "")

    def _stated(self, row: Mapping[str, Any], name: str | None) -> str | None:
        """The value of a column, or the name itself where there is no such column."""
        return values.text(row[name]) if name is not None and name in row else name

    def _item(
        self,
        row: Mapping[str, Any],
        parameter: str | None,
        unit: str | None,
        given: Any,
        shape: Any,
        problem: Any,
    ) -> Item:
        sensor, raw = values.text(row.get(self._id)), row.get(self._time)
        found: dict[str, Any] = {
            "reading_id": None, "sensor_id": sensor, "parameter": parameter, "value": None, "unit": unit,
            "at": None, "zone_stated": _has_zone(raw, self._pattern), "value_raw": values.text(given),
            "at_raw": values.text(raw),
        }  # fmt: skip
        try:
            found["at"] = values.instant(raw, self._pattern, self._zone)
        except (ValueError, OverflowError) as trouble:
            problem = problem or ("bad-time", f"{str(raw)[:60]}: {trouble}"[:200])
        word = (values.text(given) or "").lower()
        if word and word not in self._nulls:
            try:
                found["value"] = values.number(given)
            except ValueError:
                problem = problem or ("bad-value", f"{parameter}: {str(given)[:60]} is no number")
        if problem is None and (sensor is None or found["at"] is None):
            problem = (
                "missing-key",
                "the reading has no sensor" if sensor is None else "the reading has no time",
            )
        if sensor is not None and found["at"] is not None:
            found["reading_id"] = f"{sensor}|{parameter}|{found['at']}"
        return Item(fid="", row=found, shape=shape, problem=problem)


def _named(names: list[str], usual: tuple[str, ...]) -> str | None:
    folded = {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(names)}
    return next((folded[one] for one in usual if one in folded), None)


def _split(column: str) -> tuple[str, str | None]:
    """`PM2.5 (ug/m3)` or `temp [C]` as parameter and unit."""
    found = re.fullmatch(r"\s*(.+?)\s*[(\[]\s*([^)\]]+?)\s*[)\]]\s*", column)
    return (found[1], found[2]) if found else (column, None)


def _has_zone(raw: Any, pattern: str | None) -> bool:
    if pattern in ("epoch-ms", "epoch-s") or (pattern and "%z" in pattern):
        return True
    if isinstance(raw, datetime):
        return raw.tzinfo is not None
    return re.search(r"(Z|[+-]\d\d:?\d\d)\s*$", str(raw or ""), re.IGNORECASE) is not None
