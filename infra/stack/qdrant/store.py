"""Collections and aliases on disk: one engine shard per collection.

    <data>/lock                               held while the service runs
    <data>/aliases.json                       {alias: collection}
    <data>/collections/<name>/params.json     as given at creation
    <data>/collections/<name>/shard/          the engine's files

Folders whose name starts with a dot are half-made or half-deleted and vanish at the next start.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import qdrant_edge as edge

import wire
from wire import Refused

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
# Members of a collection's creation that mean nothing on one machine, kept and shown only.
KEPT_PARAMS = {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1, "on_disk_payload": True}


@dataclass
class Collection:
    name: str
    folder: Path
    params: dict[str, Any]
    shard: edge.EdgeShard
    dimensions: dict[str, int]
    indexes: dict[str, str] = field(default_factory=dict)
    operations: int = 0
    unflushed: bool = False

    def update(self, operation: edge.UpdateOperation) -> int:
        """Applies a write; the next read sees it. Returns the operation's number."""
        self.unflushed = True
        self.shard.update(operation)
        self.operations += 1
        return self.operations

    def create_index(self, name: str, kind: str) -> int:
        if self.indexes.get(name, kind) != kind:
            raise Refused(f"payload field `{name}` is already indexed as {self.indexes[name]}", 409)
        number = self.update(edge.UpdateOperation.create_field_index(name, wire.INDEX_TYPES[kind]))
        self.indexes[name] = kind
        return number

    def flush(self) -> None:
        if self.unflushed:
            self.shard.flush()
            self.unflushed = False


class Store:
    def __init__(self, data: Path) -> None:
        self._folder = data / "collections"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = (data / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SystemExit(f"{data} is in use by another process") from error
        self._aliases_file = data / "aliases.json"
        self.aliases: dict[str, str] = (
            orjson.loads(self._aliases_file.read_bytes()) if self._aliases_file.exists() else {}
        )
        self.collections: dict[str, Collection] = {}
        for folder in sorted(self._folder.iterdir()):
            if folder.name.startswith("."):
                shutil.rmtree(folder)
            else:
                self.collections[folder.name] = _open(folder)

    def get(self, name: str) -> Collection:
        """The collection of that name or alias."""
        collection = self.collections.get(self.aliases.get(name, name))
        if collection is None:
            raise Refused(f"Not found: Collection `{name}` doesn't exist!", 404)
        return collection

    def create(self, name: str, params: dict[str, Any]) -> None:
        if not NAME.fullmatch(name):
            raise Refused(f"collection name `{name}`: letters, digits, dot, dash and underscore are expected")
        if name in self.collections or name in self.aliases:
            raise Refused(f"Wrong input: Collection `{name}` already exists!", 409)
        config, _ = _read_params(params)
        half_made = self._folder / f".new-{name}"
        shutil.rmtree(half_made, ignore_errors=True)
        (half_made / "shard").mkdir(parents=True)
        edge.EdgeShard.create(str(half_made / "shard"), config).close()
        (half_made / "params.json").write_bytes(orjson.dumps(params))
        folder = half_made.rename(self._folder / name)
        self.collections[name] = _open(folder)

    def delete(self, name: str) -> bool:
        collection = self.collections.pop(name, None)
        if collection is None:
            return False
        collection.shard.close()
        self._save_aliases({alias: target for alias, target in self.aliases.items() if target != name})
        doomed = collection.folder.rename(self._folder / f".deleted-{name}")
        shutil.rmtree(doomed, ignore_errors=True)
        return True

    def change_aliases(self, actions: list[Any]) -> None:
        """Applies all actions in one step, or none of them."""
        aliases = dict(self.aliases)
        for i, action in enumerate(actions):
            where = f"actions[{i}]"
            given = wire.members(action, where, ("create_alias", "delete_alias"))
            if len(given) != 1:
                raise Refused(f"{where}: either create_alias or delete_alias is expected")
            if "delete_alias" in given:
                names = wire.members(given["delete_alias"], where, ("alias_name",), ("alias_name",))
                aliases.pop(wire.read_string(names["alias_name"], where), None)
                continue
            both = ("collection_name", "alias_name")
            names = wire.members(given["create_alias"], where, both, both)
            alias, target = (wire.read_string(names[key], where) for key in ("alias_name", "collection_name"))
            if target not in self.collections:
                raise Refused(f"Not found: Collection `{target}` doesn't exist!", 404)
            if alias in self.collections:
                raise Refused(f"Wrong input: Collection `{alias}` already exists!", 409)
            aliases[alias] = target
        self._save_aliases(aliases)

    def flush(self) -> None:
        for collection in self.collections.values():
            collection.flush()

    def close(self) -> None:
        for collection in self.collections.values():
            collection.flush()
            collection.shard.close()
        self._lock.close()

    def _save_aliases(self, aliases: dict[str, str]) -> None:
        if aliases == self.aliases:
            return
        half_written = self._aliases_file.with_suffix(".new")
        with half_written.open("wb") as file:
            file.write(orjson.dumps(aliases))
            file.flush()
            os.fsync(file.fileno())
        half_written.rename(self._aliases_file)
        self.aliases = aliases


def _read_params(params: dict[str, Any]) -> tuple[edge.EdgeConfig, dict[str, int]]:
    given = wire.members(params, "collection", ("vectors", *KEPT_PARAMS), ("vectors",))
    vectors = given["vectors"]
    if not isinstance(vectors, dict) or "size" in vectors:
        raise Refused("vectors: an object of named vectors is expected")
    config = {name: wire.read_vector_params(value, f"vectors.{name}") for name, value in vectors.items()}
    return edge.EdgeConfig(vectors=config), {name: value.size for name, value in config.items()}


def _open(folder: Path) -> Collection:
    params = orjson.loads((folder / "params.json").read_bytes())
    _, dimensions = _read_params(params)
    shard = edge.EdgeShard.load(str(folder / "shard"))
    kinds = {value: name for name, value in wire.INDEX_TYPES.items()}
    indexes = {key: kinds[info.data_type] for key, info in shard.info().payload_schema.items()}
    return Collection(folder.name, folder, params, shard, dimensions, indexes)
