"""Connections to Postgres, kept open. A connection whose last use did not end cleanly is
closed, never handed to another request."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg
from asyncpg import Connection

from apiwright.kit.problems import Unavailable

CUT = (
    OSError,  # time-outs included
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
"""The connection is lost, or cannot be had now; nothing that was not committed was kept."""

_WAITS_FOR_ANOTHER = 10.0  # seconds, when all are in use
_WAITS_FOR_POSTGRES = 3.0  # seconds; a suspended server wakes in less than one


class Pool:
    """At most `size` connections, opened when first needed; the last one used is taken first."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    async def take(self) -> Connection:
        """Raises the 503 problem when none gets free, or Postgres does not answer, in time."""
        if self._free.locked():
            try:
                async with asyncio.timeout(_WAITS_FOR_ANOTHER):
                    await self._free.acquire()
            except TimeoutError:
                raise Unavailable("Too much is going on here.") from None
        else:
            await self._free.acquire()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
            return await self._open()
        except BaseException:
            self._free.release()
            raise

    async def _open(self) -> Connection:
        deadline = time.monotonic() + _WAITS_FOR_POSTGRES
        while True:
            try:
                return await self._connect()
            except CUT as error:
                if time.monotonic() > deadline:
                    raise Unavailable() from error
                await asyncio.sleep(0.1)

    def give(self, connection: Connection) -> None:
        """Back after a clean end: no transaction open."""
        self._idle.append(connection)
        self._free.release()

    def drop(self, connection: Connection) -> None:
        """Back in an unknown state: closed at once, which ends whatever it was doing."""
        connection.terminate()
        self._free.release()

    def forget_idle(self) -> None:
        """Close what is not in use: it was probably cut off as well."""
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()
