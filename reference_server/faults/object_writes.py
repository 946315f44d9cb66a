"""Defects of creating, reading, patching and deleting objects (P2 4.3)."""

from collections.abc import Callable
from typing import Any

from reference_server.errors import ApiError
from reference_server.faults.fault import both, wrap
from reference_server.faults.tools import body, each, member, naive, refusal, renamed, status, swallowed
from reference_server.rest import objects as rest
from reference_server.services import objects
from reference_server.storage.transaction import SqliteTransaction

Json = dict[str, Any]
Create = Callable[..., Any]


def _before_create(change: Callable[[Any, Json], Json]) -> Callable[[Create], Create]:
    """Creating with a changed body."""

    def make(create: Create) -> Create:
        async def wrong(world: Any, city: Any, given: Json, actor: str) -> Any:
            return await create(world, city, change(city, given), actor)

        return wrong

    return make


def _need_id(city: Any, given: Json) -> Json:
    if "id" not in given:
        raise ApiError("VALIDATION_ERROR", "id is missing", {"field": "id"})
    return given


def _not(kind: str, where: Callable[[Json], Any]) -> Callable[[Any, Json], Json]:
    def change(city: Any, given: Json) -> Json:
        if where(given) == kind:
            raise ApiError("VALIDATION_ERROR", f"{kind} is not supported")
        return given

    return change


def _geometry_type(given: Json) -> Any:
    geometry = given.get("geometry")
    return geometry.get("type") if isinstance(geometry, dict) else None


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(value, 3) if isinstance(value, float) else value


def _coarse(city: Any, given: Json) -> Json:
    geometry = given.get("geometry")
    if not isinstance(geometry, dict) or "coordinates" not in geometry:
        return given
    return {**given, "geometry": {**geometry, "coordinates": _rounded(geometry["coordinates"])}}


def _first_property_lost(city: Any, given: Json) -> Json:
    properties = given.get("properties")
    if not isinstance(properties, dict):
        return given
    return {**given, "properties": dict(list(properties.items())[1:])}


def _centre(city: Any) -> Json:
    box = city.bounds.box
    return {"type": "Point", "coordinates": [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]}


def _repairing(
    *codes: str, repair: Callable[[Any, Json], Json], refuse: bool = False
) -> Callable[[Create], Create]:
    """Creating that stores a repaired object where it should refuse; with `refuse` it stores and refuses."""

    def make(create: Create) -> Create:
        async def lax(world: Any, city: Any, given: Json, actor: str) -> Any:
            try:
                return await create(world, city, given, actor)
            except ApiError as problem:
                # A geometry that is no object at all is a missing member (020), and stays refused.
                if problem.code not in codes or (refuse and not isinstance(given.get("geometry"), dict)):
                    raise
                stored = await create(world, city, repair(city, given), actor)
                if refuse:
                    raise
                return stored

        return lax

    return make


def _placed(city: Any, given: Json) -> Json:
    return {**given, "geometry": _centre(city)}


def _completed(city: Any, given: Json) -> Json:
    return {"type": "Building", "geometry": _centre(city), "properties": {}, **given}


def _overwriting(create: Create) -> Create:
    async def upsert(world: Any, city: Any, given: Json, actor: str) -> Any:
        try:
            return await create(world, city, given, actor)
        except ApiError as problem:
            if problem.code != "DUPLICATE_OBJECT":
                raise
            return await objects.patch(world, city, given["id"], given, actor)

    return upsert


def _without_details(problem: ApiError) -> ApiError:
    return ApiError(problem.code, problem.message, {"cityId": problem.details.get("cityId")})


def _lost_patch(patch: Callable[..., Any]) -> Callable[..., Any]:
    async def forgetful(world: Any, city: Any, object_id: str, change: Any, actor: str, *more: Any) -> Any:
        await objects.find(world, city, object_id)
        return await patch(world, city, object_id, {}, actor)

    return forgetful


def _kept_instant(put_object: Callable[..., int]) -> Callable[..., int]:
    def put(self: Any, city: int, item: Json, old: Any, import_id: str | None = None) -> int:
        before = self.at
        if old is not None:
            self.at = old.updated
        try:
            return put_object(self, city, item, old, import_id)
        finally:
            self.at = before

    return put


def _kept(delete: Callable[..., Any]) -> Callable[..., Any]:
    async def keep(world: Any, city: Any, object_id: str, actor: str, *more: Any) -> None:
        await objects.find(world, city, object_id)

    return keep


def _unchecked_patch(check: Callable[..., None]) -> Callable[..., None]:
    def lax(city: Any, item: Json) -> None:
        try:
            check(city, item)
        except ApiError as problem:
            if problem.code != "OUT_OF_BOUNDS" or "id" not in item:
                raise

    return lax


def _no_type_in_rest(shown: Json) -> None:
    shown["properties"] = "none"


CHECKS = ("create", "patch")


def _renamed_checks(code: str, other: str, status_code: int | None = None) -> Callable[[], None]:
    return both(*(refusal(objects, name, [code], renamed(other, status_code)) for name in CHECKS))


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("013", "a create is answered with 200", status(rest, "create", 200)),
    ("013.id", "the answer to a create has no id", body(rest, "create", member("id", drop=True))),
    (
        "013.created",
        "the answer to a create has no instant",
        body(rest, "create", member("created", drop=True)),
    ),
    ("014", "a create without id is refused", wrap(objects, "create", _before_create(_need_id))),
    ("014.same", "every assigned id is the same", wrap(objects, "new_id", lambda _: lambda kind: "object-1")),
    ("015", "coordinates are stored with three decimals", wrap(objects, "create", _before_create(_coarse))),
    ("015.properties", "a property is lost", wrap(objects, "create", _before_create(_first_property_lost))),
    (
        "016",
        "a WaterBody is refused",
        wrap(objects, "create", _before_create(_not("WaterBody", lambda given: given.get("type")))),
    ),
    (
        "016.geometry",
        "a MultiPolygon is refused",
        wrap(objects, "create", _before_create(_not("MultiPolygon", _geometry_type))),
    ),
    ("017", "a known id overwrites the object", wrap(objects, "create", _overwriting)),
    (
        "017.code",
        "a known id is called a bad request",
        _renamed_checks("DUPLICATE_OBJECT", "VALIDATION_ERROR", 400),
    ),
    (
        "018",
        "an invalid geometry is replaced by a point and stored",
        wrap(objects, "create", _repairing("INVALID_GEOMETRY", repair=_placed)),
    ),
    (
        "018.code",
        "an invalid geometry is called otherwise",
        _renamed_checks("INVALID_GEOMETRY", "VALIDATION_ERROR"),
    ),
    (
        "018.stored",
        "an invalid geometry is refused and a repaired object stored all the same",
        wrap(objects, "create", _repairing("INVALID_GEOMETRY", repair=_placed, refuse=True)),
    ),
    ("019", "objects outside the city are accepted", swallowed(objects, "check", "OUT_OF_BOUNDS")),
    ("019.patch", "a patch may move an object out of the city", wrap(objects, "check", _unchecked_patch)),
    (
        "019.code",
        "an object outside is called an invalid geometry",
        _renamed_checks("OUT_OF_BOUNDS", "INVALID_GEOMETRY"),
    ),
    (
        "020",
        "missing members are filled in",
        wrap(objects, "create", _repairing("VALIDATION_ERROR", "INVALID_GEOMETRY", repair=_completed)),
    ),
    ("021", "an object is shown without geometry", body(rest, "read", member("geometry", drop=True))),
    (
        "021.properties",
        "an object is shown without properties",
        body(rest, "read", member("properties", drop=True)),
    ),
    (
        "022",
        "an unknown object is called an unknown city",
        wrap(
            objects, "absent", lambda absent: lambda city, name: renamed("CITY_NOT_FOUND")(absent(city, name))
        ),
    ),
    (
        "022.status",
        "an unknown object is answered with 400",
        wrap(
            objects,
            "absent",
            lambda absent: lambda city, name: renamed("OBJECT_NOT_FOUND", 400)(absent(city, name)),
        ),
    ),
    (
        "022.details",
        "an unknown object is not named",
        wrap(objects, "absent", lambda absent: lambda city, name: _without_details(absent(city, name))),
    ),
    ("023", "a patch is forgotten", wrap(objects, "patch", _lost_patch)),
    ("023.instant", "a patch leaves lastUpdated", wrap(SqliteTransaction, "put_object", _kept_instant)),
    (
        "024",
        "a patch changes the id",
        wrap(objects, "keep_identity", lambda _: lambda city, name, item: None),
    ),
    ("025", "a deleted object stays", wrap(objects, "delete", _kept)),
    ("025.status", "a delete is answered with 404", status(rest, "delete", 404)),
    ("107.created", "created has no zone", body(rest, "create", member("created", naive))),
    ("108", "listed objects break phase 1", body(rest, "listing", each("objects", _no_type_in_rest))),
    ("108.object", "a served object breaks phase 1", body(rest, "read", _no_type_in_rest)),
)
