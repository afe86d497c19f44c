"""Documents, and search in them: every user finds passages of his own documents only.

Postgres holds the documents, their text and the passages, and is the truth. An index finds ids of
passages; what is found is read again in the asker's own session before anybody sees it.
"""

import asyncio
import logging
import re
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel, SecretStr
from pydantic import Field as Setting
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    column,
    func,
    table,
)
from sqlalchemy import text as sql
from sqlmodel import Field, col, delete, insert, select

from apiwright.errors import ApiwrightError
from apiwright.kit import chunks, extraction
from apiwright.kit.database import Database
from apiwright.kit.embedded_index import EmbeddedIndex
from apiwright.kit.extraction import Unreadable
from apiwright.kit.jobs import schedule, task
from apiwright.kit.problems import Problem
from apiwright.kit.search_index import (
    EmbeddingFailed,
    Hits,
    Point,
    Question,
    SearchIndex,
    encoder,
    floats,
)
from apiwright.kit.session import Session
from apiwright.kit.tables import ACROSS_OWNERS, Owned, OwnedLink, Timestamps

if TYPE_CHECKING:
    from apiwright.kit.embeddings import Embeddings
    from apiwright.kit.qdrant_index import QdrantIndex

logger = logging.getLogger("apiwright.knowledge")

_MOST_FOUND = 50
_MOST_FILTERED = 10_000
_EMBEDDED_AT_ONCE = 64
_EMBEDDING_TRIES = 8
_RRF = 60  # Cormack, Clarke and Büttcher, 2009
_SNIPPET = 240  # characters
_LOOKS_AGAIN = 0.3  # seconds


class KnowledgeSettings(BaseSettings):
    """A project's settings inherit from it: `class Settings(settings.Settings,
    KnowledgeSettings)`."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    qdrant_url: str | None = None
    qdrant_api_key: SecretStr | None = None
    embedding_model: str | None = None
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    knowledge_language: str = "english"
    max_document_bytes: int = Setting(default=10_000_000, ge=1)


class State(StrEnum):
    QUEUED = "queued"
    EMBEDDING = "embedding"
    """Found by its words already."""
    INDEXED = "indexed"
    FAILED = "failed"


class DocumentTable(Owned, Timestamps):
    """A document; the table `document`. A project adds fields of its own."""

    __tablename__ = "document"

    title: str = Field(max_length=200)
    media_type: str = Field(max_length=100)
    size: int = Field(sa_type=BigInteger)
    """In bytes, as uploaded."""
    state: State = Field(default=State.QUEUED, sa_column_kwargs={"server_default": "queued"})
    reason: str | None = Field(default=None, max_length=500)
    """Why it failed, or waits."""
    passages: int = Field(default=0, sa_column_kwargs={"server_default": sql("0")})
    embedded: int = Field(default=0, sa_column_kwargs={"server_default": sql("0")})
    """How many of the passages have a vector."""


class ContentTable(OwnedLink):
    """What a document says; the table `document_content`."""

    __tablename__ = "document_content"

    document_id: UUID = Field(foreign_key="document.id", primary_key=True, ondelete="CASCADE")
    content: bytes | None = None
    """The file, until it has been read."""
    text: str | None = None


class ChunkTable(Owned):
    """A passage of a document; the table `chunk`."""

    __tablename__ = "chunk"
    __table_args__ = (Index(None, "changed", "id", info={ACROSS_OWNERS: True}),)

    document_id: UUID = Field(foreign_key="document.id", index=True, ondelete="CASCADE")
    number: int
    start: int
    """Where in the document's text it begins, in characters."""
    end: int
    heading: str = Field(max_length=300)
    text: str
    vector: bytes | None = None
    embedded_by: str | None = Field(default=None, max_length=200)
    changed: int = Field(
        default=None, sa_type=BigInteger, sa_column_kwargs={"server_default": sql("0")}
    )
    """The number of the transaction that wrote it, by a trigger."""


D = TypeVar("D", bound=DocumentTable)


class Passage(BaseModel):
    """A passage that was found."""

    document_id: UUID
    title: str
    chunk_id: UUID
    heading: str
    start: int
    end: int
    text: str
    snippet: str
    """The part that fits the question best."""
    score: float
    """The sum of 1 / (60 + rank) over the two ways of finding it; by words alone, BM25's."""
    by_words: int | None
    """Its rank by words, from 1; None: it was not found so."""
    by_meaning: int | None


# the tables of the project


@dataclass(frozen=True, slots=True)
class _Models:
    document: Any
    content: Any
    chunk: Any


def _models() -> _Models:
    return _Models(_model(DocumentTable), _model(ContentTable), _model(ChunkTable))


def _model(base: type[Any]) -> Any:
    for model in base.__subclasses__():
        if hasattr(model, "__table__"):
            return model
    raise ApiwrightError(
        f"The project has no table of {base.__name__}.",
        f"Write it in models.py: `class …({base.__name__}, table=True)`.",
    )


def schema(system_role: str) -> Iterator[str]:
    """SQL for a migration, after the tables are made: which passages have changed and which are
    gone, for the indexes. `DROP SCHEMA knowledge CASCADE` takes it back."""
    yield "CREATE SCHEMA knowledge"
    yield (
        "CREATE TABLE knowledge.removed (chunk_id uuid NOT NULL, changed bigint NOT NULL"
        " DEFAULT (pg_current_xact_id()::text)::bigint, at timestamptz NOT NULL DEFAULT now())"
    )
    yield "CREATE INDEX ON knowledge.removed (changed)"
    yield (
        "CREATE FUNCTION knowledge.note_removed() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        " INSERT INTO knowledge.removed (chunk_id) SELECT id FROM gone; RETURN NULL; END $$"
    )
    yield (
        "CREATE FUNCTION knowledge.note_changed() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        " NEW.changed := (pg_current_xact_id()::text)::bigint; RETURN NEW; END $$"
    )
    yield (
        "CREATE TRIGGER note_changed BEFORE INSERT OR UPDATE ON chunk"
        " FOR EACH ROW EXECUTE FUNCTION knowledge.note_changed()"
    )
    yield (
        "CREATE TRIGGER note_removed AFTER DELETE ON chunk REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION knowledge.note_removed()"
    )
    yield f"GRANT USAGE ON SCHEMA knowledge TO {system_role}"
    yield f"GRANT SELECT, DELETE ON knowledge.removed TO {system_role}"


# documents


async def add(session: Session, document: D, content: bytes) -> D:
    """Keep a document and have it indexed. Its `media_type` is one of `extraction.READERS`; `size`
    is filled in. Raises the 413 and 415 problems."""
    _refuse(document.media_type, len(content))
    document.size = len(content)
    stored = await session.add(document)
    await session.add(_models().content(document_id=stored.id, content=content))
    await _have_indexed(session, stored)
    return stored


async def replace(session: Session, document: D, content: bytes) -> D:
    """As `add`, for a new version of a document: found as it was until it has been read."""
    _refuse(document.media_type, len(content))
    document.size, document.state, document.reason = len(content), State.QUEUED, None
    stored = await session.add(document)
    kept = await session.get_one(_models().content, stored.id)
    kept.content, kept.text = content, None
    await session.add(kept)
    await _have_indexed(session, stored)
    return stored


def _refuse(media_type: str, size: int) -> None:
    most = KnowledgeSettings().max_document_bytes
    if size > most:
        raise Problem(413, f"A document may have {most} bytes.")
    if media_type not in extraction.READERS:
        raise Problem(415, f"Documents are one of {', '.join(extraction.READERS)}.")


async def _have_indexed(session: Session, document: DocumentTable) -> None:
    await session.enqueue(index_document, _Job(document_id=document.id))


async def progress(
    database: Database, user_id: UUID, document_id: UUID, *, seconds: float = 300
) -> AsyncIterator[DocumentTable]:
    """The document whenever its state has changed, until it is indexed, has failed, is gone, or the
    time is up. No connection is held meanwhile."""
    last: tuple[Any, ...] | None = None
    until = monotonic() + seconds
    while monotonic() < until:
        async with database.session(user_id) as session:
            document = await session.get(_models().document, document_id)
        if document is None:
            return
        now = (document.state, document.reason, document.embedded)
        if now != last:
            last = now
            yield document
        if document.state in (State.INDEXED, State.FAILED):
            return
        await asyncio.sleep(_LOOKS_AGAIN)


# what the worker does


class _Job(BaseModel):
    document_id: UUID
    tries: int = 0


@task(timeout=timedelta(minutes=15))
async def index_document(session: Session, job: _Job) -> None:
    """Read a document's file, and cut its text into passages."""
    models, settings = _models(), KnowledgeSettings()
    document = await session.get(models.document, job.document_id)
    if document is None:
        return
    content = (await session.get_one(models.content, document.id)).content
    text = failed = None
    if content is not None:
        try:
            text = await extraction.text_of(content, document.media_type)
        except Unreadable as error:
            failed = str(error)
    one = select(models.document).where(models.document.id == job.document_id).with_for_update()
    document = (await session.exec(one)).one_or_none()
    if document is None:
        return
    kept = await session.get_one(models.content, document.id)
    if kept.content != content:
        return  # it was replaced meanwhile, or read: by a job of its own
    if failed is not None:
        document.state, document.reason = State.FAILED, failed
        await session.add(document)
        return
    if content is not None:
        kept.text, kept.content = text, None
        await session.add(kept)
    found = [
        {
            "document_id": document.id, "number": number, "start": one.start, "end": one.end,
            "heading": one.heading, "text": kept.text[one.start : one.end],
        }
        for number, one in enumerate(chunks.split(kept.text))
    ]  # fmt: skip
    await session.exec(delete(models.chunk).where(col(models.chunk.document_id) == document.id))
    for start in range(0, len(found), 100):
        await session.exec(insert(models.chunk).values(found[start : start + 100]))
    document.passages, document.embedded, document.reason = len(found), 0, None
    document.state = State.EMBEDDING if settings.embedding_model else State.INDEXED
    await session.add(document)
    if settings.embedding_model:
        await session.enqueue(embed_document, _Job(document_id=document.id))
    if settings.qdrant_url:
        await session.enqueue(put_document, _Job(document_id=document.id))


@task()
async def embed_document(session: Session, job: _Job) -> None:
    """Give some passages their vectors, and have the next ones done."""
    models, settings = _models(), KnowledgeSettings()
    document = await session.get(models.document, job.document_id)
    if document is None or document.state != State.EMBEDDING:
        return
    chunk, model = models.chunk, settings.embedding_model
    waiting = (
        select(chunk)
        .where(chunk.document_id == document.id, col(chunk.embedded_by).is_distinct_from(model))
        .order_by(chunk.number)
        .limit(_EMBEDDED_AT_ONCE)
    )
    some = (await session.exec(waiting)).all()
    try:
        async with _embeddings(settings) as embeddings:
            assert embeddings is not None
            vectors = await embeddings.of([_spoken(one) for one in some])
    except EmbeddingFailed as error:
        document.reason = str(error)
        if job.tries + 1 < _EMBEDDING_TRIES:
            again = _Job(document_id=document.id, tries=job.tries + 1)
            await session.enqueue(embed_document, again, delay=timedelta(seconds=2**job.tries))
        else:
            document.state = State.FAILED
        await session.add(document)
        return
    for one, vector in zip(some, vectors, strict=True):
        one.vector, one.embedded_by = vector, model
        await session.add(one)
    document.embedded, document.reason = document.embedded + len(some), None
    if len(some) < _EMBEDDED_AT_ONCE:
        document.state = State.INDEXED
        if settings.qdrant_url:
            await session.enqueue(put_document, _Job(document_id=document.id))
    else:
        await session.enqueue(embed_document, _Job(document_id=document.id))
    await session.add(document)


@task(attempts=30)  # Qdrant may be away for a while: two hours
async def put_document(session: Session, job: _Job) -> None:
    """Bring what Qdrant's server knows of a document to what Postgres holds; for one that is gone,
    to nothing."""
    chunk, settings = _models().chunk, KnowledgeSettings()
    of_document = select(chunk).where(chunk.document_id == job.document_id)
    rows = (await session.exec(of_document)).all()
    words = encoder(settings.knowledge_language)
    points = [
        Point(
            row.id,
            row.owner_id,
            row.document_id,
            words.of_passage(_spoken(row)),
            floats(row.vector) if row.embedded_by == settings.embedding_model else None,
        )
        for row in rows
    ]
    async with _embeddings(settings) as embeddings:
        index = _server(settings, await embeddings.dimension() if embeddings else None)
    try:
        await index.put(job.document_id, points)
        now = select(chunk.id, chunk.changed).where(chunk.document_id == job.document_id)
        if set(await session.exec(now)) != {(row.id, row.changed) for row in rows}:
            await session.enqueue(put_document, job)  # another may have put the newer ones before
    finally:
        await index.close()


@schedule("*/5 * * * *")
async def forget_removed(session: Session) -> None:
    """Take what is gone from Qdrant's server; the embedded indexes do it by themselves."""
    settings = KnowledgeSettings()
    if settings.qdrant_url is None:
        await session.exec(delete(_REMOVED).where(_REMOVED.c.at < func.now() - timedelta(days=1)))
        return
    gone = (await session.exec(select(_REMOVED.c.chunk_id))).all()
    index = _server(settings, None)
    try:
        for start in range(0, len(gone), 1000):
            some = gone[start : start + 1000]
            await index.forget(some)
            await session.exec(delete(_REMOVED).where(_REMOVED.c.chunk_id.in_(some)))
    finally:
        await index.close()


async def rebuild(database: Database) -> int:
    """Have every document read and indexed anew, from what Postgres holds; for a new model, or a
    new way of cutting. Returns how many. Search goes on meanwhile."""
    document = _models().document
    async with database.session(None) as session:
        everyone = session.unscoped(reason="the index is rebuilt")
        rows = (await everyone.exec(select(document.id, document.owner_id))).all()
        for id_, owner_id in rows:
            await everyone.enqueue(index_document, _Job(document_id=id_), owner_id=owner_id)
    return len(rows)


def _spoken(chunk: Any) -> str:
    """What stands for a passage in the indexes."""
    return f"{chunk.heading}\n{chunk.text}"


@asynccontextmanager
async def _embeddings(settings: KnowledgeSettings) -> "AsyncIterator[Embeddings | None]":
    if settings.embedding_model is None:
        yield None
        return
    from apiwright.kit.embeddings import Embeddings  # and with it openai, which weighs something

    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    embeddings = Embeddings(settings.embedding_model, key, settings.openai_base_url)
    try:
        yield embeddings
    finally:
        await embeddings.close()


def _server(settings: KnowledgeSettings, dimension: int | None) -> "QdrantIndex":
    try:
        from apiwright.kit.qdrant_index import QdrantIndex
    except ModuleNotFoundError as error:
        raise ApiwrightError(
            f"QDRANT_URL is set, and {error.name} is not installed.",
            "Install it: pip install 'apiwright[qdrant]'.",
        ) from None

    assert settings.qdrant_url is not None
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    # a model of its own collection: its vectors are of its own size
    name = re.sub(r"\W+", "-", f"passages-{settings.embedding_model or 'words'}")
    has_vectors = settings.embedding_model is not None
    return QdrantIndex(settings.qdrant_url, key, name, dimension, has_vectors=has_vectors)


# search


class Knowledge:
    """Search, in a process that serves; one for each app."""

    def __init__(
        self, settings: KnowledgeSettings, index: SearchIndex, embeddings: "Embeddings | None"
    ) -> None:
        self._encoder = encoder(settings.knowledge_language)
        self._index, self._embeddings = index, embeddings

    async def search(
        self,
        session: Session,
        question: str,
        *,
        limit: int = 10,
        where: ColumnElement[bool] | None = None,
    ) -> list[Passage]:
        """Passages of the asker's documents, the best first, at most 50; `where` is a condition on
        the project's model of documents: `Document.folder == "travel"`.

        Without a model, or when it does not answer, they are found by their words alone.
        """
        limit = min(limit, _MOST_FOUND)
        documents = None if where is None else await self._documents(session, where)
        words, dense = self._encoder.of_question(question), await self._meaning(question)
        wanted = 2 * limit
        while True:
            asked = Question(session.user_id, words, dense, documents, wanted)
            hits = await self._index.search(asked)
            ranked = _fused(hits)
            found = await self._read(session, list(ranked), where)
            gone = [one for one in ranked if one not in found]
            if gone and where is None:  # with it, they may only not fit
                await self._index.forget(gone)
            most = max(len(hits.words), len(hits.dense))
            if len(found) >= limit or most < wanted or wanted > 1000:
                break
            wanted *= 4
        best = [(found[one], rank) for one, rank in ranked.items() if one in found]
        return [_passage(*row, rank, question) for row, rank in best[:limit]]

    async def _meaning(self, question: str) -> list[float] | None:
        if self._embeddings is None:
            return None
        try:
            return floats(await self._embeddings.of_question(question))
        except EmbeddingFailed as error:
            logger.warning("searched by words alone: %s", error)
            return None

    async def _documents(
        self, session: Session, where: ColumnElement[bool]
    ) -> tuple[UUID, ...] | None:
        """Those that fit; None when they are too many to name, and hits are left out after."""
        document = _models().document
        fit = select(document.id).where(where).limit(_MOST_FILTERED + 1)
        ids = (await session.exec(fit)).all()
        return tuple(ids) if len(ids) <= _MOST_FILTERED else None

    async def _read(
        self, session: Session, ids: Sequence[UUID], where: ColumnElement[bool] | None
    ) -> dict[UUID, tuple[Any, Any]]:
        """Through the door: what is not the asker's is not there."""
        models = _models()
        if not ids:
            return {}
        query = (
            select(models.chunk, models.document)
            .where(models.chunk.document_id == models.document.id)
            .where(col(models.chunk.id).in_(ids))
        )
        if where is not None:
            query = query.where(where)
        return {chunk.id: (chunk, document) for chunk, document in await session.exec(query)}


@dataclass(frozen=True, slots=True)
class _Rank:
    score: float
    by_words: int | None
    by_meaning: int | None


def _fused(hits: Hits) -> dict[UUID, _Rank]:
    """The best first: by the sum of 1 / (60 + rank) where there are two rankings."""
    words = {one: rank for rank, (one, _) in enumerate(hits.words, 1)}
    dense = {one: rank for rank, (one, _) in enumerate(hits.dense, 1)}
    if not hits.dense:
        return {one: _Rank(score, words[one], None) for one, score in hits.words}
    ranks = {
        one: _Rank(
            sum(1 / (_RRF + ranking[one]) for ranking in (words, dense) if one in ranking),
            words.get(one),
            dense.get(one),
        )
        for one in {**words, **dense}
    }
    return dict(sorted(ranks.items(), key=lambda item: -item[1].score))


def _passage(chunk: Any, document: Any, rank: _Rank, question: str) -> Passage:
    return Passage(
        document_id=document.id,
        title=document.title,
        chunk_id=chunk.id,
        heading=chunk.heading,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        snippet=_snippet(chunk.text, question),
        score=rank.score,
        by_words=rank.by_words,
        by_meaning=rank.by_meaning,
    )


def _snippet(passage: str, question: str) -> str:
    """The stretch with the most words of the question, by their beginnings."""
    if len(passage) <= _SNIPPET:
        return passage
    words = re.findall(r"\w{3,}", question.lower())
    stems = tuple({word[: max(4, len(word) - 3)] for word in words})
    places = [
        found.start()
        for found in re.finditer(r"\w+", passage.lower())
        if found[0].startswith(stems)
    ]
    begin = max(
        places or [0],
        key=lambda start: bisect_left(places, start + _SNIPPET - 40) - bisect_left(places, start),
    )
    begin = max(0, begin - 40)
    begin = passage.rfind(" ", 0, begin) + 1 if begin else 0
    end = passage.find(" ", begin + _SNIPPET)
    end = len(passage) if end < 0 else end
    return ("… " if begin else "") + passage[begin:end] + (" …" if end < len(passage) else "")


# in an app


@asynccontextmanager
async def opened(database: Database, settings: KnowledgeSettings) -> AsyncIterator[Knowledge]:
    """Search outside an app. Raises ApiwrightError for a language that there is not."""
    try:
        words = encoder(settings.knowledge_language)
    except ValueError:
        raise ApiwrightError(
            f"KNOWLEDGE_LANGUAGE is {settings.knowledge_language!r}, which is not known.",
            "Write one such as english, german, french, spanish.",
        ) from None
    async with _embeddings(settings) as embeddings:
        dimension = None
        if embeddings is not None:
            try:
                dimension = await embeddings.dimension()
            except EmbeddingFailed as error:
                logger.warning("search by words alone until the next start: %s", error)
        if settings.qdrant_url is not None:
            server = _server(settings, dimension)
            try:
                yield Knowledge(settings, server, embeddings)
            finally:
                await server.close()
            return
        index = EmbeddedIndex(database, _models().chunk, words, settings.embedding_model, dimension)
        filling = asyncio.create_task(index.follow())  # before anybody asks
        try:
            yield Knowledge(settings, index, embeddings)
        finally:
            filling.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await filling
            index.close()


def install(app: FastAPI) -> None:
    """Have an app search: `knowledge: KnowledgeSearch` in a route."""
    served = app.router.lifespan_context

    @asynccontextmanager
    async def served_and_searched(app: FastAPI) -> AsyncIterator[Any]:
        async with (
            served(app) as state,
            opened(app.state.database, KnowledgeSettings()) as app.state.knowledge,
        ):
            yield state

    app.router.lifespan_context = served_and_searched


async def _knowledge(request: Request) -> Knowledge:
    knowledge: Knowledge = request.app.state.knowledge
    return knowledge


KnowledgeSearch = Annotated[Knowledge, Depends(_knowledge)]
"""What searches, in a route."""

_REMOVED = table("removed", column("chunk_id"), column("changed"), column("at"), schema="knowledge")
