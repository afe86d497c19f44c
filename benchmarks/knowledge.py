"""`python -m benchmarks.knowledge [CRANFIELD]`: how fast documents are read, how fast passages are
found among 50 000, and, given the folder of the Cranfield collection
(github.com/oussbenk/cranfield-trec-dataset), how well. README.md says more."""

import asyncio
import math
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median, quantiles
from typing import ClassVar
from uuid import UUID

from asyncpg import Connection
from pydantic import SecretStr
from sqlalchemy.schema import CreateIndex, CreateTable

from apiwright.kit import knowledge, postgres_url, row_security, settings, worker
from apiwright.kit.database import Database
from apiwright.kit.identifiers import uuid7
from apiwright.kit.knowledge import ChunkTable, ContentTable, DocumentTable, KnowledgeSettings
from apiwright.kit.statement import DIALECT
from apiwright.kit.tables import Account, stored
from benchmarks.run import postgres_server, say, scratch_folder

DOCUMENTS, PASSAGES, OWNERS, SEARCHES = 60, 50_000, 50, 500
WORDS = [f"word{number}" for number in range(5000)]


class User(Account, table=True):
    pass


class Document(DocumentTable, table=True):
    pass


class DocumentContent(ContentTable, table=True):
    pass


class Chunk(ChunkTable, table=True):
    pass


class Settings(settings.Settings):
    app_name: ClassVar[str] = "knowledge_bench"


def main() -> None:
    collection = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with scratch_folder() as folder, postgres_server(folder) as (url, _):
        asyncio.run(measure(url, collection))


async def measure(url: str, collection: Path | None) -> None:
    configured = Settings(
        fastapi_env="production", database_url=SecretStr(url), secret_key=SecretStr("k" * 32)
    )
    connection = await postgres_url.connect(url)
    for statement in _schema(configured):
        await connection.execute(statement)
    owners = [uuid7() for _ in range(OWNERS)]
    await connection.executemany('INSERT INTO "user" (id) VALUES ($1)', [(one,) for one in owners])
    database = Database(url, configured)
    try:
        await _ingest(database, configured, owners[0])
        await _search(database, connection, owners)
        if collection is not None:
            await _quality(database, connection, collection)
    finally:
        await database.close()
        await connection.close()


def _schema(configured: Settings) -> Iterator[str]:
    yield from row_security.create_roles(configured)
    for made in stored().sorted_tables:
        yield str(CreateTable(made).compile(dialect=DIALECT))
        yield from (str(CreateIndex(index).compile(dialect=DIALECT)) for index in made.indexes)
        yield from row_security.protect(made, configured)
    yield from worker.schema(configured.user_role, configured.system_role)
    yield from knowledge.schema(configured.system_role)


async def _ingest(database: Database, configured: Settings, owner: UUID) -> None:
    chance = random.Random(1)  # noqa: S311  # always the same
    for number in range(DOCUMENTS):
        text = "\n\n".join(
            f"# Part {part}\n\n{' '.join(chance.choices(WORDS, k=120))}" for part in range(40)
        )
        async with database.session(owner) as session:
            document = Document(title=f"Document {number}", media_type="text/markdown", size=0)
            await knowledge.add(session, document, text.encode())
    stop, began = asyncio.Event(), time.perf_counter()
    working = asyncio.create_task(worker.work(database, configured, stop))
    async with worker.opened(database.url, configured) as queue:
        while await queue.counts():  # noqa: ASYNC110  # the queue is in the database
            await asyncio.sleep(0.05)
    taken = time.perf_counter() - began
    stop.set()
    await working
    passages = DOCUMENTS * 40
    print(f"ingest: {passages / taken * 60:.0f} passages a minute, one worker, no embeddings")


async def _search(database: Database, connection: Connection, owners: Sequence[UUID]) -> None:
    chance = random.Random(2)  # noqa: S311  # always the same
    await connection.execute("DELETE FROM document")
    documents = [(uuid7(), owner) for owner in owners]
    await _documents(connection, documents)
    rows = [
        (uuid7(), *chance.choice(documents), 0, " ".join(chance.choices(WORDS, k=120)))
        for _ in range(PASSAGES)
    ]
    await _chunks(connection, rows)
    async with knowledge.opened(database, KnowledgeSettings()) as search:
        began = time.perf_counter()
        async with database.session(owners[0]) as session:
            await search.search(session, "word1")
        say(f"{PASSAGES} passages were taken in, in {time.perf_counter() - began:.1f} s")
        stalls: list[float] = []
        watching = asyncio.create_task(_watch(stalls))
        times = []
        for _ in range(SEARCHES):
            question = " ".join(chance.choices(WORDS, k=4))
            began = time.perf_counter()
            async with database.session(chance.choice(owners)) as session:
                await search.search(session, question)
            times.append((time.perf_counter() - began) * 1000)
        watching.cancel()
    p99 = quantiles(times, n=100)[98]
    print(
        f"search among {PASSAGES}: p50 {median(times):.1f} ms, p99 {p99:.1f} ms;"
        f" the loop stood still for {max(stalls) * 1000:.0f} ms at most"
    )


async def _watch(stalls: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(time.perf_counter() - before - 0.001)


async def _documents(connection: Connection, documents: Sequence[tuple[UUID, UUID]]) -> None:
    await connection.executemany(
        "INSERT INTO document (id, owner_id, title, media_type, size) VALUES ($1, $2, '', '', 0)",
        documents,
    )


async def _chunks(
    connection: Connection, rows: Sequence[tuple[UUID, UUID, UUID, int, str]]
) -> None:
    await connection.executemany(
        'INSERT INTO chunk (id, document_id, owner_id, number, start, "end", heading, text)'
        " VALUES ($1, $2, $3, $4, 0, 0, '', $5)",
        rows,
    )


# quality


async def _quality(database: Database, connection: Connection, collection: Path) -> None:
    """nDCG@10 (Järvelin and Kekäläinen, 2002) of Cranfield's 225 questions, by words alone."""
    owner = uuid7()
    await connection.execute('INSERT INTO "user" (id) VALUES ($1)', owner)
    texts = dict(_texts((collection / "cran.all.1400.xml").read_text()))
    ids = {number: uuid7() for number in texts}
    await _documents(connection, [(id_, owner) for id_ in ids.values()])
    await _chunks(
        connection, [(ids[number], ids[number], owner, 0, text) for number, text in texts.items()]
    )
    judged = _judged(collection / "cranqrel.trec.txt")
    questions = _questions((collection / "cran.qry.xml").read_text())
    number_of = {id_: number for number, id_ in ids.items()}
    rankings: dict[str, list[float]] = defaultdict(list)
    async with knowledge.opened(database, KnowledgeSettings()) as search:
        for number, question in enumerate(questions, 1):
            async with database.session(owner) as session:
                found = await search.search(session, question)
            ours = [number_of[one.chunk_id] for one in found]
            rankings["this search"].append(_ndcg(ours, judged[number]))
            for name, sql in _FULL_TEXT.items():
                rows = await connection.fetch(sql, owner, question)
                theirs = [number_of[row[0]] for row in rows]
                rankings[name].append(_ndcg(theirs, judged[number]))
    for name, values in rankings.items():
        print(f"nDCG@10 on Cranfield: {mean(values):.3f} {name}")


_FULL_TEXT = {
    f"Postgres {rank}, words joined by {joined}": f"""\
SELECT id FROM chunk, to_tsquery('english', (
    SELECT coalesce(string_agg(quote_literal(lexeme), ' {sign} '), '')
    FROM unnest(to_tsvector('english', $2)))) query
WHERE owner_id = $1 AND to_tsvector('english', text) @@ query
ORDER BY {rank}(to_tsvector('english', text), query, 1) DESC LIMIT 10"""  # constants
    for rank in ("ts_rank", "ts_rank_cd")
    for joined, sign in (("or", "|"), ("and", "&"))
}


def _texts(xml: str) -> Iterator[tuple[int, str]]:
    for document in re.findall(r"<doc>(.*?)</doc>", xml, re.DOTALL):
        number = re.search(r"<docno>(\d+)</docno>", document)
        text = re.search(r"<text>(.*?)</text>", document, re.DOTALL)
        assert number
        yield int(number[1]), (text[1] if text else "").strip()


def _questions(xml: str) -> list[str]:
    found = re.findall(r"<title>(.*?)</title>", xml, re.DOTALL)
    return [" ".join(one.split()) for one in found]


def _judged(file: Path) -> dict[int, dict[int, int]]:
    """By question: how good each document is as an answer, from 4 to 1. Cranfield counts the other
    way round, and -1 is the worst but one."""
    judged: dict[int, dict[int, int]] = defaultdict(dict)
    for line in file.read_text().splitlines():
        question, _, document, grade = map(int, line.split())
        judged[question][document] = 5 - grade if grade > 0 else 1
    return judged


def _ndcg(found: Sequence[int], judged: dict[int, int]) -> float:
    best = sorted(judged.values(), reverse=True)[:10]
    gained = [judged.get(one, 0) for one in found[:10]]
    return _dcg(gained) / _dcg(best) if best else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


if __name__ == "__main__":
    main()
