"""What becomes of connections, seen at the pool itself, with Postgres behind a wire that can be
held."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from asyncpg import Connection

from apiwright.kit import pool as pools
from apiwright.kit import postgres_url
from apiwright.kit.pool import Pool
from apiwright.kit.problems import Unavailable

pytestmark = pytest.mark.anyio

BEGIN = "BEGIN; SELECT 1"
LATE = "CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
BREAK_LATE = "INSERT INTO late VALUES (1), (1)"
"""Refused when it is committed."""


class Wire:
    """Between a client and Postgres. Silent, it takes everything and passes nothing on."""

    def __init__(self) -> None:
        self.silent = False
        self.open = 0

    @asynccontextmanager
    async def to(self, url: str) -> AsyncIterator[str]:
        """The URL of this end."""
        parts = urlsplit(url)
        (folder,) = parse_qs(parts.query)["host"]

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.open += 1
            try:
                there = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
                back = asyncio.create_task(self._pass(there[0], writer))
                await self._pass(reader, there[1])
                back.cancel()
                there[1].close()
            finally:
                writer.close()
                self.open -= 1

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            place = f"{parts.username}@127.0.0.1:{port}"
            yield parts._replace(netloc=place, query="sslmode=disable").geturl()
            await asyncio.sleep(0.05)  # asyncpg may be coming once more, to cancel
            assert await eventually(lambda: self.open == 0)
            server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.silent:
                writer.write(data)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def small_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_WAITS_FOR_POSTGRES", 0.5)
    monkeypatch.setattr(pools, "_CLOSES_WITHIN", 0.2)


@pytest.fixture
async def pool(url: str) -> AsyncIterator[Pool]:
    """Of two connections at most."""
    pool = pool_of(url, 2)
    yield pool
    await pool.close()


def pool_of(url: str, size: int) -> Pool:
    return Pool(lambda: postgres_url.connect(url), size)


async def begin(pool: Pool, holder: object = None) -> Connection:
    connection = await pool.begin(BEGIN, holder or object())
    assert connection is not None
    return connection


async def read(pool: Pool, statement: str = "SELECT 1") -> Connection:
    """Leaves the connection idle in a transaction."""
    holder = object()
    connection = await begin(pool, holder)
    await connection.execute(statement)
    pool.give_reading(connection, holder)
    return connection


async def eventually(condition: Callable[[], object]) -> bool:
    for _ in range(300):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


async def fetch(url: str, query: str) -> Any:
    connection = await postgres_url.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


# a server that is silent


@pytest.mark.usefixtures("small_patience")
async def test_who_waits_for_a_silent_server_to_connect_is_told_soon(url: str, wire: Wire) -> None:
    wire.silent = True
    async with wire.to(url) as place:
        pool = pool_of(place, 1)
        for _ in range(2):  # the first took no place with him
            async with asyncio.timeout(10):
                with pytest.raises(Unavailable):
                    await begin(pool)
        await pool.close()
        assert wire.open == 0
        wire.silent = False
        pool.give(await begin(pool))
        await pool.close()


async def test_who_stops_waiting_for_a_silent_server_leaves_no_connection_to_it(
    url: str, wire: Wire
) -> None:
    wire.silent = True
    async with wire.to(url) as place:
        pool = pool_of(place, 1)
        waiting = asyncio.create_task(begin(pool))
        assert await eventually(lambda: wire.open)
        waiting.cancel()
        await asyncio.wait([waiting])
        async with asyncio.timeout(10):
            await pool.close()
        assert wire.open == 0


@pytest.mark.usefixtures("small_patience")
async def test_a_read_transaction_is_not_committed_for_ever(url: str, wire: Wire) -> None:
    async with wire.to(url) as place:
        pool = pool_of(place, 1)
        connection = await read(pool)
        wire.silent = True
        async with asyncio.timeout(10):
            assert await eventually(lambda: connection not in pool._idle)  # the sweep has it
            with pytest.raises(Unavailable):
                await begin(pool)
            wire.silent = False
            another = await begin(pool)
        assert another is not connection
        pool.give(another)
        await pool.close()


@pytest.mark.usefixtures("small_patience")
@pytest.mark.parametrize("reading", [True, False], ids=["after a read", "at rest"])
async def test_to_close_a_silent_connection_takes_an_end(
    url: str, wire: Wire, reading: bool
) -> None:
    async with wire.to(url) as place:
        pool = pool_of(place, 2)
        one, other = await begin(pool), await begin(pool)
        await one.execute("COMMIT")
        pool.give(one)
        await other.execute("COMMIT")
        if reading:
            pool.give_reading(other, object())
        else:
            pool.give(other)
        wire.silent = True
        async with asyncio.timeout(10):
            await pool.close()
        assert one.is_closed()
        assert other.is_closed()


# closed while in use


@pytest.mark.parametrize("reading", [True, False], ids=["after a read", "at rest"])
async def test_a_connection_that_comes_back_after_the_pool_was_closed_is_closed(
    pool: Pool, reading: bool
) -> None:
    used, idle = await begin(pool, holder := object()), await begin(pool)
    pool.give(idle)
    await pool.close()
    assert idle.is_closed()
    assert not used.is_closed()
    if reading:
        pool.give_reading(used, holder)
    else:
        pool.give(used)
    assert await eventually(used.is_closed)
    assert pool._sweep is None


async def test_what_was_read_is_committed_when_the_pool_is_closed(pool: Pool, url: str) -> None:
    await read(pool, "CREATE TABLE read ()")
    await pool.close()
    assert await fetch(url, "SELECT to_regclass('read')::text") == "read"


# a read that wrote


async def test_what_a_read_wrote_and_cannot_keep_is_not_the_next_ones_failure(
    pool: Pool, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await fetch(url, LATE)
    failed = await read(pool, BREAK_LATE)
    connection = await begin(pool)
    assert connection is not failed
    assert await eventually(failed.is_closed)
    assert caplog.messages == ["what a read has written was not kept: UniqueViolationError"]
    await connection.execute("ROLLBACK")
    pool.give(connection)

    failed = await read(pool, BREAK_LATE)
    async with pool.taken() as connection:
        assert connection is not failed


async def test_what_a_read_wrote_and_cannot_keep_is_told_to_who_did_it(
    pool: Pool, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_GOES_ON", 0)
    await fetch(url, LATE)
    connection = await begin(pool, holder := object())
    await connection.execute(BREAK_LATE)
    pool.give_reading(connection, holder)
    with pytest.raises(asyncpg.UniqueViolationError):
        await begin(pool, holder)


async def test_a_begin_that_fails_is_told_also_after_a_read(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    for begin, error in (
        ("BEGIN; SELECT FROM nowhere", asyncpg.UndefinedTableError),
        ("BEGIN; NONSENSE", asyncpg.PostgresSyntaxError),  # nothing is begun
    ):
        with pytest.raises(error):
            await pool.begin(begin, object())
    await read(pool)
    with pytest.raises(asyncpg.UndefinedTableError):
        await pool.begin("BEGIN; SELECT FROM nowhere", object())
    assert caplog.messages == []


# who has a connection


async def test_a_connection_is_given_back_once(pool: Pool) -> None:
    for again in (
        pool.drop,
        pool.give,
        lambda connection: pool.give_reading(connection, object()),
    ):
        dropped = await begin(pool)
        pool.drop(dropped)
        again(dropped)
        held = [await begin(pool), await begin(pool)]
        assert dropped not in held
        third = asyncio.create_task(begin(pool))
        await asyncio.sleep(0.05)
        assert not third.done()
        assert pool._sweep is None
        for connection in held:
            pool.drop(connection)
        pool.drop(await third)


@pytest.mark.parametrize("reading", [True, False], ids=["after a read", "at rest"])
async def test_a_connection_that_was_closed_while_idle_is_handed_to_nobody(
    pool: Pool, url: str, reading: bool
) -> None:
    cut = await begin(pool, holder := object())
    if reading:
        pool.give_reading(cut, holder)
        cut.terminate()  # as if the server had, before the sweep comes
    else:
        await cut.execute("COMMIT")
        pool.give(cut)
        assert await fetch(url, f"SELECT pg_terminate_backend({cut.get_server_pid()})")
        assert await eventually(cut.is_closed)
    for taken in (await begin(pool, holder), await begin(pool)):
        assert taken is not cut
        assert await taken.fetchval("SELECT 1") == 1
        pool.drop(taken)


async def test_a_transaction_that_only_reads_goes_on_for_its_holder_and_not_for_long(
    pool: Pool,
) -> None:
    holder, begun, reads = object(), set[object](), 0
    async with asyncio.timeout(5):
        while len(begun) < 3 or reads == len(begun):
            connection = await begin(pool, holder)
            begun.add(await connection.fetchval("SELECT now()"))
            pool.give_reading(connection, holder)
            reads += 1
