"""The demo city: a seeded, plausible district.

So that every kind of data of the standard is there to be seen.

Coordinates are WGS84 degrees around the city hall of Busan; every instant lies before the present.
"""

import math
import random
from typing import Any

from reference_server import demo_sensors, instants
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


def outline(centre: tuple[float, float], half: tuple[float, float]) -> dict[str, Any]:
    """A rectangle as a Polygon, counter-clockwise."""
    (x, y), (w, h) = centre, half
    corners = [[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h], [x - w, y - h]]
    return {"type": "Polygon", "coordinates": [[[round(a, 6), round(b, 6)] for a, b in corners]]}


def city_body(city_id: str, name: str, centre: tuple[float, float], created: int) -> dict[str, Any]:
    """The body of a generated city."""
    instant = instants.show(created)
    return {
        "cityId": city_id,
        "name": name,
        "version": "1.0.0",
        "bounds": outline(centre, HALF_WIDTH),
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
        self.side = max(4, min(110, math.ceil(math.sqrt(count / 4))))
        self.origin = (CENTRE[0] - STEP * self.side / 2, CENTRE[1] - STEP * self.side / 2)
        self.special = [*self.streets(), *self.landmarks()]
        self.count = count

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
        block = number % (self.side * self.side)
        column, row = block % self.side, block // self.side
        x, y = self.at(column + 0.1 + rng.random() * 0.6, row + 0.1 + rng.random() * 0.6)
        size = round(STEP * (0.05 + rng.random() * 0.15), 6)
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

    def objects(self) -> list[dict[str, Any]]:
        """All objects: the streets and landmarks first, then buildings up to the wanted number."""
        made = self.special[: self.count]
        return made + [self.building(i) for i in range(self.count - len(made))]


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
    begin = instants.now_us() - AGE_US
    objects = District(max(settings.objects, 40), settings.seed).objects()
    network = demo_sensors.Network(settings.seed, CENTRE, instants.now_us())

    def cities(tx: Transaction) -> None:
        tx.put_city(settings.city, city_body(settings.city, "Busan", CENTRE, tx.at), 0, "created")

    def neighbour(tx: Transaction) -> None:
        tx.put_city(OTHER_CITY, city_body(OTHER_CITY, "Ulsan", (129.31, 35.54), tx.at), 0, "created")

    def put(part: list[dict[str, Any]]) -> Any:
        def change(tx: Transaction) -> None:
            city = tx.city(settings.city)
            for item in part:
                tx.put_object(city.no if city else 0, item, None)

        return change

    await storage.write("seed", cities, begin)
    await storage.write("seed", neighbour, begin)
    for start in range(0, len(objects), 1000):
        await storage.write("seed", put(objects[start : start + 1000]), begin)
    for at, change in network.changes(settings.city, objects):
        await storage.write("seed", change, at)
