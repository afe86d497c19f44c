"""When what a request wrote is kept, and what becomes of connections when it does not end well."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import BackgroundTasks, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from pydantic import SecretStr
from sqlalchemy.exc import NoResultFound
from sqlmodel import col, delete, func, insert, select, update
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apiwright.kit import database as databases
from apiwright.kit import postgres_url, problems
from apiwright.kit.database import Database
from apiwright.kit.problems import Conflict, NotFound, Unavailable
from apiwright.kit.session import Session
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import Project, Task
from tests.postgres import execute

pytestmark = pytest.mark.anyio

POOL_SIZE = 2


@pytest.fixture
def configured(url: str) -> Settings:
    """With few connections, so that a lost one is missed."""
    return Settings(
        fastapi_env="development",
        database_url=SecretStr(url),
        secret_key=SecretStr("k" * 32),
        pool_size=POOL_SIZE,
    )


@pytest.fixture
async def superuser(url: str, users: TwoUsers) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the pool, which sees what is committed."""
    connection = await postgres_url.connect(url)
    yield connection
    await connection.close()


async def titles(superuser: asyncpg.Connection) -> list[str]:
    return [row["title"] for row in await superuser.fetch("SELECT title FROM task ORDER BY id")]


TOO_LATE = (
    "ALTER TABLE task ADD CONSTRAINT late UNIQUE (owner_id, points) DEFERRABLE INITIALLY DEFERRED"
)
"""A constraint that is looked at when the transaction is committed."""


async def break_the_late_constraint(session: Session) -> None:
    await session.add(Task(title="one", points=7))
    await session.add(Task(title="two", points=7))


async def states(superuser: asyncpg.Connection) -> list[str]:
    """What the pool's connections are doing."""
    return sorted(
        row["state"]
        for row in await superuser.fetch(
            "SELECT coalesce(state, 'starting') AS state FROM pg_stat_activity"
            " WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            " AND application_name <> 'lock'"
        )
    )


@asynccontextmanager
async def locked(database: Database, table: str) -> AsyncIterator[None]:
    """Whoever uses the table waits."""
    connection = await postgres_url.connect(database.url)
    await connection.execute(f"SET application_name = 'lock'; BEGIN; LOCK TABLE {table}")
    try:
        yield
    finally:
        await connection.close()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> bool:
    for _ in range(100):
        if await condition():
            return True
        await asyncio.sleep(0.03)
    return False


async def assert_pool_is_whole(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    """Every connection can be had, at the same time, and knows who asks. Two rounds, so that
    each user has had each."""

    async def holds(user_id: UUID, all_there: asyncio.Barrier) -> None:
        async with database.session(user_id) as session:
            await session.exec(update(Task).values(done=True))
            await all_there.wait()
            who = select(func.current_user(), func.current_setting("apiwright.user_id"))
            assert tuple((await session.exec(who)).one()) == ("kit_tests_user", str(user_id))
            owners = (await session.exec(select(Task.owner_id))).all()
            assert set(owners) <= {user_id}

    for turn in (0, 1):
        pair = [users.ada, users.bob] if turn else [users.bob, users.ada]
        all_there = asyncio.Barrier(POOL_SIZE)
        async with asyncio.timeout(5):
            await asyncio.gather(*(holds(user, all_there) for user in pair))

    async def all_idle() -> bool:
        return await states(superuser) == ["idle"] * POOL_SIZE

    assert await eventually(all_idle), await states(superuser)


# ---------------------------------------------------------------------------------------------
# A session's transaction


async def test_a_read_leaves_no_transaction_open(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async with database.session(users.ada) as session:
        await session.exec(select(Task))

        async def is_idle() -> bool:
            return await states(superuser) == ["idle"]

        assert await eventually(is_idle)


async def test_reads_without_a_pause_see_the_clock_go_on(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session, asyncio.timeout(5):
        begun = (await session.exec(select(func.now()))).one()
        while (await session.exec(select(func.now()))).one() == begun:
            pass


async def test_the_first_write_opens_the_transaction_and_the_end_commits_it(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async with database.session(users.ada) as session:
        await session.add(Task(title="one"))
        assert await states(superuser) == ["idle in transaction"]
        await session.add(Task(title="two"))
        assert len((await session.exec(select(Task))).all()) == 2
        assert await titles(superuser) == []
    assert await titles(superuser) == ["one", "two"]
    assert await states(superuser) == ["idle"]


WRITES: dict[str, Any] = {
    "insert": insert(Task).values(title="x"),
    "insert of many": insert(Task).values([{"title": "x"}, {"title": "y"}]),
    "insert returning": insert(Task).values(title="x").returning(col(Task.id)),
    "update": update(Task).values(title="x"),
    "delete": delete(Task),
    "select for update": select(Task).with_for_update(),
    "cte that inserts": select(insert(Task).values(title="x").returning(col(Task.id)).cte()),
    "cte that updates": select(update(Task).values(title="x").returning(col(Task.id)).cte()),
    "cte that deletes": select(delete(Task).returning(col(Task.id)).cte()),
    "cte that deletes, not used": select(Project).add_cte(delete(Task).cte()),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_every_kind_of_write_is_undone_by_an_exception(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection, write: Any
) -> None:
    async with database.session(users.ada) as session:
        await session.add(Task(title="there before"))
    with pytest.raises(ZeroDivisionError):
        async with database.session(users.ada) as session:
            await session.exec(write)
            raise ZeroDivisionError
    await assert_pool_is_whole(database, users, superuser)
    assert await titles(superuser) == ["there before"]


@pytest.fixture
async def spend(superuser: asyncpg.Connection) -> Any:
    """A select that calls a function of the project, which writes."""
    await superuser.execute(
        "CREATE FUNCTION spend(points int) RETURNS text LANGUAGE sql AS $$"
        " INSERT INTO task (id, title, done, points)"
        " VALUES (gen_random_uuid(), 'spent', false, points) RETURNING title $$"
    )
    return select(func.spend(7))


async def test_what_a_function_writes_is_kept_with_the_request_or_not_at_all(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection, spend: Any
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.session(users.ada) as session:
            assert (await session.exec(spend)).one() == "spent"
            assert await states(superuser) == ["idle in transaction"]
            raise ZeroDivisionError
    assert await titles(superuser) == []
    async with database.session(users.ada) as session:
        await session.exec(spend)
        await asyncio.sleep(0.05)  # longer than the pool leaves a read alone
        assert await titles(superuser) == []
    assert await titles(superuser) == ["spent"]
    await assert_pool_is_whole(database, users, superuser)


async def test_what_a_function_wrote_and_cannot_be_committed_is_said(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection, spend: Any
) -> None:
    await superuser.execute(TOO_LATE)
    with pytest.raises(Conflict):
        async with database.session(users.ada) as session:
            await session.exec(spend)
            await session.exec(spend)
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def test_a_commit_that_fails_is_said_and_nothing_is_kept(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    await superuser.execute(TOO_LATE)
    with pytest.raises(Conflict):
        async with database.session(users.ada) as session:
            await break_the_late_constraint(session)
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def test_a_commit_that_fails_is_not_the_next_ones_failure(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    await superuser.execute(TOO_LATE)
    both = insert(Task).values([{"title": "one", "points": 7}, {"title": "two", "points": 7}])
    writes = sa.select(both.returning(col(Task.id)).cte())
    with pytest.raises(Conflict):
        async with database.session(users.ada) as session:
            await session.exec(writes)
    async with database.session(users.bob) as session:
        assert (await session.exec(select(Task))).all() == []
    assert await titles(superuser) == []


async def test_after_an_error_nothing_is_kept_even_if_it_was_caught(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    with pytest.raises(RuntimeError, match="nothing of this request is kept"):
        async with database.session(users.ada) as session:
            task = await session.add(Task(title="one"))
            with pytest.raises(Conflict):
                await session.exec(insert(Task).values(id=task.id, title="two"))
            with pytest.raises(RuntimeError, match=r"session\.transaction\(\)"):
                await session.add(Task(title="three"))
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def test_after_an_error_of_the_first_write_nothing_is_kept(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async with database.session(users.ada) as session:
        task = await session.add(Task(title="one"))
    with pytest.raises(RuntimeError, match="nothing of this request is kept"):
        async with database.session(users.ada) as session:
            with pytest.raises(Conflict):
                await session.exec(insert(Task).values(id=task.id, title="two"))
    assert await titles(superuser) == ["one"]
    await assert_pool_is_whole(database, users, superuser)


async def test_a_read_that_fails_spoils_nothing_that_follows(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async with database.session(users.ada) as session:
        with pytest.raises(NoResultFound):
            (await session.exec(select(Task))).one()
        with pytest.raises(asyncpg.PostgresError):
            await session.exec(select(func.lower(1, 2)))
        await session.add(Task(title="one"))
    assert await titles(superuser) == ["one"]


async def test_a_part_that_fails_is_undone_and_the_rest_is_kept(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async with database.session(users.ada) as session:
        one = await session.add(Task(title="one"))
        with pytest.raises(Conflict):
            async with session.transaction():
                await session.add(Task(title="two"))
                await session.exec(insert(Task).values(id=one.id, title="three"))
        async with session.transaction():
            await session.add(Task(title="four"))
    assert await titles(superuser) == ["one", "four"]


async def test_what_an_unscoped_session_wrote_is_kept_with_the_rest_or_not_at_all(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async def write(session: Session) -> None:
        await session.add(Task(title="Ada's"))
        everyone = session.unscoped(reason="a task for Bob")
        await everyone.add(Task(title="Bob's", owner_id=users.bob))

    with pytest.raises(ZeroDivisionError):
        async with database.session(users.ada) as session:
            await write(session)
            raise ZeroDivisionError
    assert await titles(superuser) == []
    async with database.session(users.ada) as session:
        await write(session)
    assert sorted(await titles(superuser)) == ["Ada's", "Bob's"]
    await assert_pool_is_whole(database, users, superuser)


async def test_beside_a_session_that_failed_no_unscoped_write_is_kept(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    with pytest.raises(RuntimeError, match="nothing of this request is kept"):
        async with database.session(users.ada) as session:
            task = await session.add(Task(title="Ada's"))
            everyone = session.unscoped(reason="a task for Bob")
            await everyone.add(Task(title="Bob's", owner_id=users.bob))
            with pytest.raises(Conflict):
                await session.exec(insert(Task).values(id=task.id, title="two"))
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def test_an_ended_session_is_of_no_use(database: Database, users: TwoUsers) -> None:
    async with database.session(users.ada) as session:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        await session.exec(select(Task))


# ---------------------------------------------------------------------------------------------
# Two tasks


async def test_two_tasks_that_use_one_session_are_refused_in_words(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    with pytest.raises(RuntimeError, match="Two tasks use one session at once"):
        async with database.session(users.ada) as session:
            await asyncio.gather(
                session.add(Task(title="one")),
                session.add(Task(title="two")),
            )
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def test_two_blocks_of_one_session_at_once_are_refused_in_words(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async def block(session: Session) -> None:
        async with session.transaction():
            await session.add(Task(title="written"))

    for begun in (False, True):
        with pytest.raises(RuntimeError, match="Two tasks use one session at once"):
            async with database.session(users.ada) as session:
                if begun:
                    await session.add(Task(title="before"))
                await asyncio.gather(block(session), block(session))
        await assert_pool_is_whole(database, users, superuser)
        assert await titles(superuser) == []


@pytest.mark.parametrize("first_fails", [False, True])
async def test_blocks_of_two_tasks_that_overlap_are_refused_in_words(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection, first_fails: bool
) -> None:
    written, entered, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def first(session: Session) -> None:
        try:
            async with session.transaction():
                await session.add(Task(title="first"))
                written.set()
                await entered.wait()
                if first_fails:
                    raise ZeroDivisionError
        finally:
            left.set()

    async def second(session: Session) -> None:
        await written.wait()
        async with session.transaction():
            entered.set()
            await left.wait()

    with pytest.raises(RuntimeError, match="nothing of this request is kept"):
        async with database.session(users.ada) as session, asyncio.timeout(5):
            await session.add(Task(title="before"))
            outcomes = await asyncio.gather(first(session), second(session), return_exceptions=True)
    said = [str(outcome) for outcome in outcomes if isinstance(outcome, RuntimeError)]
    assert len(said) == (1 if first_fails else 2)
    assert all("Two tasks use one session at once" in text for text in said)
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def test_a_session_that_ends_while_a_block_begins_leaves_nothing_open(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async def block(session: Session) -> None:
        async with session.transaction():
            await session.add(Task(title="too late"))

    async with database.session(users.ada) as session:
        late = asyncio.create_task(block(session))
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="ended"):
        await late
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def test_two_tasks_with_a_session_each_are_fine(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async def add(title: str) -> None:
        async with database.session(users.ada) as session:
            await session.add(Task(title=title))

    await asyncio.gather(*(add(str(number)) for number in range(10)))
    assert len(await titles(superuser)) == 10
    await assert_pool_is_whole(database, users, superuser)


# ---------------------------------------------------------------------------------------------
# The pool


async def test_when_all_connections_are_in_use_one_waits(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    done = asyncio.Event()

    async def hold() -> None:
        async with database.session(users.bob) as session:
            await session.add(Task(title="Bob's"))
            await done.wait()

    holders = [asyncio.create_task(hold()) for _ in range(POOL_SIZE)]

    async def all_held() -> bool:
        return await states(superuser) == ["idle in transaction"] * POOL_SIZE

    assert await eventually(all_held)

    async def read() -> int:
        async with database.session(users.ada) as session:
            return len((await session.exec(select(Task))).all())

    waits = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    assert not waits.done()
    done.set()
    assert await waits == 0
    await asyncio.gather(*holders)
    assert len(await states(superuser)) == POOL_SIZE


async def test_users_who_alternate_on_one_connection_see_their_own(
    url: str, users: TwoUsers
) -> None:
    configured = Settings(fastapi_env="development", database_url=SecretStr(url), pool_size=1)
    database = Database(url, configured)

    async def work(user_id: UUID) -> set[UUID]:
        seen = set()
        for _ in range(20):
            async with database.session(user_id) as session:
                seen |= set((await session.exec(select(Task.owner_id))).all())
                task = await session.add(Task(title="x"))
                seen.add(task.owner_id)
            async with database.session(user_id) as session:
                seen |= set((await session.exec(select(Task.owner_id))).all())
        return seen

    ada, bob = await asyncio.gather(work(users.ada), work(users.bob))
    assert (ada, bob) == ({users.ada}, {users.bob})
    await database.close()


async def test_those_who_stop_waiting_take_no_place(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async def work() -> None:
        async with database.session(users.ada) as session:
            await session.exec(select(Task))

    tasks = [asyncio.create_task(work()) for _ in range(200)]
    await asyncio.sleep(0.03)
    for task in tasks[::3]:
        task.cancel()
    await asyncio.wait(tasks)
    assert sum(task.cancelled() for task in tasks) > 20
    await assert_pool_is_whole(database, users, superuser)


# ---------------------------------------------------------------------------------------------
# Cancelled, at every moment


async def read_twice(session: Session) -> None:
    await session.exec(select(Task))
    await session.exec(select(Project))


async def write_twice(session: Session) -> None:
    await session.add(Task(title="cancelled"))
    await session.exec(update(Task).values(done=True))


async def read_then_write(session: Session) -> None:
    await session.exec(select(Task))
    await session.add(Task(title="cancelled"))


async def write_in_a_block(session: Session) -> None:
    async with session.transaction():
        await session.add(Task(title="cancelled"))


async def write_in_a_block_that_fails(session: Session) -> None:
    try:
        async with session.transaction():
            await session.add(Task(title="cancelled"))
            raise ZeroDivisionError
    except ZeroDivisionError:
        await session.exec(select(Task))


async def write_what_fails(session: Session) -> None:
    try:
        await session.exec(insert(Task).values(id=UUID(int=0), title=None))
    finally:
        await asyncio.sleep(0)


async def write_unscoped(session: Session) -> None:
    await session.add(Task(title="cancelled"))
    await session.unscoped(reason="a test").exec(select(Task))


WORKS = [
    read_twice,
    write_twice,
    read_then_write,
    write_in_a_block,
    write_in_a_block_that_fails,
    write_what_fails,
    write_unscoped,
]


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("times", [1, 2])
async def test_work_that_is_cancelled_at_any_moment_leaves_a_clean_pool(
    database: Database,
    users: TwoUsers,
    superuser: asyncpg.Connection,
    work: Callable[[Session], Awaitable[None]],
    times: int,
) -> None:
    async def whole() -> None:
        async with database.session(users.bob) as session:
            await work(session)

    cancelled = 0
    for turns in range(times, 150, 3):
        task = asyncio.create_task(whole())
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        cancelled += task.cancelled()
    assert cancelled > 3
    await assert_pool_is_whole(database, users, superuser)


async def test_a_cancelled_query_does_not_go_on_in_the_server(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async def read_projects() -> None:
        async with database.session(users.ada) as session:
            await session.exec(update(Task).values(done=True))
            await session.exec(select(Project))

    async with locked(database, "project"):
        task = asyncio.create_task(read_projects())

        async def is_waiting() -> bool:
            return await states(superuser) == ["active"]

        assert await eventually(is_waiting)
        task.cancel()
        await asyncio.wait([task])

        async def is_gone() -> bool:
            return await states(superuser) == []

        assert await eventually(is_gone), await states(superuser)
    await assert_pool_is_whole(database, users, superuser)


# ---------------------------------------------------------------------------------------------
# The server lets go

CUT_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def cut_all_unnoticed(url: str) -> None:
    """While our event loop stands still: it does not know yet that its connections are gone."""
    thread = threading.Thread(target=lambda: asyncio.run(execute(url, CUT_ALL)))
    thread.start()
    thread.join()


async def fill_the_pool(database: Database, users: TwoUsers) -> None:
    all_there = asyncio.Barrier(POOL_SIZE)

    async def hold() -> None:
        async with database.session(users.ada) as session:
            await session.exec(update(Task).values(done=True))
            await all_there.wait()

    await asyncio.gather(*(hold() for _ in range(POOL_SIZE)))


async def read(session: Session) -> None:
    await session.exec(select(Task))


async def write(session: Session) -> None:
    await session.add(Task(title="written"))


async def get(session: Session) -> None:
    await session.get(Task, UUID(int=0))


async def block(session: Session) -> None:
    async with session.transaction():
        await session.add(Task(title="written"))


@pytest.mark.parametrize("work", [read, get, write, block])
@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "unnoticed"])
async def test_connections_that_were_cut_cost_time_and_no_error(
    database: Database,
    users: TwoUsers,
    url: str,
    work: Callable[[Session], Awaitable[None]],
    noticed: bool,
) -> None:
    await fill_the_pool(database, users)
    cut_all_unnoticed(url)
    if noticed:
        await asyncio.sleep(0.1)
    for _ in range(POOL_SIZE + 1):
        async with database.session(users.ada) as session:
            await work(session)


async def test_the_start_up_check_survives_connections_that_were_cut(
    database: Database, users: TwoUsers, url: str
) -> None:
    await fill_the_pool(database, users)
    cut_all_unnoticed(url)
    await database.check()


async def test_a_transaction_that_was_cut_is_said_to_be_lost(
    database: Database, users: TwoUsers, url: str
) -> None:
    with pytest.raises(Unavailable):
        async with database.session(users.ada) as session:
            await session.add(Task(title="lost"))
            cut_all_unnoticed(url)
            await session.add(Task(title="lost as well"))
    async with database.session(users.ada) as session:
        assert (await session.exec(select(Task))).all() == []


async def test_a_commit_that_was_cut_is_said_to_be_lost(
    database: Database, users: TwoUsers, url: str
) -> None:
    with pytest.raises(Unavailable):
        async with database.session(users.ada) as session:
            await session.add(Task(title="lost"))
            cut_all_unnoticed(url)
    async with database.session(users.ada) as session:
        assert (await session.exec(select(Task))).all() == []


# ---------------------------------------------------------------------------------------------
# A request


async def _session(request: Request) -> Session:
    database: Database = request.app.state.database
    return database.request_session(request.scope, UUID(request.headers["user"]))


UserSession = Annotated[Session, Depends(_session)]

Wrap = Callable[[ASGIApp], ASGIApp]


@asynccontextmanager
async def serving(
    database: Database, user_id: UUID, route: Callable[..., Any], wrap: Wrap = lambda app: app
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an app with one route, signed in."""
    app = FastAPI()
    app.state.database = database
    problems.install(app)
    databases.install(app)
    app.add_api_route("/", route, methods=["POST"], response_model=None)
    transport = httpx2.ASGITransport(app=wrap(app), raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test", headers={"user": str(user_id)}
    ) as client:
        yield client


async def add(session: UserSession) -> str:
    return (await session.add(Task(title="added"))).title


async def test_a_request_is_committed_before_its_response_is_sent(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    committed_at_start = []

    def watched(app: ASGIApp) -> ASGIApp:
        async def watching(scope: Scope, receive: Receive, send: Send) -> None:
            async def watching_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    committed_at_start.append(await titles(superuser))
                await send(message)

            await app(scope, receive, watching_send)

        return watching

    async with serving(database, users.ada, add, watched) as client:
        assert (await client.post("/")).json() == "added"
    assert committed_at_start == [["added"]]
    await assert_pool_is_whole(database, users, superuser)


async def fails_to_commit(session: UserSession) -> str:
    await break_the_late_constraint(session)
    return "all is well"


async def test_a_commit_that_fails_is_a_problem_for_the_client(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    await superuser.execute(TOO_LATE)
    async with serving(database, users.ada, fails_to_commit) as client:
        response = await client.post("/")
    assert response.status_code == 409
    assert response.headers["content-type"] == problems.MEDIA_TYPE
    assert "well" not in response.text
    assert "late" not in response.text
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def catches_an_error(session: UserSession) -> str:
    task = await session.add(Task(title="one"))
    try:
        await session.exec(insert(Task).values(id=task.id, title="two"))
    except Conflict:
        return "all is well"
    raise AssertionError


async def test_an_error_that_a_route_swallows_is_a_problem_for_the_client(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async with serving(database, users.ada, catches_an_error) as client:
        response = await client.post("/")
    assert response.status_code == 500
    assert response.headers["content-type"] == problems.MEDIA_TYPE
    assert await titles(superuser) == []
    await assert_pool_is_whole(database, users, superuser)


async def raises(session: UserSession) -> None:
    await session.add(Task(title="one"))
    raise ZeroDivisionError


async def raises_a_problem(session: UserSession) -> None:
    await session.add(Task(title="one"))
    raise NotFound


async def returns_an_error(session: UserSession) -> Response:
    await session.add(Task(title="one"))
    return JSONResponse({}, 422)


async def sets_an_error(session: UserSession, response: Response) -> str:
    await session.add(Task(title="one"))
    response.status_code = 409
    return "no"


async def raises_after_a_write_in_a_cte(session: UserSession) -> None:
    written = insert(Task).values(title="one").returning(col(Task.id)).cte()
    await session.exec(sa.select(written))
    raise NotFound


@pytest.mark.parametrize(
    ("route", "status"),
    [
        (raises, 500),
        (raises_a_problem, 404),
        (returns_an_error, 422),
        (sets_an_error, 409),
        (raises_after_a_write_in_a_cte, 404),
    ],
)
async def test_of_a_request_that_answers_with_an_error_nothing_is_kept(
    database: Database,
    users: TwoUsers,
    superuser: asyncpg.Connection,
    route: Callable[..., Any],
    status: int,
) -> None:
    async with serving(database, users.ada, route) as client:
        assert (await client.post("/")).status_code == status
    await assert_pool_is_whole(database, users, superuser)
    assert await titles(superuser) == []


async def redirects(session: UserSession) -> Response:
    await session.add(Task(title="one"))
    return RedirectResponse("/elsewhere", 303)


async def answers_with_nothing(session: UserSession) -> Response:
    await session.add(Task(title="one"))
    return Response(status_code=204)


async def streams_afterwards(session: UserSession) -> Response:
    await session.add(Task(title="one"))

    async def body() -> AsyncIterator[str]:
        yield "a"
        await asyncio.sleep(0)
        yield "b"

    return StreamingResponse(body())


@pytest.mark.parametrize("route", [redirects, answers_with_nothing, streams_afterwards])
async def test_of_a_request_that_answers_without_an_error_all_is_kept(
    database: Database,
    users: TwoUsers,
    superuser: asyncpg.Connection,
    route: Callable[..., Any],
) -> None:
    async with serving(database, users.ada, route) as client:
        assert (await client.post("/")).status_code < 400
    assert await titles(superuser) == ["one"]
    await assert_pool_is_whole(database, users, superuser)


async def test_a_body_that_streams_and_a_task_afterwards_find_the_session_ended(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    said: list[str] = []

    async def late(session: Session) -> None:
        with pytest.raises(RuntimeError) as caught:
            await session.exec(select(Task))
        said.append(str(caught.value))

    async def streams(session: UserSession, tasks: BackgroundTasks) -> Response:
        await session.exec(select(Task))
        tasks.add_task(late, session)

        async def body() -> AsyncIterator[str]:
            await late(session)
            yield "a"

        return StreamingResponse(body(), background=tasks)

    async with serving(database, users.ada, streams) as client:
        assert (await client.post("/")).text == "a"
    assert len(said) == 2
    assert all("has ended" in text for text in said)
    await assert_pool_is_whole(database, users, superuser)


async def test_a_stream_holds_no_connection(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    streaming = asyncio.Event()
    done = asyncio.Event()

    async def streams(session: UserSession) -> Response:
        await session.add(Task(title="one"))

        async def body() -> AsyncIterator[str]:
            streaming.set()
            await done.wait()
            yield "a"

        return StreamingResponse(body())

    async with serving(database, users.ada, streams) as client:
        request = asyncio.create_task(client.post("/"))
        await streaming.wait()
        await assert_pool_is_whole(database, users, superuser)
        done.set()
        assert (await request).text == "a"


async def writes_then_reads_slowly(session: UserSession) -> None:
    await session.add(Task(title="one"))
    await session.exec(select(Project))


async def reads_slowly(session: UserSession) -> None:
    await session.exec(select(Project))


async def writes_slowly(session: UserSession) -> None:
    await session.add(Project(name="one"))


async def waits_for_something_else(session: UserSession) -> None:
    await session.add(Task(title="one"))
    await asyncio.sleep(25)


@pytest.mark.parametrize(
    "route", [writes_then_reads_slowly, reads_slowly, writes_slowly, waits_for_something_else]
)
async def test_a_request_whose_client_leaves_keeps_nothing_and_gives_its_connection_back(
    database: Database,
    users: TwoUsers,
    superuser: asyncpg.Connection,
    route: Callable[..., Any],
) -> None:
    async with locked(database, "project"), serving(database, users.ada, route) as client:
        requests = [asyncio.create_task(client.post("/")) for _ in range(POOL_SIZE)]

        async def under_way() -> bool:
            busy = [state for state in await states(superuser) if state != "idle"]
            return len(busy) == POOL_SIZE

        assert await eventually(under_way)
        for request in requests:
            request.cancel()
        await asyncio.wait(requests)
    await assert_pool_is_whole(database, users, superuser)
    assert await titles(superuser) == []


async def test_requests_of_two_users_at_once_see_their_own(
    database: Database, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    async def owners(session: UserSession) -> list[str]:
        await session.add(Task(title="x"))
        return [str(owner) for owner in await session.exec(select(Task.owner_id))]

    async with (
        serving(database, users.ada, owners) as ada,
        serving(database, users.bob, owners) as bob,
    ):
        responses = await asyncio.gather(
            *(client.post("/") for _ in range(20) for client in (ada, bob))
        )
    seen = [set(response.json()) for response in responses]
    assert seen == [{str(users.ada)}, {str(users.bob)}] * 20
    await assert_pool_is_whole(database, users, superuser)


async def test_a_request_after_the_connections_were_cut_is_answered(
    database: Database, users: TwoUsers, url: str
) -> None:
    await fill_the_pool(database, users)
    async with serving(database, users.ada, add) as client:
        cut_all_unnoticed(url)
        assert (await client.post("/")).status_code == 200


async def test_an_app_without_the_middleware_says_so(database: Database, users: TwoUsers) -> None:
    app = FastAPI()
    app.state.database = database
    app.add_api_route("/", add, methods=["POST"])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(RuntimeError, match=r"database\.install\(app\)"):
            await client.post("/", headers={"user": str(users.ada)})
