"""Qdrant in the app's own process: a copy of what Postgres holds, in a folder that goes with the
process. It follows Postgres before each search, and so knows what the asker has just written.

A call into the engine holds Python's lock, so what is put in is put in little by little.
"""

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    IdfParams,
    KeywordIndexParams,
    MatchAny,
    MatchValue,
    Modifier,
    Query,
    QueryRequest,
    SearchParams,
    SparseVector,
    UpdateOperation,
)
from qdrant_edge import Point as EdgePoint
from sqlalchemy import BigInteger, Text, cast, column, func, select, table
from sqlmodel import col

from apiwright.kit.database import Database
from apiwright.kit.search_index import DENSE, WORDS, Encoder, Hits, Point, Question, floats
from apiwright.kit.session import Session

logger = logging.getLogger("apiwright.knowledge")

_AT_ONCE = 32  # points in one call
_ROWS = 512  # in one statement
_MANY = 50_000
_FOLLOWS_FOR = 12 * 3600.0  # seconds; deletions are told of for longer than that

_REMOVED = table("removed", column("chunk_id"), column("changed"), schema="knowledge")
_NOW_FINISHED = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
"""Every transaction with a smaller number has ended."""
_NEXT = cast(cast(func.pg_snapshot_xmax(func.pg_current_snapshot()), Text), BigInteger)
"""No transaction has this number yet; a row may, that a dump brought here from elsewhere."""


class EmbeddedIndex:
    def __init__(
        self,
        database: Database,
        chunks: Any,  # the project's class of ChunkTable
        encoder: Encoder,
        model: str | None,
        dimension: int | None,
    ) -> None:
        """`model` and `dimension`: of the vectors; others are left out."""
        self._database, self._chunks, self._encoder = database, chunks, encoder
        self._model, self._dimension = model, dimension
        self._lock = asyncio.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._begin()

    def _begin(self) -> None:
        """From nothing."""
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="apiwright-index-")
        dense = {}
        if self._dimension is not None:
            dense = {DENSE: EdgeVectorParams(size=self._dimension, distance=Distance.Cosine)}
        config = EdgeConfig(
            vectors=dense, sparse_vectors={WORDS: EdgeSparseVectorParams(modifier=Modifier.Idf)}
        )
        self._shard = EdgeShard.create(str(Path(self._folder.name) / "shard"), config)
        for field, tenant in (("owner", True), ("document", False)):
            self._shard.update(
                UpdateOperation.create_field_index(field, KeywordIndexParams(is_tenant=tenant))
            )
        self._mark = 0
        self._after_mark: set[tuple[UUID, int]] = set()
        """Known already, of what is not older than the mark; and the number of each."""
        self._followed = monotonic()
        self._size = 0
        self._warned = False

    def close(self) -> None:
        if self._folder is not None:
            self._shard.close()
            self._folder.cleanup()
            self._folder = None

    async def search(self, question: Question) -> Hits:
        async with self._lock:
            await self._up_to_date()
            return await asyncio.to_thread(self._search, question)

    async def forget(self, ids: Sequence[UUID]) -> None:
        self._shard.update(UpdateOperation.delete_points(list(ids)))

    async def follow(self) -> None:
        """Take in what has changed in Postgres."""
        async with self._lock:
            await self._up_to_date()

    async def _up_to_date(self) -> None:
        if monotonic() - self._followed > _FOLLOWS_FOR:
            self._begin()
        async with self._database.session(None) as session:
            await self._follow(session.unscoped(reason="the search index follows"))
        self._followed = monotonic()
        if self._size > _MANY and not self._warned:
            self._warned = True
            logger.warning(
                "the search index in this process holds %d passages: set QDRANT_URL", self._size
            )

    async def _follow(self, session: Session) -> None:
        chunks = self._chunks
        numbers: Any = select(_NOW_FINISHED, _NEXT)
        finished, following = (await session.exec(numbers)).one()
        until = following if self._mark else 2**63 - 1
        gone = await session.exec(
            select(_REMOVED.c.chunk_id).where(_REMOVED.c.changed >= self._mark)
        )
        removed = [row[0] for row in gone.all()]
        changed, last = self._mark, UUID(int=0)
        seen: set[tuple[UUID, int]] = set()
        while True:
            rows = await session.exec(
                select(
                    chunks.id, chunks.owner_id, chunks.document_id, chunks.heading, chunks.text,
                    chunks.vector, chunks.embedded_by, chunks.changed,
                )
                .where(func.row(chunks.changed, chunks.id) > func.row(changed, last))
                .where(chunks.changed < until)
                .order_by(col(chunks.changed), col(chunks.id))
                .limit(_ROWS)
            )  # fmt: skip
            found: list[Any] = rows.all()
            new = [row for row in found if (row.id, row.changed) not in self._after_mark]
            for start in range(0, len(new), _AT_ONCE):
                await asyncio.to_thread(self._put, new[start : start + _AT_ONCE])
            seen.update((row.id, row.changed) for row in found)
            if len(found) < _ROWS:
                break
            changed, last = found[-1].changed, found[-1].id
        if removed:
            for start in range(0, len(removed), _AT_ONCE):
                await self.forget(removed[start : start + _AT_ONCE])
        self._size = self._shard.info().points_count
        self._after_mark = {one for one in seen if finished <= one[1] < following}
        self._mark = finished

    def _put(self, rows: Sequence[Any]) -> None:
        points = [
            Point(
                row.id,
                row.owner_id,
                row.document_id,
                self._encoder.of_passage(f"{row.heading}\n{row.text}"),
                self._dense(row),
            )
            for row in rows
        ]
        self._shard.update(UpdateOperation.upsert_points([_edge(point) for point in points]))

    def _dense(self, row: Any) -> list[float] | None:
        if self._dimension is None or row.embedded_by != self._model:
            return None
        vector = floats(row.vector)
        return vector if vector is not None and len(vector) == self._dimension else None

    def _search(self, question: Question) -> Hits:
        mine: list[Any] = [FieldCondition("owner", match=MatchValue(str(question.owner_id)))]
        wanted = list(mine)
        if question.documents is not None:
            documents = [str(one) for one in question.documents]
            wanted.append(FieldCondition("document", match=MatchAny(documents)))
        words = SparseVector(question.words.indices, question.words.values)
        rare_among_mine = SearchParams(idf=IdfParams(corpus=Filter(must=mine)))
        return Hits(
            self._query(Query.Nearest(words, using=WORDS), wanted, question.limit, rare_among_mine)
            if question.words.indices
            else [],
            self._query(Query.Nearest(question.dense, using=DENSE), wanted, question.limit, None)
            if question.dense is not None and self._dimension == len(question.dense)
            else [],
        )

    def _query(
        self, query: Any, wanted: list[Any], limit: int, params: SearchParams | None
    ) -> list[tuple[UUID, float]]:
        request = QueryRequest(limit, filter=Filter(must=wanted), query=query, params=params)
        return [(UUID(str(hit.id)), hit.score) for hit in self._shard.query(request)]


def _edge(point: Point) -> EdgePoint:
    vectors: dict[str, Any] = {WORDS: SparseVector(point.words.indices, point.words.values)}
    if point.dense is not None:
        vectors[DENSE] = point.dense
    payload = {"owner": str(point.owner_id), "document": str(point.document_id)}
    return EdgePoint(point.id, vectors, payload)
