"""Documents and search: two users, everything that leaves is read through the door."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlmodel import select

from apiwright.kit import extraction, knowledge, worker
from apiwright.kit.database import Database
from apiwright.kit.embedded_index import EmbeddedIndex
from apiwright.kit.knowledge import Knowledge, KnowledgeSettings, Passage, State
from apiwright.kit.problems import Problem
from apiwright.kit.search_index import Hits, Question
from tests.kit.conftest import Settings, TwoUsers, tables
from tests.kit.documents import encrypted, pdf
from tests.kit.models import Chunk, Document, DocumentContent
from tests.kit.test_jobs import eventually
from tests.kit.worked import settings
from tests.openai_server import OpenAIServer, openai_server
from tests.postgres import execute, new_database

pytestmark = pytest.mark.anyio

TRAINS = b"""# Travel

It is good to be somewhere else, and better to be on the way. What follows are some notes on how to
get there: slowly, over land, with a window to look out of and a book that one does not read at all.

## Trains

The night train to Lisbon leaves at nine. One sleeps in a bed and wakes by the sea. There is a car
with tables and lamps, in which strangers tell each other their lives until the lights go out, and
in the morning somebody brings coffee.

## Buses

A bus costs less, and takes a day longer.
"""
COOKING = b"# Bread\n\nFlour, water, salt and a night of patience. The oven must be hot.\n"


@pytest.fixture(scope="module")
def template(server: str) -> Iterator[str]:
    with new_database(server) as url:
        configured = settings(url)
        roles = configured.user_role, configured.system_role
        statements = [*tables(), *worker.schema(*roles), *knowledge.schema(configured.system_role)]
        asyncio.run(execute(url, *statements))
        yield urlsplit(url).path[1:]


@pytest.fixture
async def working(database: Database, configured: Settings) -> AsyncIterator[worker.Queue]:
    stop = asyncio.Event()
    work = asyncio.create_task(worker.work(database, configured, stop))
    async with worker.opened(database.url, configured) as queue:
        yield queue
    stop.set()
    await work


async def test_a_user_finds_passages_of_his_own_documents_only(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    travel = await added(database, users.ada, "Travel", TRAINS)
    await added(database, users.bob, "Baking", COOKING)
    async with searching(database) as search:
        found = await asked(database, search, users.ada, "when does the night train leave?")
        assert [one.document_id for one in found] == [travel.id]
        (best,) = found
        assert (best.title, best.heading) == ("Travel", "Travel / Trains")
        assert TRAINS.decode()[best.start : best.end] == best.text
        assert "night train to Lisbon" in best.snippet
        assert (best.by_words, best.by_meaning) == (1, None)
        found = await asked(database, search, users.bob, "night train")
        assert [one.title for one in found] == ["Baking"]  # a night of patience
        assert await asked(database, search, users.bob, "Lisbon") == []


async def test_words_are_found_in_their_other_forms_and_the_rarest_count_most(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    for title in ("one", "two", "three"):
        await added(database, users.ada, title, f"Common words of {title}.".encode())
    await added(database, users.ada, "rare", b"Common words, and an armadillo sleeping.")
    async with searching(database) as search:
        found = await asked(database, search, users.ada, "common armadillos sleep")
        assert (found[0].title, len(found)) == ("rare", 4)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert await asked(database, search, users.ada, "the of and") == []
        assert await asked(database, search, users.ada, "") == []


async def test_a_wrong_index_shows_nothing_foreign(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    await added(database, users.ada, "Travel", TRAINS)
    async with database.session(users.ada) as session:
        ids = list((await session.exec(select(Chunk.id))).all())

    class WrongIndex:
        def __init__(self) -> None:
            self.forgot: list[UUID] = []

        async def search(self, question: Question) -> Hits:
            return Hits([(one, 9.0) for one in ids], [])

        async def forget(self, gone: Sequence[UUID]) -> None:
            self.forgot += gone

    wrong = WrongIndex()
    search = Knowledge(KnowledgeSettings(), wrong, None)
    assert await asked(database, search, users.bob, "train") == []
    assert set(wrong.forgot) == set(ids)


async def test_what_is_written_replaced_or_deleted_is_so_at_once_in_every_process(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    async with searching(database) as one, searching(database) as another:
        document = await added(database, users.ada, "Travel", TRAINS)
        other = await added(database, users.ada, "Baking", COOKING)
        for search in (one, another):
            assert len(await asked(database, search, users.ada, "Lisbon")) == 1
        async with database.session(users.ada) as session:
            await knowledge.replace(session, document, b"Only ships go to Madeira.")
        await indexed(database, users.ada, document.id)
        for search in (one, another):
            assert await asked(database, search, users.ada, "Lisbon") == []
            assert len(await asked(database, search, users.ada, "Madeira")) == 1
        async with database.session(users.ada) as session:
            await session.delete(await session.get_one(Document, document.id))
        for search in (one, another):
            assert await asked(database, search, users.ada, "Madeira") == []
            assert len(await asked(database, search, users.ada, "oven")) == 1
            index = search._index
            assert isinstance(index, EmbeddedIndex)
            assert index._shard.info().points_count == 1
    async with database.session(users.ada) as session:
        kept = (await session.exec(select(Chunk.document_id))).all()
    assert set(kept) == {other.id}


async def test_an_index_that_follows_late_commits_misses_none(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    document = await added(database, users.ada, "Travel", TRAINS)

    def chunk(text: str) -> Chunk:
        return Chunk(document_id=document.id, number=9, start=0, end=9, heading="", text=text)

    async with searching(database) as search, database.session(users.ada) as late:
        await late.add(chunk("An early bird that commits late."))
        async with database.session(users.ada) as session:
            await session.add(chunk("A late bird that commits early."))
        found = await asked(database, search, users.ada, "bird")
        assert [one.text for one in found] == ["A late bird that commits early."]
        await late.end(keep=True)
        assert len(await asked(database, search, users.ada, "bird")) == 2
        assert len(await asked(database, search, users.ada, "bird")) == 2


async def test_what_changes_while_an_older_transaction_runs_is_not_missed(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    document = await added(database, users.ada, "Travel", TRAINS)
    async with searching(database) as search, database.session(users.bob) as older:
        await older.add(Document(title="x", media_type="text/plain", size=1))
        async with database.session(users.ada) as session:
            chunk = Chunk(
                document_id=document.id, number=9, start=0, end=9, heading="", text="bird"
            )
            chunk = await session.add(chunk)
        assert len(await asked(database, search, users.ada, "bird")) == 1
        async with database.session(users.ada) as session:
            chunk.text = "whale"
            await session.add(chunk)
        await older.end(keep=True)
        await asked(database, search, users.ada, "whale")
        assert [one.text for one in await asked(database, search, users.ada, "whale")] == ["whale"]


async def test_what_does_not_fit_a_condition_is_not_forgotten(
    database: Database, working: worker.Queue, users: TwoUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await added(database, users.ada, "Travel", TRAINS, folder="a")
    monkeypatch.setattr(knowledge, "_MOST_FILTERED", -1)  # too many to name
    async with searching(database) as search:
        async with database.session(users.ada) as session:
            assert await search.search(session, "Lisbon", where=Document.folder == "b") == []  # type: ignore[arg-type]
        assert len(await asked(database, search, users.ada, "Lisbon")) == 1


async def test_a_new_version_is_not_undone_by_the_reading_of_the_old(
    database: Database,
    working: worker.Queue,
    users: TwoUsers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, begun, goes_on = extraction.text_of, asyncio.Event(), asyncio.Event()

    async def slow(content: bytes, media_type: str) -> str:
        if b"Lisbon" in content:
            begun.set()
            await goes_on.wait()
        return await read(content, media_type)

    monkeypatch.setattr(extraction, "text_of", slow)
    async with database.session(users.ada) as session:
        document = Document(title="x", media_type="text/markdown", size=0)
        document = await knowledge.add(session, document, TRAINS)
    await asyncio.wait_for(begun.wait(), 30)
    async with database.session(users.ada) as session:
        await knowledge.replace(session, document, b"Only ships go to Madeira.")
    await indexed(database, users.ada, document.id)
    goes_on.set()
    assert await eventually(working.counts, [])
    async with database.session(users.ada) as session:
        text = (await session.exec(select(DocumentContent.text))).one()
        passages = (await session.exec(select(Chunk.text))).all()
    assert [text] == list(passages) == ["Only ships go to Madeira."]


async def test_numbers_of_another_cluster_are_read_once(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    await added(database, users.ada, "Travel", TRAINS)
    async with searching(database) as search:
        await execute(  # as after a dump and a restore: no trigger runs
            database.url,
            "SET session_replication_role = replica; UPDATE chunk SET changed = 1000000000000",
        )
        for _ in range(3):
            assert len(await asked(database, search, users.ada, "Lisbon")) == 1
        index = search._index
        assert isinstance(index, EmbeddedIndex)
        assert index._after_mark == set()


async def test_a_condition_on_ones_own_fields(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    await added(database, users.ada, "Travel", TRAINS, folder="a")
    await added(database, users.ada, "Travel again", TRAINS, folder="b")
    async with searching(database) as search, database.session(users.ada) as session:
        found = await search.search(session, "train", where=Document.folder == "b")  # type: ignore[arg-type]  # SQLModel's columns have their values' types
        assert {one.title for one in found} == {"Travel again"}
        assert await search.search(session, "train", where=Document.folder == "c") == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "media_type", "why"),
    [
        (encrypted(pdf("Secret"), "word"), "application/pdf", "encrypted"),
        (b"<div>" * 50_000, "text/html", "nested"),
        (b"\xff", "text/plain", "UTF-8"),
    ],
)
async def test_a_bad_file_fails_with_its_reason_and_the_worker_goes_on(
    database: Database,
    working: worker.Queue,
    users: TwoUsers,
    content: bytes,
    media_type: str,
    why: str,
) -> None:
    async with database.session(users.ada) as session:
        bad = Document(title="bad", media_type=media_type, size=0)
        bad = await knowledge.add(session, bad, content)
    seen = [one async for one in knowledge.progress(database, users.ada, bad.id)]
    assert (seen[-1].state, why in (seen[-1].reason or "")) == (State.FAILED, True)
    good = await added(database, users.ada, "good", pdf("A page", "Another page"))
    assert good.state == State.INDEXED


async def test_what_is_too_large_or_of_another_kind_is_refused(
    database: Database, users: TwoUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_DOCUMENT_BYTES", "10")
    async with database.session(users.ada) as session:
        for media_type, content, status in (
            ("text/plain", b"x" * 11, 413),
            ("image/png", b"x", 415),
        ):
            with pytest.raises(Problem) as refused:
                document = Document(title="x", media_type=media_type, size=0)
                await knowledge.add(session, document, content)
            assert refused.value.status_code == status


async def test_nobody_follows_the_progress_of_anothers_document(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    document = await added(database, users.ada, "Travel", TRAINS)
    assert [one async for one in knowledge.progress(database, users.bob, document.id)] == []


async def test_a_rebuild_leaves_the_same_passages(
    database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    for user in (users.ada, users.bob):
        await added(database, user, "Travel", TRAINS)
    assert await knowledge.rebuild(database) == 2
    assert await eventually(working.counts, [])
    async with searching(database) as search:
        for user in (users.ada, users.bob):
            assert len(await asked(database, search, user, "Lisbon")) == 1
            async with database.session(user) as session:
                assert len((await session.exec(select(DocumentContent))).all()) == 1


# with a model


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with openai_server() as server:
        monkeypatch.setenv("EMBEDDING_MODEL", "small")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


async def test_passages_are_found_by_words_and_by_meaning(
    openai: OpenAIServer, database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    document = await added(database, users.ada, "Travel", TRAINS)
    await added(database, users.bob, "Baking", COOKING)
    assert (document.state, document.embedded) == (State.INDEXED, document.passages)
    async with searching(database) as search:
        found, *_ = await asked(database, search, users.ada, "night train")
        assert (found.by_words, found.by_meaning) == (1, 1)
        assert found.score == pytest.approx(2 / 61)
        asked_before = len(openai.requests)
        await asked(database, search, users.ada, "night train")
        assert len(openai.requests) == asked_before  # remembered
        openai.fails += [400]
        (found,) = await asked(database, search, users.ada, "the oven of Lisbon")
        assert (found.by_words, found.by_meaning) == (1, None)


async def test_vectors_that_do_not_fit_leave_the_words(
    openai: OpenAIServer, database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    await added(database, users.ada, "Travel", TRAINS)
    openai.fails += [400]  # when the search begins: it knows no dimension
    async with searching(database) as search:
        found, *_ = await asked(database, search, users.ada, "Lisbon")
        assert found.by_words == 1
    openai.dimensions = 48
    async with searching(database) as search:
        found, *_ = await asked(database, search, users.ada, "Lisbon")
        assert found.by_words == 1


async def test_many_passages_are_embedded_in_steps_through_failures(
    openai: OpenAIServer, database: Database, working: worker.Queue, users: TwoUsers
) -> None:
    openai.fails += [500, 400]  # the client tries the first again, the task the second
    text = "\n\n".join(f"# Part {number}\n\n{'word ' * 60}" for number in range(150))
    async with database.session(users.ada) as session:
        document = Document(title="long", media_type="text/markdown", size=0)
        document = await knowledge.add(session, document, text.encode())
    steps = [one async for one in knowledge.progress(database, users.ada, document.id, seconds=30)]
    last = steps[-1]
    assert last.state == State.INDEXED, last.reason
    assert last.embedded == last.passages == 150
    assert max(len(one["input"]) for one in openai.requests) == 64
    async with database.session(users.ada) as session:
        rows = (await session.exec(select(Chunk))).all()
    assert {(row.embedded_by, len(row.vector or b"")) for row in rows} == {("small", 32 * 4)}


async def test_a_model_of_another_dimension_asks_for_a_rebuild(
    openai: OpenAIServer,
    database: Database,
    working: worker.Queue,
    users: TwoUsers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await added(database, users.ada, "Travel", TRAINS)
    openai.dimensions = 48
    monkeypatch.setenv("EMBEDDING_MODEL", "large")
    async with searching(database) as search:
        found, *_ = await asked(database, search, users.ada, "Lisbon")
        assert found.by_meaning is None
        await knowledge.rebuild(database)
        assert await eventually(working.counts, [])
        found, *_ = await asked(database, search, users.ada, "Lisbon")
        assert found.by_meaning == 1


@asynccontextmanager
async def searching(database: Database) -> AsyncIterator[Knowledge]:
    async with knowledge.opened(database, KnowledgeSettings()) as opened:
        yield opened


async def asked(database: Database, search: Knowledge, user: UUID, question: str) -> list[Passage]:
    async with database.session(user) as session:
        return await search.search(session, question)


async def added(
    database: Database, user: UUID, title: str, content: bytes, folder: str = ""
) -> Document:
    media_type = "application/pdf" if content.startswith(b"%PDF") else "text/markdown"
    async with database.session(user) as session:
        document = Document(title=title, media_type=media_type, size=0, folder=folder)
        document = await knowledge.add(session, document, content)
    return await indexed(database, user, document.id)


async def indexed(database: Database, user: UUID, document_id: UUID) -> Document:
    async for state in knowledge.progress(database, user, document_id, seconds=30):
        document = state
    assert isinstance(document, Document)
    assert document.state == State.INDEXED, document.reason
    return document
