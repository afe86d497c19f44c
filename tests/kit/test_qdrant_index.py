"""The adapter of Qdrant's server. None can be had here: a stand-in takes what the client sends,
holds it to the client's own models of requests, and searches in memory."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from qdrant_client import models as q
from qdrant_client.http.models import CreateCollection, PointsList, QueryRequestBatch

from apiwright.kit.qdrant_index import QdrantIndex
from apiwright.kit.search_index import Point, Question, encoder

pytestmark = pytest.mark.anyio


class StandIn:
    def __init__(self) -> None:
        self.url = ""
        self.collections: dict[str, dict[str, dict[str, Any]]] = {}
        self.created: list[CreateCollection] = []
        self.indexed: dict[str, Any] = {}
        self.asked: list[QueryRequestBatch] = []
        self.exists_lately = True
        """Whether it says at once that a collection is there."""


@contextmanager
def stand_in() -> Iterator[StandIn]:
    state, app = StandIn(), FastAPI()

    def ok(result: Any) -> JSONResponse:
        return JSONResponse({"result": result, "status": "ok", "time": 0.0})

    @app.get("/collections/{name}/exists")
    async def exists(name: str) -> JSONResponse:
        return ok({"exists": state.exists_lately and name in state.collections})

    @app.put("/collections/{name}")
    async def create(name: str, request: Request) -> JSONResponse:
        if name in state.collections:
            return JSONResponse({"status": {"error": "it exists"}, "time": 0.0}, 409)
        state.created.append(CreateCollection.model_validate(await request.json()))
        state.collections[name] = {}
        return ok(True)

    @app.put("/collections/{name}/index")
    async def index(name: str, request: Request) -> JSONResponse:
        body = q.CreateFieldIndex.model_validate(await request.json())
        state.indexed[body.field_name] = body.field_schema
        return ok({"operation_id": 1, "status": "completed"})

    @app.put("/collections/{name}/points")
    async def upsert(name: str, request: Request) -> JSONResponse:
        for point in PointsList.model_validate(await request.json()).points:
            state.collections[name][str(point.id)] = point.model_dump()
        return ok({"operation_id": 1, "status": "completed"})

    @app.post("/collections/{name}/points/delete")
    async def delete(name: str, request: Request) -> JSONResponse:
        body = await request.json()
        points = state.collections[name]
        if "points" in body:
            gone = [str(one) for one in q.PointIdsList.model_validate(body).points]
        else:
            wanted = q.FilterSelector.model_validate(body).filter
            gone = [id_ for id_, point in points.items() if fits(wanted, id_, point)]
        for id_ in gone:
            points.pop(id_, None)
        return ok({"operation_id": 1, "status": "completed"})

    @app.post("/collections/{name}/points/query/batch")
    async def query(name: str, request: Request) -> JSONResponse:
        batch = QueryRequestBatch.model_validate(await request.json())
        state.asked.append(batch)
        return ok([{"points": found(one, state.collections[name])} for one in batch.searches])

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        state.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield state
        finally:
            server.should_exit = True
            thread.join()


def fits(wanted: Any, id_: str, point: dict[str, Any]) -> bool:
    def holds(condition: Any) -> bool:
        if isinstance(condition, q.HasIdCondition):
            return id_ in map(str, condition.has_id)
        value, match = point["payload"][condition.key], condition.match
        return value in match.any if isinstance(match, q.MatchAny) else value == match.value

    must, must_not = wanted.must or [], wanted.must_not or []
    return all(map(holds, must)) and not any(map(holds, must_not))


def found(asked: Any, points: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    scored = []
    near: Any = asked.query.nearest if isinstance(asked.query, q.NearestQuery) else asked.query
    for id_, point in points.items():
        if not fits(asked.filter, id_, point) or asked.using not in point["vector"]:
            continue
        vector = point["vector"][asked.using]
        if isinstance(near, q.SparseVector):
            held = dict(zip(vector["indices"], vector["values"], strict=True))
            score = sum(held.get(one, 0.0) for one in near.indices)
        else:
            score = sum(a * b for a, b in zip(near, vector, strict=True))
        if score > 0:
            scored.append({"id": id_, "version": 1, "score": score})
    return sorted(scored, key=lambda one: -float(one["score"]))[: asked.limit]


ADA, BOB, TRAVEL, BREAD = (uuid4() for _ in range(4))


def point(owner: UUID, document: UUID, text: str, dense: list[float] | None = None) -> Point:
    return Point(uuid4(), owner, document, encoder("english").of_passage(text), dense)


def question(
    owner: UUID, text: str, dense: list[float] | None = None, documents: Any = None
) -> Question:
    return Question(owner, encoder("english").of_question(text), dense, documents, 10)


async def test_points_are_found_by_their_owner_alone() -> None:
    with stand_in() as server:
        index = QdrantIndex(server.url, None, "passages", 2)
        train = point(ADA, TRAVEL, "the night train", [1.0, 0.0])
        loaf = point(BOB, BREAD, "a night of patience", [0.9, 0.1])
        await index.put(TRAVEL, [train])
        await index.put(BREAD, [loaf])
        hits = await index.search(question(ADA, "nights", [1.0, 0.0]))
        assert [one for one, _ in hits.words] == [one for one, _ in hits.dense] == [train.id]
        assert (await index.search(question(ADA, "night", documents=(BREAD,)))).words == []
        (created,) = server.created
        assert created.sparse_vectors is not None
        assert created.sparse_vectors["words"].modifier == q.Modifier.IDF
        assert server.indexed["owner"].is_tenant
        words = server.asked[0].searches[0]
        assert isinstance(words.params, q.SearchParams)
        assert isinstance(words.params.idf, q.IdfCorpusParams)  # rare among one's own
        await index.close()


async def test_a_new_version_takes_the_place_of_the_old_and_what_is_forgotten_is_gone() -> None:
    with stand_in() as server:
        index = QdrantIndex(server.url, None, "passages", None)
        old, new, other = (point(ADA, document, "a train") for document in (TRAVEL, TRAVEL, BREAD))
        await index.put(BREAD, [other])
        await index.put(TRAVEL, [old])
        await index.put(TRAVEL, [new])
        assert set(server.collections["passages"]) == {str(new.id), str(other.id)}
        await index.forget([new.id])
        await index.put(BREAD, [])  # the document is gone
        assert server.collections["passages"] == {}
        await index.close()


async def test_a_collection_that_another_process_has_just_made_is_used() -> None:
    with stand_in() as server:
        server.exists_lately = False
        one, two = (QdrantIndex(server.url, None, "passages", None) for _ in range(2))
        await one.put(TRAVEL, [point(ADA, TRAVEL, "a train")])
        await two.put(BREAD, [point(ADA, BREAD, "a loaf")])
        assert len(server.collections["passages"]) == 2
        await one.close()
        await two.close()
