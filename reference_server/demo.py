"""The demo city: a seeded, plausible district.

So that every kind of data of the standard is there to be seen.

Coordinates are WGS84 degrees around the city hall of Busan; every instant lies before the present.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from reference_server import demo_sensors, instants
from reference_server.bulk.judge import prepare
from reference_server.settings import OTHER_CITY, Settings
from reference_server.storage.protocol import Storage, Transaction

CENTRE = (129.075, 35.180)
HALF_WIDTH = (0.15, 0.13)
STEP = 0.002
"""Degrees between neighbouring streets, about 200 m."""
DAY_US = 86_400 * instants.MICROS
AGE_US = 30 * DAY_US
"""How long before the present the generated city begins."""
NAMES = ("Haeundae", "Seomyeon", "Nampo", "Gwangan", "Dongnae", "Suyeong", "Yeonsan", "Sasang")
KINDS = ("residential", "commercial", "office", "government", "industrial", "education", "hospital")
CLASSES = ("A+", "A", "B", "C", "D")
DENSE = 1000
"""A city of more objects than this has more of them to a block."""
LANDMARKS = 8
BATCH = 1000


def outline(centre: tuple[float, float], half: tuple[float, float]) -> dict[str, Any]:
    """A rectangle as a Polygon, counter-clockwise."""
    (x, y), (w, h) = centre, half
    corners = [[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h], [x - w, y - h]]
    return {"type": "Polygon", "coordinates": [[[round(a, 6), round(b, 6)] for a, b in corners]]}


def city_body(
    city_id: str,
    name: str,
    centre: tuple[float, float],
    created: int,
    half: tuple[float, float] = HALF_WIDTH,
) -> dict[str, Any]:
    """The body of a generated city."""
    instant = instants.show(created)
    return {
        "cityId": city_id,
        "name": name,
        "version": "1.0.0",
        "bounds": outline(centre, half),
        "coordinateSystem": {"type": "WGS84", "epsg": 4326},
        "metadata": {
            "description": f"{name}, generated",
            "created": instant,
            "lastUpdated": instant,
            "updateFrequency": "5min",
        },
    }


def _square(x: float, y: float, size: float, altitude: float | None = None) -> list[list[float]]:
    z = [] if altitude is None else [altitude]
    corners = ((x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y))
    return [[round(a, 6), round(b, 6), *z] for a, b in corners]


class District:
    """The objects of a generated city.

    A street grid around the centre, and what stands between the streets.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.side = max(4, math.ceil(math.sqrt(count / (4 if count <= DENSE else 9))))
        self.origin = (CENTRE[0] - STEP * self.side / 2, CENTRE[1] - STEP * self.side / 2)
        self.count = count
        middle = self.side // 2
        taken = {(1, 1), (2, 2), (middle, 0)}
        every = [(i % self.side, i // self.side) for i in range(self.side * self.side)]
        public = [block for i, block in enumerate(every) if self.side > 12 and i % 24 == 7]
        self.public = [block for block in public if block not in taken]
        self.blocks = [block for block in every if block not in taken.union(public)]
        special = 2 * (self.side + 1) + LANDMARKS + len(self.public)
        self.buildings = max(0, count - special)
        self.lots = math.ceil(math.sqrt(max(1, math.ceil(self.buildings / len(self.blocks)))))
        """Lots along each side of a block; a building stands on one."""

    @property
    def half_width(self) -> tuple[float, float]:
        """Half of the width and height of the city's outline, in degrees."""
        need = STEP * (self.side / 2 + 2)
        return max(HALF_WIDTH[0], need), max(HALF_WIDTH[1], need)

    def owners(self) -> Mapping[str, int]:
        """How many objects there are of the types that carry sensors."""
        count = {"Road": 2 * (self.side + 1), "Building": self.buildings, "Landmark": 1, "Utility": 1}
        for number in range(len(self.public)):
            for kind, turn in (("Utility", 2), ("Landmark", 4)):
                count[kind] += number % 5 == turn
        return count

    def at(self, column: float, row: float) -> list[float]:
        """The position of a street corner."""
        return [round(self.origin[0] + STEP * column, 6), round(self.origin[1] + STEP * row, 6)]

    def streets(self) -> list[dict[str, Any]]:
        """Streets that share their corners, so that they are one network."""
        made = []
        for i in range(self.side + 1):
            for direction in ("ew", "ns"):
                corners = [
                    self.at(j, i) if direction == "ew" else self.at(i, j) for j in range(self.side + 1)
                ]
                properties = {
                    "name": f"{NAMES[i % len(NAMES)]}-{'daero' if i % 3 == 0 else 'ro'} {i + 1}",
                    "width": 24.0 if i % 3 == 0 else 12.0,
                    "lanes": 6 if i % 3 == 0 else 2,
                    "surfaceType": "asphalt",
                    "speedLimit": 60 if i % 3 == 0 else 30,
                }
                made.append(_object(f"road-{direction}-{i:03d}", "Road", _line(corners), properties))
        return made

    def landmarks(self) -> list[dict[str, Any]]:
        """One or two of every other type, in every kind of geometry."""
        at, half = self.at, self.side // 2
        hole = [at(1.6, 1.6), at(1.6, 1.8), at(1.8, 1.8), at(1.8, 1.6), at(1.6, 1.6)]
        park = [at(1.2, 1.2), at(1.95, 1.2), at(1.95, 1.95), at(1.2, 1.95), at(1.2, 1.2)]
        water = [[at(half + 0.2, 0.2), at(half + 0.8, 0.2), at(half + 0.8, 0.8), at(half + 0.2, 0.2)]]
        pipe = {"type": "LineString", "coordinates": [at(0.1, half), at(half, half + 0.1)]}
        pump = {"type": "Point", "coordinates": [*at(half, half + 0.1), 4.0]}
        pipes = {"type": "GeometryCollection", "geometries": [pipe, pump]}
        top = {"type": "Point", "coordinates": [*at(half, half), 120.0], "lod": 4}
        return [
            _object("bridge-gwangan", "Bridge", {**_line([at(0, 0), at(0.5, -0.5)]), "lod": 1},
                    {"name": "Gwangan Bridge", "span": 500.0, "loadCapacity": 43.2, "material": "steel",
                     "height": 35.0}),
            _object("park-citizens", "Park", {"type": "Polygon", "coordinates": [park, hole], "lod": 0},
                    {"name": "Citizens Park", "area": 471518.0, "facilities": ["playground", "pond"],
                     "vegetation": ["zelkova", "cherry"]}),
            _object("park-trees", "Park",
                    {"type": "MultiPoint", "coordinates": [at(2.2, 2.2), at(2.3, 2.4), at(2.5, 2.3)]},
                    {"name": "Old Trees", "area": 900.0, "facilities": [], "vegetation": ["pine"]}),
            _object("utility-water-main", "Utility", pipes,
                    {"name": "Water main 7", "type": "water", "capacity": 1200, "networkId": "water-7"}),
            _object("landmark-tower", "Landmark", top,
                    {"name": "Busan Tower", "category": "tower", "significance": "city", "height": 120.0}),
            _object("hub-central", "TransportHub", {"type": "Point", "coordinates": at(half, 1)},
                    {"name": "Central Station", "modes": ["subway", "bus"],
                     "occupancy": {"current": 420, "capacity": 3000}}),
            _object("hub-tram", "TransportHub",
                    {"type": "MultiLineString", "coordinates": [[at(0, 1), at(2, 1)], [at(2, 1), at(2, 3)]]},
                    {"name": "Tram stop", "modes": ["tram"]}),
            _object("water-reservoir", "WaterBody", {"type": "Polygon", "coordinates": water},
                    {"name": "Reservoir", "area": 24000.0, "depth": 6.5, "elevation": 12.0}),
        ]  # fmt: skip

    def building(self, number: int) -> dict[str, Any]:
        """A building in one of the blocks.

        Some carry several slices with altitude, and attributes of their own.
        """
        rng = self.random
        column, row = self.blocks[number % len(self.blocks)]
        lot = number // len(self.blocks)
        room = 0.84 / self.lots
        x, y = self.at(
            column + 0.08 + room * (lot % self.lots + 0.05 + rng.random() * 0.2),
            row + 0.08 + room * (lot // self.lots + 0.05 + rng.random() * 0.2),
        )
        size = round(STEP * min(0.2, room * (0.4 + rng.random() * 0.3)), 6)
        floors = rng.randint(2, 40)
        height = round(floors * 3.2, 1)
        capacity = floors * rng.randint(10, 60)
        geometry: dict[str, Any] = {"type": "Polygon", "coordinates": [_square(x, y, size)]}
        if number % 5 == 0:
            slices = [[_square(x, y, size, 0.0)], [_square(x, y, size, height)]]
            geometry = {"type": "MultiPolygon", "coordinates": slices, "lod": 2}
        properties = {
            "name": f"{rng.choice(NAMES)} {rng.choice(('Tower', 'House', 'Centre', 'Plaza'))} {number}",
            "address": f"{number + 1} {NAMES[row % len(NAMES)]}-ro, Busan",
            "buildingType": rng.choice(KINDS),
            "constructionYear": rng.randint(1975, 2024),
            "floors": {"above": floors, "below": rng.randint(0, 5)},
            "height": height,
            "area": round(rng.uniform(200, 20000), 1),
            "occupancy": {"current": int(capacity * rng.random()), "capacity": capacity},
            "energyClass": rng.choice(CLASSES),
        }
        if number % 4 == 0:
            properties["smartFeatures"] = ["automated-hvac", "ev-charging"]
        return _object(f"building-{number:06d}", "Building", geometry, properties)

    def commons(self) -> Iterator[dict[str, Any]]:
        """What stands in the public blocks of a larger city: parks, stations, mains, ponds, monuments."""
        for number, (column, row) in enumerate(self.public):
            at, name = self.at, NAMES[number % len(NAMES)]
            west, south, east, north = column + 0.1, row + 0.1, column + 0.9, row + 0.9
            inner = [at(west, south), at(east, south), at(east, north), at(west, north), at(west, south)]
            area = {"type": "Polygon", "coordinates": [inner]}
            middle = {"type": "Point", "coordinates": at(column + 0.5, row)}
            main = ("water", "gas", "electricity")[number // 5 % 3]
            made: tuple[str, dict[str, Any], dict[str, Any]] = (
                ("Park", area, {"name": f"{name} Park {number}", "area": 25600.0,
                                "facilities": ["path", "benches"], "vegetation": ["zelkova"]}),
                ("TransportHub", middle, {"name": f"{name} Station {number}", "modes": ["subway", "bus"],
                                          "occupancy": {"current": number % 900, "capacity": 1500}}),
                ("Utility", _line([at(column, row), at(column + 1, row)]),
                 {"name": f"{name} main {number}", "type": main, "capacity": 400, "networkId": f"net-{row}"}),
                ("WaterBody", area, {"name": f"{name} Pond {number}", "area": 25600.0, "depth": 2.5,
                                     "elevation": 9.0}),
                ("Landmark", middle, {"name": f"{name} Monument {number}", "category": "monument",
                                      "significance": "district", "height": 12.0}),
            )[number % 5]  # fmt: skip
            kind, geometry, properties = made
            yield _object(f"{kind.lower()}-{number:06d}", kind, geometry, properties)

    def objects(self) -> Iterator[dict[str, Any]]:
        """All objects: the streets and landmarks first, then buildings up to the wanted number."""
        special = itertools.chain(self.streets(), self.landmarks(), self.commons())
        yield from itertools.islice(special, self.count)
        for number in range(self.buildings):
            yield self.building(number)


def _line(corners: list[list[float]]) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": corners}


def _object(
    object_id: str, kind: str, geometry: dict[str, Any], properties: dict[str, Any]
) -> dict[str, Any]:
    metadata = {"dataSource": "generated", "accuracy": 0.98}
    return {
        "id": object_id,
        "type": kind,
        "geometry": geometry,
        "properties": properties,
        "metadata": metadata,
    }


async def build(storage: Storage, settings: Settings) -> None:
    """Fill an empty storage with the demo city and its small neighbour."""
    plan = Plan(settings.city, max(settings.objects, 40), settings.sensors, settings.days, settings.seed)
    await seed(storage, plan, instants.now_us())


class Plan(msgspec.Struct, frozen=True):
    """How large a generated city is; `sensors` None means as many as suit it."""

    city: str
    objects: int
    sensors: int | None
    days: float
    seed: int


async def seed(storage: Storage, plan: Plan, now: int) -> None:
    """Generate a city, its past of a month, and its small neighbour; the same for the same plan and `now`."""
    begin = now - AGE_US
    district = District(plan.objects, plan.seed)
    network = demo_sensors.Network(plan.seed, CENTRE, now, plan.days, district.owners(), plan.sensors)
    numbers: dict[str, int] = {}

    def cities(tx: Transaction) -> None:
        body = city_body(plan.city, "Busan", CENTRE, tx.at, district.half_width)
        tx.put_city(plan.city, body, 0, "created")
        city = tx.city(plan.city)
        numbers[plan.city] = city.no if city else 0

    def neighbour(tx: Transaction) -> None:
        tx.put_city(OTHER_CITY, city_body(OTHER_CITY, "Ulsan", (129.31, 35.54), tx.at), 0, "created")

    await storage.write("seed", cities, begin)
    await storage.write("seed", neighbour, begin)
    every = district.objects()
    while part := list(itertools.islice(every, BATCH)):
        await storage.write("seed", _put(numbers[plan.city], part, network), begin)
    for at, change in network.changes(numbers[plan.city]):
        await storage.write("seed", change, at)


def _put(
    city: int, part: list[dict[str, Any]], network: demo_sensors.Network
) -> Callable[[Transaction], None]:
    """The change that stores objects together with the sensors on them."""

    def change(tx: Transaction) -> None:
        attached = [network.on(item) for item in part]
        for item, sensors in zip(part, attached, strict=True):
            if sensors:
                item["sensors"] = [sensor["id"] for sensor in sensors]
        tx.put_new_objects(city, [prepare(item, item["id"]) for item in part])
        for sensor in itertools.chain.from_iterable(attached):
            tx.put_sensor(city, sensor, None)
            row = tx.sensor(city, sensor["id"])
            network.registered(sensor, row.no if row else 0)

    return change
