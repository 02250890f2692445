"""Qdrant's own engine behind the REST paths that Marquetry calls: for development and tests.

This is not Qdrant: production runs Qdrant. It exists because a machine without containers has no
Qdrant server to start, while Qdrant's engine comes as a Python package (qdrant-edge-py).

Limits:
- only the calls, fields, filters and index types that Marquetry's client sends; anything else
  is refused with status 400 and its name, where Qdrant may ignore it;
- a filter over a payload field without an index is refused, where Qdrant would scan;
- one process, one request at a time (the engine holds Python's global lock), no replicas, no
  shards, no authentication, 127.0.0.1 only;
- no graph is ever built and no segment merged: every search is exact, and a folder that is
  rewritten often grows until its collection is deleted;
- `wait`, `ordering` and `consistency` are accepted and always mean the strongest.

Run as: python server.py --port 6333 --data FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import qdrant_edge as edge
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import wire
from store import KEPT_PARAMS, Collection, Store
from wire import Refused

# The Qdrant version whose paths are served, for the client's compatibility check.
VERSION = "1.19.0"
BODY_BYTES_MAX = 32 * 1024 * 1024
FLUSH_EVERY_S = 2.0
# Query parameters that change nothing on one machine.
QUERY_PARAMETERS = {"wait", "ordering", "consistency", "timeout"}

Call = Callable[[Store, Request, Any], Any]


def answer(call: Call) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a call in Qdrant's envelope: {result, status, time}, errors as {status: {error}, time}."""

    async def endpoint(request: Request) -> Response:
        started = time.perf_counter()
        status, envelope = 200, {}
        try:
            body = await read_body(request)
            envelope = {"result": call(request.app.state.store, request, body), "status": "ok"}
        except Refused as refusal:
            status, envelope = refusal.status, {"status": {"error": str(refusal)}}
        except Exception as error:  # the engine raises bare exceptions
            traceback.print_exc()
            status, envelope = 500, {"status": {"error": f"Service internal error: {error}"}}
        envelope["time"] = time.perf_counter() - started
        return json(envelope, status)

    return endpoint


def json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def read_body(request: Request) -> Any:
    unknown = sorted(set(request.query_params) - QUERY_PARAMETERS)
    if unknown:
        raise Refused(f"unknown query parameter `{unknown[0]}`")
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise Refused(f"Payload Too Large: a body has at most {BODY_BYTES_MAX} bytes", 413)
    try:
        return orjson.loads(b"".join(chunks)) if size else {}
    except orjson.JSONDecodeError as error:
        raise Refused(f"Format error in JSON body: {error}") from error


def collection_of(store: Store, request: Request) -> Collection:
    return store.get(request.path_params["name"])


def list_collections(store: Store, request: Request, body: Any) -> Any:
    return {"collections": [{"name": name} for name in sorted(store.collections)]}


def create_collection(store: Store, request: Request, body: Any) -> Any:
    store.create(request.path_params["name"], body)
    return True


def delete_collection(store: Store, request: Request, body: Any) -> Any:
    return store.delete(request.path_params["name"])


def collection_exists(store: Store, request: Request, body: Any) -> Any:
    name = request.path_params["name"]
    return {"exists": store.aliases.get(name, name) in store.collections}


def describe_collection(store: Store, request: Request, body: Any) -> Any:
    collection = collection_of(store, request)
    info = collection.shard.info()
    schema = {
        key: {"data_type": collection.indexes[key], "points": index.points}
        for key, index in info.payload_schema.items()
    }
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": info.indexed_vectors_count,
        "points_count": info.points_count,
        "segments_count": info.segments_count,
        "config": {"params": KEPT_PARAMS | collection.params},
        "payload_schema": schema,
    }


def create_index(store: Store, request: Request, body: Any) -> Any:
    fields = ("field_name", "field_schema")
    given = wire.members(body, "index", fields, fields)
    name = wire.read_string(given["field_name"], "field_name")
    kind = wire.read_index_type(given["field_schema"], "field_schema")
    return completed(collection_of(store, request).create_index(name, kind))


def list_aliases(store: Store, request: Request, body: Any) -> Any:
    wanted = collection_of(store, request).name if "name" in request.path_params else None
    return {
        "aliases": [
            {"alias_name": alias, "collection_name": target}
            for alias, target in sorted(store.aliases.items())
            if wanted in (None, target)
        ]
    }


def change_aliases(store: Store, request: Request, body: Any) -> Any:
    given = wire.members(body, "aliases", ("actions",), ("actions",))
    store.change_aliases(wire.read_list(given["actions"], "actions"))
    return True


def completed(number: int) -> dict[str, Any]:
    return {"operation_id": number, "status": "completed"}


def read_upsert(collection: Collection, value: Any, where: str) -> edge.UpdateOperation:
    given = wire.members(value, where, ("points", "update_filter"), ("points",))
    points = wire.read_points(given["points"], f"{where}.points", collection.dimensions)
    condition = None
    if "update_filter" in given:
        condition = wire.read_filter(given["update_filter"], f"{where}.update_filter", collection.indexes)
    return edge.UpdateOperation.upsert_points(points, condition)


def read_delete(collection: Collection, value: Any, where: str) -> edge.UpdateOperation:
    given = wire.members(value, where, ("points", "filter"))
    if len(given) != 1:
        raise Refused(f"{where}: either points or filter is expected")
    if "points" in given:
        return edge.UpdateOperation.delete_points(wire.read_ids(given["points"], f"{where}.points"))
    condition = wire.read_filter(given["filter"], f"{where}.filter", collection.indexes)
    return edge.UpdateOperation.delete_points_by_filter(condition)


def upsert(store: Store, request: Request, body: Any) -> Any:
    collection = collection_of(store, request)
    return completed(collection.update(read_upsert(collection, body, "upsert")))


def delete(store: Store, request: Request, body: Any) -> Any:
    collection = collection_of(store, request)
    return completed(collection.update(read_delete(collection, body, "delete")))


def batch(store: Store, request: Request, body: Any) -> Any:
    """Reads every operation before it applies the first, so that a refused batch changes nothing."""
    collection = collection_of(store, request)
    given = wire.members(body, "batch", ("operations",), ("operations",))
    operations = []
    for i, item in enumerate(wire.read_list(given["operations"], "operations")):
        where = f"operations[{i}]"
        operation = wire.members(item, where, ("upsert", "delete"))
        if len(operation) != 1:
            raise Refused(f"{where}: either upsert or delete is expected")
        read = read_upsert if "upsert" in operation else read_delete
        (value,) = operation.values()
        operations.append(read(collection, value, where))
    return [completed(collection.update(operation)) for operation in operations]


def shown(point: Any, payload: bool, vector: bool) -> dict[str, Any]:
    members: dict[str, Any] = {"id": point.id}
    if payload:
        members["payload"] = point.payload
    if vector:
        members["vector"] = point.vector
    if point.order_value is not None:
        members["order_value"] = point.order_value
    return members


def retrieve(store: Store, request: Request, body: Any) -> Any:
    collection = collection_of(store, request)
    given = wire.members(body, "retrieve", ("ids", "with_payload", "with_vector"), ("ids",))
    ids = wire.read_ids(given["ids"], "ids")
    payload = wire.read_payload_selection(given.get("with_payload"), "with_payload", True)
    vector = wire.read_vector_selection(given.get("with_vector"), "with_vector", collection.dimensions)
    found = collection.shard.retrieve(ids, payload, vector)
    return [shown(point, payload is not False, vector is not False) for point in found]


def query(store: Store, request: Request, body: Any) -> Any:
    collection = collection_of(store, request)
    fields = ("query", "using", "filter", "params", "score_threshold", "limit", "offset")
    given = wire.members(body, "query", (*fields, "with_payload", "with_vector"), ("query", "using"))
    nearest = given["query"]
    if isinstance(nearest, dict):
        nearest = wire.members(nearest, "query", ("nearest",), ("nearest",))["nearest"]
    using = wire.read_string(given["using"], "using")
    vector = wire.read_vector(nearest, "query", using, collection.dimensions)
    payload_shown = wire.read_payload_selection(given.get("with_payload"), "with_payload", False)
    vector_shown = wire.read_vector_selection(given.get("with_vector"), "with_vector", collection.dimensions)
    found = collection.shard.query(
        edge.QueryRequest(
            limit=wire.read_count(given.get("limit", 10), "limit", 1),
            offset=wire.read_count(given.get("offset", 0), "offset", 0),
            query=edge.Query.Nearest(vector, using=using),
            filter=read_optional_filter(collection, given),
            params=wire.read_search_params(given["params"], "params") if "params" in given else None,
            score_threshold=given.get("score_threshold"),
            with_payload=payload_shown,
            with_vector=vector_shown,
        )
    )
    return {
        "points": [
            shown(point, payload_shown is not False, vector_shown is not False)
            | {"version": point.version, "score": point.score}
            for point in found
        ]
    }


def scroll(store: Store, request: Request, body: Any) -> Any:
    collection = collection_of(store, request)
    fields = ("filter", "limit", "offset", "order_by", "with_payload", "with_vector")
    given = wire.members(body, "scroll", fields)
    if "order_by" in given and "offset" in given:
        raise Refused("scroll: order_by does not go with offset")
    payload = wire.read_payload_selection(given.get("with_payload"), "with_payload", True)
    vector = wire.read_vector_selection(given.get("with_vector"), "with_vector", collection.dimensions)
    order = wire.read_order(given["order_by"], "order_by", collection.indexes) if "order_by" in given else None
    points, following = collection.shard.scroll(
        edge.ScrollRequest(
            offset=wire.read_id(given["offset"], "offset") if "offset" in given else None,
            limit=wire.read_count(given.get("limit", 10), "limit", 1),
            filter=read_optional_filter(collection, given),
            with_payload=payload,
            with_vector=vector,
            order_by=order,
        )
    )
    return {
        "points": [shown(point, payload is not False, vector is not False) for point in points],
        "next_page_offset": following,
    }


def count(store: Store, request: Request, body: Any) -> Any:
    collection = collection_of(store, request)
    given = wire.members(body, "count", ("filter", "exact"))
    if "exact" in given:
        wire.read_bool(given["exact"], "exact")
    condition = read_optional_filter(collection, given)
    return {"count": collection.shard.count(edge.CountRequest(exact=True, filter=condition))}


def read_optional_filter(collection: Collection, given: dict[str, Any]) -> edge.Filter | None:
    if "filter" not in given:
        return None
    return wire.read_filter(given["filter"], "filter", collection.indexes)


async def root(request: Request) -> Response:
    return json({"title": f"Marquetry development index on qdrant-edge-py, as Qdrant {VERSION}", "version": VERSION})


async def healthy(request: Request) -> Response:
    return PlainTextResponse("healthz check passed")


async def not_served(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"{request.method} {request.url.path} is not served by the development index"
    return json({"status": {"error": message}, "time": 0.0}, status)


def routes() -> list[Route]:
    def route(method: str, path: str, call: Call) -> Route:
        return Route(path, answer(call), methods=[method])

    one = "/collections/{name}"
    return [
        Route("/", root),
        *(Route(path, healthy) for path in ("/healthz", "/readyz", "/livez")),
        route("GET", "/aliases", list_aliases),
        route("GET", "/collections", list_collections),
        route("POST", "/collections/aliases", change_aliases),
        route("PUT", one, create_collection),
        route("GET", one, describe_collection),
        route("DELETE", one, delete_collection),
        route("GET", f"{one}/exists", collection_exists),
        route("GET", f"{one}/aliases", list_aliases),
        route("PUT", f"{one}/index", create_index),
        route("PUT", f"{one}/points", upsert),
        route("POST", f"{one}/points", retrieve),
        route("POST", f"{one}/points/batch", batch),
        route("POST", f"{one}/points/delete", delete),
        route("POST", f"{one}/points/query", query),
        route("POST", f"{one}/points/scroll", scroll),
        route("POST", f"{one}/points/count", count),
    ]


def application(store: Store) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.store = store
        flushing = asyncio.create_task(flush_regularly(store))
        try:
            yield
        finally:
            flushing.cancel()
            store.close()

    return Starlette(routes=routes(), lifespan=lifespan, exception_handlers={HTTPException: not_served})


async def flush_regularly(store: Store) -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY_S)
        try:
            store.flush()
        except Exception:  # a full disk now must not stop the flushes after it
            traceback.print_exc()


def main() -> None:
    parser = argparse.ArgumentParser(description="Qdrant's engine behind Qdrant's REST paths, for development.")
    parser.add_argument("--port", type=int, default=6333)
    parser.add_argument("--data", type=Path, required=True, help="folder of the collections")
    arguments = parser.parse_args()
    uvicorn.run(
        application(Store(arguments.data)),
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        access_log=False,
        # Longer than any client keeps an idle connection, so that none is closed under a request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
