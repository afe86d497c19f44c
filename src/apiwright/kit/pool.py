"""Connections to Postgres, kept open. A connection whose last use did not end cleanly is
closed, never handed to another request."""

import asyncio
from collections.abc import Awaitable, Callable

from asyncpg import Connection


class Pool:
    """At most `size` connections, opened when first needed; the last one used is taken first."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    async def take(self) -> Connection:
        await self._free.acquire()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
            return await self._connect()
        except BaseException:
            self._free.release()
            raise

    def give(self, connection: Connection) -> None:
        """Back after a clean end: no transaction open."""
        self._idle.append(connection)
        self._free.release()

    def drop(self, connection: Connection) -> None:
        """Back in an unknown state: closed at once, which ends whatever it was doing."""
        connection.terminate()
        self._free.release()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()
