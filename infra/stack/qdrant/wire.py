"""Reads request bodies in Qdrant's JSON into the engine's objects, strictly.

Qdrant ignores members that it does not know and filters slowly over fields without an index.
Here both are refused with the name of the culprit, so that a typing mistake fails in a test
and not as an empty answer in production.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import qdrant_edge as edge

# Payload field -> type of its index ("keyword", "integer", "float", "bool").
Indexes = Mapping[str, str]
PointId = int | uuid.UUID | str
# Vector name -> dimension.
Dimensions = Mapping[str, int]

FILTER_DEPTH_MAX = 8
LIMIT_MAX = 100_000

DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}
INDEX_TYPES = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "bool": edge.PayloadSchemaType.Bool,
}


class Refused(Exception):
    """A request that is answered with an error status and this message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class _NumpyBool:
    """A boolean that the engine's match takes for one.

    It tries integers before booleans, and a Python `True` is an integer: `match: {value: true}`
    would look for 1 and find nothing. What calls itself `numpy.bool_` is read as a boolean only.
    """

    def __init__(self, value: bool) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return self._value


_NumpyBool.__name__ = _NumpyBool.__qualname__ = "bool_"
_NumpyBool.__module__ = "numpy"


def members(
    value: Any, where: str, allowed: Iterable[str], required: Iterable[str] = ()
) -> dict[str, Any]:
    """The members of an object that are not null; unknown and missing ones are refused."""
    if not isinstance(value, dict):
        raise Refused(f"{where}: an object is expected")
    known = tuple(allowed)
    unknown = sorted(set(value) - set(known))
    if unknown:
        names = ", ".join(f"`{name}`" for name in unknown)
        raise Refused(f"{where}: unknown field {names}; known here: {', '.join(known)}")
    given = {name: member for name, member in value.items() if member is not None}
    for name in required:
        if name not in given:
            raise Refused(f"{where}: missing field `{name}`")
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(f"{where}: a list is expected")
    return value


def read_string(value: Any, where: str) -> str:
    if not isinstance(value, str) or value == "":
        raise Refused(f"{where}: a string is expected")
    return value


def read_bool(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"{where}: true or false is expected")
    return value


def read_count(value: Any, where: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LIMIT_MAX:
        raise Refused(f"{where}: a whole number from {least} to {LIMIT_MAX} is expected")
    return value


def read_id(value: Any, where: str) -> PointId:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str):
        try:
            return uuid.UUID(value)
        except ValueError:
            pass
    raise Refused(f"{where}: `{value}` is not a point id (unsigned integer or UUID)")


def read_ids(value: Any, where: str) -> list[PointId]:
    return [read_id(item, f"{where}[{i}]") for i, item in enumerate(read_list(value, where))]


def read_vector(value: Any, where: str, name: str, dimensions: Dimensions) -> list[float]:
    if name not in dimensions:
        raise Refused(f"{where}: Not existing vector name error: {name}")
    vector = read_list(value, where)
    if len(vector) != dimensions[name]:
        raise Refused(
            f"{where}: Vector dimension error: expected dim: {dimensions[name]}, got {len(vector)}"
        )
    if not all(map(_is_number, vector)):
        raise Refused(f"{where}: a list of numbers is expected")
    return vector


def read_vector_selection(value: Any, where: str, dimensions: Dimensions) -> bool | list[str]:
    if value is None or isinstance(value, bool):
        return bool(value)
    names = [read_string(name, where) for name in read_list(value, where)]
    for name in names:
        if name not in dimensions:
            raise Refused(f"{where}: Not existing vector name error: {name}")
    return names


def read_payload_selection(value: Any, where: str, default: bool) -> Any:
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [read_string(name, where) for name in value]
    given = members(value, where, ("include", "exclude"))
    if len(given) != 1:
        raise Refused(f"{where}: either include or exclude is expected")
    if "include" in given:
        return edge.PayloadSelector.Include(read_list(given["include"], f"{where}.include"))
    return edge.PayloadSelector.Exclude(read_list(given["exclude"], f"{where}.exclude"))


def read_filter(value: Any, where: str, indexes: Indexes, depth: int = 0) -> edge.Filter:
    if depth > FILTER_DEPTH_MAX:
        raise Refused(f"{where}: nested deeper than {FILTER_DEPTH_MAX}")
    given = members(value, where, ("must", "should", "must_not"))

    def clause(name: str) -> list[Any] | None:
        raw = given.get(name)
        if raw is None:
            return None
        conditions = raw if isinstance(raw, list) else [raw]
        return [
            _read_condition(condition, f"{where}.{name}[{i}]", indexes, depth)
            for i, condition in enumerate(conditions)
        ]

    return edge.Filter(must=clause("must"), should=clause("should"), must_not=clause("must_not"))


def _read_condition(value: Any, where: str, indexes: Indexes, depth: int) -> Any:
    if not isinstance(value, dict):
        raise Refused(f"{where}: an object is expected")
    if "key" in value:
        return _read_field_condition(value, where, indexes)
    if "has_id" in value:
        given = members(value, where, ("has_id",), ("has_id",))
        return edge.HasIdCondition(set(read_ids(given["has_id"], f"{where}.has_id")))
    if "is_empty" in value:
        given = members(value, where, ("is_empty",), ("is_empty",))
        empty = members(given["is_empty"], f"{where}.is_empty", ("key",), ("key",))
        key = read_string(empty["key"], f"{where}.is_empty.key")
        _index_of(key, where, indexes)
        return edge.IsEmptyCondition(key)
    if any(name in value for name in ("must", "should", "must_not")):
        return read_filter(value, where, indexes, depth + 1)
    members(value, where, ("key", "match", "range", "has_id", "is_empty"))
    raise Refused(f"{where}: a condition is expected (key, has_id, is_empty or a nested filter)")


def _index_of(key: str, where: str, indexes: Indexes) -> str:
    if key not in indexes:
        raise Refused(f"{where}: payload field `{key}` has no index; create one before filtering by it")
    return indexes[key]


def _read_field_condition(value: Any, where: str, indexes: Indexes) -> edge.FieldCondition:
    given = members(value, where, ("key", "match", "range"), ("key",))
    key = read_string(given["key"], f"{where}.key")
    index = _index_of(key, where, indexes)
    if ("match" in given) == ("range" in given):
        raise Refused(f"{where}: either match or range is expected")
    if "match" in given:
        match = _read_match(given["match"], f"{where}.match", key, index)
        return edge.FieldCondition(key, match=match)
    if index not in ("integer", "float"):
        raise Refused(f"{where}: range on payload field `{key}` needs an integer or float index, not {index}")
    bounds = members(given["range"], f"{where}.range", ("lt", "lte", "gt", "gte"))
    if not bounds or not all(map(_is_number, bounds.values())):
        raise Refused(f"{where}.range: numbers for lt, lte, gt or gte are expected")
    return edge.FieldCondition(key, range=edge.RangeFloat(**bounds))


def _read_match(value: Any, where: str, key: str, index: str) -> Any:
    given = members(value, where, ("value", "any"))
    if len(given) != 1:
        raise Refused(f"{where}: either value or any is expected")
    values = [given["value"]] if "value" in given else read_list(given["any"], f"{where}.any")
    for item in values:
        needed = (
            "bool" if isinstance(item, bool)
            else "integer" if isinstance(item, int)
            else "keyword" if isinstance(item, str)
            else None
        )
        if needed is None:
            raise Refused(f"{where}: a string, a whole number or true/false is expected")
        if needed != index:
            raise Refused(f"{where}: payload field `{key}` is indexed as {index}, but `{item}` needs {needed}")
    if "value" in given:
        wanted: Any = _NumpyBool(values[0]) if index == "bool" else values[0]
        return edge.MatchValue(wanted)
    if index == "bool":
        raise Refused(f"{where}: any does not take true/false")
    return edge.MatchAny(values)


def read_points(value: Any, where: str, dimensions: Dimensions) -> list[edge.Point]:
    points = []
    for i, item in enumerate(read_list(value, where)):
        at = f"{where}[{i}]"
        given = members(item, at, ("id", "vector", "payload"), ("id", "vector"))
        point_id = read_id(given["id"], f"{at}.id")
        named = given["vector"]
        if not isinstance(named, dict):
            raise Refused(f"{at}.vector: an object of named vectors is expected")
        vectors: dict[str, Any] = {
            name: read_vector(vector, f"{at}.vector.{name}", name, dimensions)
            for name, vector in named.items()
        }
        payload = given.get("payload", {})
        if not isinstance(payload, dict):
            raise Refused(f"{at}.payload: an object is expected")
        points.append(edge.Point(point_id, vectors, payload))
    return points


def read_order(value: Any, where: str, indexes: Indexes) -> edge.OrderBy:
    given = members({"key": value} if isinstance(value, str) else value, where, ("key", "direction"), ("key",))
    key = read_string(given["key"], f"{where}.key")
    if indexes.get(key) not in ("integer", "float"):
        raise Refused(f"{where}: payload field `{key}` needs an integer or float index to order by it")
    direction = given.get("direction", "asc")
    if direction not in ("asc", "desc"):
        raise Refused(f"{where}.direction: asc or desc is expected")
    return edge.OrderBy(key, edge.Direction.Asc if direction == "asc" else edge.Direction.Desc)


def read_search_params(value: Any, where: str) -> edge.SearchParams:
    given = members(value, where, ("exact", "hnsw_ef", "indexed_only"))
    return edge.SearchParams(**given)


def read_vector_params(value: Any, where: str) -> edge.EdgeVectorParams:
    given = members(value, where, ("size", "distance", "on_disk", "hnsw_config"), ("size", "distance"))
    if given["distance"] not in DISTANCES:
        raise Refused(f"{where}.distance: one of {', '.join(DISTANCES)} is expected")
    hnsw = None
    if "hnsw_config" in given:
        graph = members(given["hnsw_config"], f"{where}.hnsw_config", ("m", "ef_construct", "on_disk"))
        hnsw = edge.HnswIndexConfig(
            m=read_count(graph.get("m", 16), f"{where}.hnsw_config.m", 0),
            ef_construct=read_count(graph.get("ef_construct", 100), f"{where}.hnsw_config.ef_construct", 1),
            full_scan_threshold=10_000,
            on_disk=graph.get("on_disk"),
        )
    return edge.EdgeVectorParams(
        size=read_count(given["size"], f"{where}.size", 1),
        distance=DISTANCES[given["distance"]],
        on_disk=given.get("on_disk"),
        hnsw_config=hnsw,
    )


def read_index_type(value: Any, where: str) -> str:
    given = members({"type": value} if isinstance(value, str) else value, where, ("type",), ("type",))
    if given["type"] not in INDEX_TYPES:
        raise Refused(f"{where}: one of {', '.join(INDEX_TYPES)} is expected, not `{given['type']}`")
    return str(given["type"])
