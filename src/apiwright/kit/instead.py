"""What a session says to code that is written as for another one: to a call without its `await`,
and to the names of SQLModel's and SQLAlchemy's sessions."""

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class Call(Awaitable[T]):
    """A call that waits to be awaited, and says so when it is used as if it had been."""

    def __init__(self, name: str, work: Coroutine[Any, Any, T]) -> None:
        self._name = name
        self._work = work
        self._awaited = False

    def __await__(self) -> Generator[Any, Any, T]:
        self._awaited = True
        return self._work.__await__()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(self._forgotten())

    def __iter__(self) -> NoReturn:
        raise TypeError(self._forgotten())

    def __bool__(self) -> NoReturn:
        raise TypeError(self._forgotten())

    def refuse_to_be_forgotten(self) -> None:
        if not self._awaited:
            self._work.close()
            raise RuntimeError(self._forgotten())

    def _forgotten(self) -> str:
        call = f"await session.{self._name}(…)"
        return f"`await` is missing. Write `{call}`, or `({call})` if more follows."


INSTEAD = {
    "add_all": "Add one after the other: `for row in rows: await session.add(row)`.",
    "begin": "A transaction is open when one is needed; for a part that may fail alone write"
    " `async with session.transaction():`.",
    "begin_nested": "Write `async with session.transaction():`.",
    "commit": "There is nothing to commit: what a request wrote is committed before its response"
    " is sent. In development, `async with database.session(…)` commits at its end.",
    "connection": "A session gives no connection away: it would be bound by nothing.",
    "execute": "Write `await session.exec(…)`.",
    "expire": "Rows are not followed; read one again with `await session.refresh(row)`.",
    "expunge": "Rows are detached already.",
    "flush": "`await session.add(…)` writes at once.",
    "merge": "Load the row, change it, and `await session.add(row)`.",
    "query": "Write `await session.exec(select(Model).where(…))`.",
    "rollback": "What a request wrote is rolled back when it raises, or answers with an error. For"
    " a part that may fail alone write `async with session.transaction():`.",
    "scalar": "Write `(await session.exec(…)).one()`.",
    "scalars": "Write `await session.exec(…)`.",
    "stream": "Write `await session.page(…)`: lists are read page by page.",
}
