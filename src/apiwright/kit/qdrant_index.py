"""Qdrant's server, by QDRANT_URL: one collection for the app, whose points carry their owner as the
tenant. The worker writes to it; what it holds too much or too little is a matter of ranking alone,
since hits are read again through the door."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from qdrant_client import AsyncQdrantClient
from qdrant_client import models as q
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from apiwright.kit.problems import Unavailable
from apiwright.kit.search_index import DENSE, WORDS, Hits, Point, Question

_AT_ONCE = 100
_SECONDS = 10


class QdrantIndex:
    def __init__(
        self,
        url: str,
        key: str | None,
        collection: str,
        dimension: int | None,
        *,
        has_vectors: bool = False,
    ) -> None:
        """`dimension`: of the dense vectors; None: there are none."""
        self._client = AsyncQdrantClient(
            url=url, api_key=key, timeout=_SECONDS, check_compatibility=False
        )
        self._collection, self._dimension = collection, dimension
        self._ready = False
        self._makes = dimension is not None or not has_vectors

    async def search(self, question: Question) -> Hits:
        try:
            return await self._search(question)
        except ApiException as error:
            raise Unavailable() from error

    async def _search(self, question: Question) -> Hits:
        if not await self._prepare():
            return Hits([], [])
        mine: list[Any] = [_is("owner", question.owner_id)]
        wanted = list(mine)
        if question.documents is not None:
            any_of = q.MatchAny(any=[str(one) for one in question.documents])
            wanted.append(q.FieldCondition(key="document", match=any_of))
        rare_among_mine = q.SearchParams(idf=q.IdfCorpusParams(corpus=q.Filter(must=mine)))
        asked = {}
        if question.words.indices:
            words = q.SparseVector(indices=question.words.indices, values=question.words.values)
            asked[WORDS] = q.QueryRequest(
                query=words, using=WORDS, filter=q.Filter(must=wanted), limit=question.limit,
                params=rare_among_mine,
            )  # fmt: skip
        if question.dense is not None and self._dimension == len(question.dense):
            asked[DENSE] = q.QueryRequest(
                query=question.dense, using=DENSE, filter=q.Filter(must=wanted),
                limit=question.limit,
            )  # fmt: skip
        answers = await self._client.query_batch_points(self._collection, list(asked.values()))
        found = {
            name: [(UUID(str(hit.id)), hit.score) for hit in answer.points]
            for name, answer in zip(asked, answers, strict=True)
        }
        return Hits(found.get(WORDS, []), found.get(DENSE, []))

    async def forget(self, ids: Sequence[UUID]) -> None:
        if not await self._prepare():
            return
        await self._client.delete(self._collection, [str(one) for one in ids])

    async def put(self, document_id: UUID, points: Sequence[Point]) -> None:
        """These are the document's passages, and no others."""
        await self._prepare()
        for start in range(0, len(points), _AT_ONCE):
            some = [_point(point) for point in points[start : start + _AT_ONCE]]
            await self._client.upsert(self._collection, some)
        kept = q.HasIdCondition(has_id=[str(point.id) for point in points])
        others = q.Filter(must=[_is("document", document_id)], must_not=[kept])
        await self._client.delete(self._collection, q.FilterSelector(filter=others))

    async def close(self) -> None:
        await self._client.close()

    async def _prepare(self) -> bool:
        """Make the collection, if there is none."""
        if self._ready:
            return True
        dense = {}
        if self._dimension is not None:
            dense = {DENSE: q.VectorParams(size=self._dimension, distance=q.Distance.COSINE)}
        if not await self._client.collection_exists(self._collection):
            if not self._makes:  # without room for vectors, it would stay so
                return False
            try:
                await self._client.create_collection(
                    self._collection,
                    vectors_config=dense,
                    sparse_vectors_config={WORDS: q.SparseVectorParams(modifier=q.Modifier.IDF)},
                )
            except UnexpectedResponse as error:
                if error.status_code != 409:  # made by another process meanwhile
                    raise
        for field, tenant in (("owner", True), ("document", False)):
            await self._client.create_payload_index(
                self._collection,
                field,
                q.KeywordIndexParams(type=q.KeywordIndexType.KEYWORD, is_tenant=tenant),
            )
        self._ready = True
        return True


def _is(field: str, value: UUID) -> Any:
    return q.FieldCondition(key=field, match=q.MatchValue(value=str(value)))


def _point(point: Point) -> q.PointStruct:
    vectors: dict[str, Any] = {
        WORDS: q.SparseVector(indices=point.words.indices, values=point.words.values)
    }
    if point.dense is not None:
        vectors[DENSE] = point.dense
    payload = {"owner": str(point.owner_id), "document": str(point.document_id)}
    return q.PointStruct(id=str(point.id), vector=vectors, payload=payload)
