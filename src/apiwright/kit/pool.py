"""Connections to Postgres, kept open, each handed out in a transaction. A connection whose last
use did not end cleanly is closed, never handed to another request.

A round trip costs more than anything else here, so a transaction that only read is not committed
by a trip of its own: the connection goes back as it is, and whoever takes it next sends COMMIT
together with his own BEGIN. Taken by the same holder, it goes on in the same transaction. What
nobody takes is committed within some milliseconds.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg import Connection

from apiwright.kit.problems import Unavailable

logger = logging.getLogger("apiwright.pool")

CUT = (
    OSError,  # time-outs included
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # between the server's farewell and the end of the connection
)
"""The connection is lost, or cannot be had now; nothing that was not committed was kept."""

_WAITS_FOR_ANOTHER = 10.0  # seconds, when all are in use
_WAITS_FOR_POSTGRES = 3.0  # seconds; a suspended server wakes in less than one
_CLOSES_WITHIN = 2.0  # seconds
_GOES_ON = 0.01  # seconds, in one transaction; then its clock and its user are asked anew
_STAYS_OPEN = 0.005  # seconds, for a transaction that only read

_NOBODY: tuple[object, float] = (None, 0.0)


class Pool:
    """At most `size` connections, opened when first needed; the last one used is taken first."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        # idle in a transaction: whose it was, and when it began
        self._reading: dict[Connection, tuple[object, float]] = {}
        self._lent: dict[Connection, float] = {}  # in use, and when its transaction began
        self._sweep: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def begin(self, begin: str, holder: object) -> Connection | None:
        """A connection on which `begin` was executed, in one round trip; None when that brought
        no row. Raises the 503 problem when none gets free, or Postgres does not answer, in time,
        and one of CUT when the connection was lost."""
        connection = await self._take(holder)
        reader, begun = self._reading.pop(connection, _NOBODY)
        now = time.monotonic()
        if reader is holder and now < begun + _GOES_ON:
            self._lent[connection] = begun
            return connection
        self._lent[connection] = now
        try:
            said = await connection.execute(f"COMMIT; {begin}" if reader else begin)
            if said == "SELECT 1":
                return connection
            await connection.execute("ROLLBACK")
        except BaseException as error:
            self.drop(connection)
            if isinstance(error, CUT):
                self.forget_idle()  # cut at the same time, probably
            elif reader not in (None, holder) and _refused_commit(connection, error):
                _warn(error)
                return await self.begin(begin, holder)
            raise
        self.give(connection)
        return None

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[Connection]:
        """A connection in no transaction, for the length of a block. Raises as `begin` does."""
        connection = await self._take(None)
        while self._reading.pop(connection, None) and not await self._committed(connection):
            connection = await self._take(None)
        try:
            yield connection
        except BaseException:
            self.drop(connection)
            raise
        self.give(connection)

    async def _take(self, holder: object) -> Connection:
        if self._free.locked():
            try:
                async with asyncio.timeout(_WAITS_FOR_ANOTHER):
                    await self._free.acquire()
            except TimeoutError:
                raise Unavailable("Too much is going on here.") from None
        else:
            await self._free.acquire()
        try:
            connection = self._from_idle(holder) or await self._open()
        except BaseException:
            self._free.release()
            raise
        self._lent[connection] = 0.0
        return connection

    def _from_idle(self, holder: object) -> Connection | None:
        """The one that the holder read on, else the last one used."""
        for connection in self._idle:
            mine = self._reading.get(connection, _NOBODY)[0] is holder is not None
            if mine and not connection.is_closed():
                self._idle.remove(connection)
                return connection
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._reading.pop(connection, None)
        return None

    async def _open(self) -> Connection:
        now = asyncio.get_running_loop().time
        deadline = now() + _WAITS_FOR_POSTGRES
        while True:
            opening = asyncio.ensure_future(self._connect())
            try:
                async with asyncio.timeout_at(deadline):
                    return await asyncio.shield(opening)
            except BaseException as error:
                self._close_later(_close_opened(opening))
                if not isinstance(error, CUT):
                    raise
                if now() >= deadline:
                    raise Unavailable() from error
            await asyncio.sleep(0.1)

    def give(self, connection: Connection) -> None:
        """Back after a clean end: no transaction open."""
        if self._closed:
            self.drop(connection)
        elif self._lent.pop(connection, None) is not None:  # else it was dropped
            self._idle.append(connection)
            self._free.release()

    def give_reading(self, connection: Connection, holder: object) -> None:
        """Back in a transaction that only read."""
        begun = self._lent.get(connection)
        if self._closed or begun is None:
            self.drop(connection)
            return
        self._reading[connection] = holder, begun
        self.give(connection)
        if self._sweep is None:
            self._sweep = asyncio.create_task(self._commit_what_nobody_takes())

    def drop(self, connection: Connection) -> None:
        """Back in an unknown state: closed, and what it was doing is cancelled."""
        if self._lent.pop(connection, None) is None:  # by another task that used it, too
            return
        self._free.release()
        if not connection.is_closed():
            self._close_later(_close(connection))

    def _close_later(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def forget_idle(self) -> None:
        """Close what is not in use."""
        while self._idle:
            self._idle.pop().terminate()
        self._reading.clear()

    async def close(self) -> None:
        """Takes some seconds at most. What is in use is closed when it comes back."""
        self._closed = True
        reading, self._reading = self._reading, {}
        for connection in self._idle:
            self._close_later(_close(connection, commits=connection in reading))
        self._idle.clear()
        if self._sweep is not None:
            await self._sweep
        await asyncio.gather(*self._closing)

    async def _commit_what_nobody_takes(self) -> None:
        waited: dict[Connection, tuple[object, float]] = {}
        try:
            while self._reading:
                await asyncio.sleep(_STAYS_OPEN)
                for connection, read in waited.items():
                    if self._reading.get(connection) is read and connection in self._idle:
                        await self._commit(connection)
                waited = dict(self._reading)
        finally:
            self._sweep = None

    async def _commit(self, connection: Connection) -> None:
        await self._free.acquire()
        if self._reading.pop(connection, None) is None:  # taken while we waited
            self._free.release()
            return
        self._idle.remove(connection)
        self._lent[connection] = 0.0
        if await self._committed(connection):
            self.give(connection)

    async def _committed(self, connection: Connection) -> bool:
        """Whether what was read on it could be committed; if not, it is gone. Nobody waits for an
        answer: not whoever read, nor whoever takes the connection next."""
        try:
            await connection.execute("COMMIT", timeout=_WAITS_FOR_POSTGRES)
        except BaseException as error:
            self.drop(connection)
            if not isinstance(error, Exception):
                raise
            _warn(error)
            return False
        return True


def _refused_commit(connection: Connection, error: BaseException) -> bool:
    """Of COMMIT and BEGIN in one: whether nothing was begun."""
    return isinstance(error, asyncpg.PostgresError) and not connection.is_in_transaction()


def _warn(error: BaseException) -> None:
    """A read has written after all, such as through a view, and could not be committed."""
    if not isinstance(error, CUT):  # not its text, which has values
        logger.warning("what a read has written was not kept: %s", type(error).__name__)


async def _close_opened(opening: "asyncio.Future[Connection]") -> None:
    """Close what was opened for somebody who no longer waits for it."""
    while not opening.done():
        opening.cancel()  # once more, if what it does to end takes too long
        await asyncio.wait([opening], timeout=_CLOSES_WITHIN)
    if not opening.cancelled() and opening.exception() is None:
        await _close(opening.result())


async def _close(connection: Connection, *, commits: bool = False) -> None:
    try:
        if commits:
            await connection.execute("COMMIT", timeout=_CLOSES_WITHIN)
        await connection.close(timeout=_CLOSES_WITHIN)
    except Exception:
        connection.terminate()
    except BaseException:
        connection.terminate()
        raise
