"""`_links`: where an entity leads to (F-112). Answers have them; nobody stores them."""

import re
import urllib.parse

import orjson

from reference_server.settings import BASE_PATH

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+", re.ASCII)


def quoted(text: str) -> str:
    """A text as one segment of a path, or as a value in a query; nearly every id is one as it stands."""
    return text if _PLAIN.fullmatch(text) else urllib.parse.quote(text, safe="")


def path_to(city_id: str, *segments: str) -> str:
    """The path of something in a city."""
    below = "".join([f"/{quoted(part)}" for part in segments])
    return f"{BASE_PATH}/cities/{city_id}{below}"


def linked(body: bytes, links: dict[str, str]) -> bytes:
    """A JSON object as text with its links as last member."""
    shown = orjson.dumps({"_links": {name: {"href": href} for name, href in links.items()}})
    return b"%b%b%b" % (body[:-1], b"," if len(body) > 2 else b"", shown[1:])


def of_city(city_id: str) -> dict[str, str]:
    """Links of a city."""
    collections = ("objects", "sensors", "services", "simulations", "statistics", "alerts")
    found = {"self": path_to(city_id), **{name: path_to(city_id, name) for name in collections}}
    quoted = urllib.parse.quote(city_id, safe="")
    return {**found, "ogcFeatures": f"/ogc/{quoted}", "sensorThings": f"/sta/{quoted}/v1.1"}


def of_object(city_id: str, object_id: str) -> dict[str, str]:
    """Links of an object."""
    city, name = path_to(city_id), quoted(object_id)
    here = f"{city}/objects/{name}"
    sensors = f"{city}/sensors?attachedTo={name}"
    return {"self": here, "city": city, "history": f"{here}/history", "sensors": sensors}


def of_sensor(city_id: str, sensor_id: str, attached: object) -> dict[str, str]:
    """Links of a sensor."""
    here = path_to(city_id, "sensors", sensor_id)
    found = {"self": here, "city": path_to(city_id), "data": f"{here}/data"}
    return {**found, "object": path_to(city_id, "objects", attached)} if isinstance(attached, str) else found


def of_simulation(city_id: str, run_id: str) -> dict[str, str]:
    """Links of a run."""
    here = path_to(city_id, "simulations", run_id)
    return {"self": here, "city": path_to(city_id), "results": f"{here}/results"}


def of_service(city_id: str, service_id: str) -> dict[str, str]:
    """Links of a service."""
    here = path_to(city_id, "services", service_id)
    return {"self": here, "city": path_to(city_id), "status": f"{here}/status"}
