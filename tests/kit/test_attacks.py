"""Whatever Ada sends, nothing of Bob's is read, changed, counted or hinted at.

Every statement runs in two worlds: one holds Ada's rows and Bob's, the other only Ada's. The
answers must be the same, and so must what Ada has afterwards: then nothing of Bob's was in them.
Bob's rows must be as they were. Each runs through the door, and, to see that the wall holds
without it, in SQLAlchemy's own session on a connection that took on no more than the door's role
and user.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
import sqlmodel
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import (
    Row,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    except_,
    exists,
    false,
    func,
    insert,
    inspect,
    intersect,
    not_,
    or_,
    select,
    true,
    union,
    union_all,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import aliased, make_transient_to_detached, selectinload
from sqlmodel import SQLModel, col

from apiwright.errors import ApiwrightError
from apiwright.kit import postgres_url, row_security
from apiwright.kit.database import Database
from apiwright.kit.pagination import PageQuery, encode_cursor
from apiwright.kit.session import Session
from tests.kit import attacks
from tests.kit.attacks import (
    ADA,
    ADAS_LOOSE_TASK,
    ADAS_ROWS,
    ADAS_TAG,
    ADAS_TASK,
    BOB,
    BOBS_PROJECT,
    BOBS_ROWS,
    BOBS_TAG,
    BOBS_TASK,
    CANARIES,
    EMPTY,
    NEW,
)
from tests.kit.conftest import Settings
from tests.kit.models import Notice, Project, Tag, Task, TaskTag, User
from tests.postgres import execute, new_database

pytestmark = pytest.mark.anyio


def by_name(attacks: Iterable[tuple[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "statement", [pytest.param(statement, id=name) for name, statement in attacks]
    )


# ---------------------------------------------------------------------------------------------
# The two worlds


@dataclass(frozen=True)
class World:
    rows: str
    """SQL that makes them."""
    database: Database
    engine: AsyncEngine
    superuser: asyncpg.Connection

    async def refill(self) -> None:
        await self.superuser.execute(EMPTY + self.rows)

    async def rows_of_ada(self) -> list[Any]:
        return [row[0] for row in await self.superuser.fetch(ROWS_OF_ADA, ADA)]

    async def other_rows(self) -> list[Any]:
        """Bob's, and those of nobody."""
        return [row[0] for row in await self.superuser.fetch(OTHER_ROWS, ADA)]


OWNED = ("project", "task", "tag", "tasktag")
ROWS_OF_ADA = " UNION ALL ".join(
    [
        """SELECT r::text FROM "user" r WHERE id = $1""",
        *(f"SELECT '{table}' || r::text FROM {table} r WHERE owner_id = $1" for table in OWNED),
    ]
)
OTHER_ROWS = " UNION ALL ".join(
    [
        """SELECT r::text FROM "user" r WHERE id <> $1""",
        "SELECT r::text FROM country r",
        "SELECT r::text FROM notice r",
        *(f"SELECT '{table}' || r::text FROM {table} r WHERE owner_id <> $1" for table in OWNED),
    ]
)


@dataclass(frozen=True)
class Worlds:
    both: World
    """Ada's rows and Bob's."""
    alone: World
    """Ada's rows only."""


@pytest.fixture(scope="module")
def urls(server: str, template: str) -> Iterator[tuple[str, str]]:
    with new_database(server, template) as both, new_database(server, template) as alone:
        yield both, alone


@pytest.fixture(scope="module")
async def two_worlds(urls: tuple[str, str]) -> AsyncIterator[Worlds]:
    for url in urls:
        name = urlsplit(url).path[1:]
        await execute(url, f"ALTER DATABASE {name} SET synchronous_commit = off")  # faster
    async with world(urls[0], ADAS_ROWS + BOBS_ROWS) as both, world(urls[1], ADAS_ROWS) as alone:
        yield Worlds(both, alone)


@pytest.fixture
async def worlds(two_worlds: Worlds) -> Worlds:
    await two_worlds.both.refill()
    await two_worlds.alone.refill()
    return two_worlds


@asynccontextmanager
async def world(url: str, rows: str) -> AsyncIterator[World]:
    async def connect() -> asyncpg.Connection:
        return await postgres_url.connect(url)

    database = a_database(url, 2)
    # AUTOCOMMIT: SQLAlchemy begins and ends no transaction, we do
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        isolation_level="AUTOCOMMIT",
        enable_from_linting=False,
    )
    superuser = await connect()
    await superuser.execute("SET lock_timeout = '10s'")  # what was left open fails a test, by name
    await database.check()
    yield World(rows, database, engine, superuser)
    await superuser.close()
    await engine.dispose()
    await database.close()


def a_database(url: str, size: int) -> Database:
    """With a pool of that size."""
    configured = Settings(fastapi_env="development", database_url=SecretStr(url), pool_size=size)
    return Database(url, configured)


# ---------------------------------------------------------------------------------------------
# How a statement is sent, and what comes of it

Send = Callable[[World, Any], Awaitable[str]]


@dataclass(frozen=True)
class Outcome:
    answer: str
    """The rows, or the words in which it was refused."""
    adas: str
    """Ada's rows afterwards."""
    others_before: list[str]
    others: list[str]


async def outcome(world: World, send: Send, statement: Any) -> Outcome:
    before = await world.other_rows()
    answer = await send(world, statement)
    return Outcome(answer, shown(await world.rows_of_ada()), before, await world.other_rows())


async def assert_harmless(worlds: Worlds, send: Send, statement: Any) -> None:
    both = await outcome(worlds.both, send, statement)
    alone = await outcome(worlds.alone, send, statement)
    for canary in CANARIES:
        assert canary not in both.answer
        assert canary not in both.adas
    assert sorted(both.others) == sorted(both.others_before)
    assert both.answer == alone.answer
    assert both.adas == alone.adas


async def through_the_door(world: World, statement: Any) -> str:
    bound: list[Any] = []
    try:
        async with world.database.session(ADA) as session:
            bound = (await session.exec(WHO_ASKS)).all()
            rows = (await session.exec(statement)).all()
        answer = shown(rows)
    except Exception as error:
        answer = refused(error)
    await assert_bound(world, bound)
    return answer


async def in_an_open_transaction(world: World, statement: Any) -> str:
    """As `through_the_door`, but in a transaction that has written already, and that goes on."""
    bound: list[Any] = []
    answers = []
    try:
        async with world.database.session(ADA) as session:
            await session.exec(update(Task).where(false()).values(done=True))
            bound = (await session.exec(WHO_ASKS)).all()
            for each in (statement, *AND_THEN):
                answers.append(shown((await session.exec(each)).all()))
    except Exception as error:
        answers.append(refused(error))
    await assert_bound(world, bound)
    return "\n".join(answers)


async def at_the_wall(world: World, statement: Any) -> str:
    return await _by_sqlalchemy(world, world.database.scope(ADA).begin, statement)


async def without_the_wall(world: World, statement: Any) -> str:
    return await _by_sqlalchemy(world, AS_A_SUPERUSER, statement)


async def at_the_wall_in_a_row(world: World, statement: Any) -> str:
    """As `at_the_wall`, and on in the same transaction."""
    return await _by_sqlalchemy(world, world.database.scope(ADA).begin, statement, *AND_THEN)


async def _by_sqlalchemy(world: World, begin: str, *statements: Any) -> str:
    async with world.engine.connect() as connection, AsyncSession(connection) as session:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await raw.execute(begin)
        if begin != AS_A_SUPERUSER:
            await assert_bound(world, await raw.fetch(WHO_ASKS_IN_WORDS))
        answers = []
        try:
            for statement in statements:
                if isinstance(statement, str):
                    rows = await raw.fetch(statement)
                else:
                    result: Any = await session.execute(statement)
                    rows = result.all() if getattr(result, "returns_rows", True) else []
                answers.append(shown(rows))
            await raw.execute("COMMIT")
        except Exception as error:
            await raw.execute("ROLLBACK")
            answers.append(refused(error))
        if isinstance(statements[0], str):
            await connection.invalidate()  # it may have left something there
    return "\n".join(answers)


AS_A_SUPERUSER = f"BEGIN; SELECT set_config('apiwright.user_id', '{ADA}', true)"
WHO_ASKS: Any = select(func.current_user(), func.row_security_active('"user"'))
WHO_ASKS_IN_WORDS = "SELECT current_user, row_security_active('\"user\"')"

AND_THEN: list[Any] = [
    # tables, which the belt does not reach
    select(attacks.task),
    update(attacks.task).values(points=5),
    delete(attacks.tag),
    select(attacks.user.c.email),
]


async def assert_bound(world: World, answers: list[Any]) -> None:
    """Who asked is under the wall: no superuser, nobody who bypasses it, no table's owner."""
    ((role, active),) = answers
    assert active is True
    found = await world.superuser.fetchrow(
        "SELECT rolsuper, rolbypassrls,"
        " EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tableowner = $1) AS owns"
        " FROM pg_roles r WHERE rolname = $1",
        role,
    )
    assert found is not None
    assert dict(found) == {"rolsuper": False, "rolbypassrls": False, "owns": False}


def shown(rows: list[Any]) -> str:
    """Rows as text, in no particular order, without what is never the same twice."""
    return "\n".join(sorted(made_now(repr(plain(row))) for row in rows))


def plain(row: Any) -> Any:
    if isinstance(row, SQLModel):
        return type(row).__name__, sorted(row.model_dump().items())
    if isinstance(row, Row | tuple | list):  # a Row's own repr leaves out what is long
        return tuple(plain(part) for part in row)
    return row


def refused(error: Exception) -> str:
    # SQLAlchemy adds the statement and its parameters
    words = error.orig if isinstance(error, DBAPIError) else error
    return made_now(f"refused: {type(words).__name__}: {words}")


_KNOWN = ("ada00000-", "b0b00000-", "00000000-")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DATABASE = re.compile(r"\btest_[0-9a-f]{12}\b")
_TIME = re.compile(
    r"datetime\.datetime\([^()]*\)|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-][\d:]+)?"
)


def made_now(text: str) -> str:
    text = _TIME.sub("a time", text)
    text = _DATABASE.sub("the database", text)
    return _UUID.sub(lambda found: found[0] if found[0].startswith(_KNOWN) else "a new id", text)


# ---------------------------------------------------------------------------------------------
# The matrix

ALL = attacks.READS + attacks.FRAGMENTS + attacks.WRITES + attacks.BELOW + attacks.NEED_XML


@by_name(ALL)
async def test_it_is_harmless_through_the_door(worlds: Worlds, statement: Any) -> None:
    await assert_harmless(worlds, through_the_door, statement)


@by_name(ALL)
async def test_it_is_harmless_in_an_open_transaction(worlds: Worlds, statement: Any) -> None:
    await assert_harmless(worlds, in_an_open_transaction, statement)


@by_name(ALL + attacks.RAW)
async def test_the_wall_holds_alone(worlds: Worlds, statement: Any) -> None:
    await assert_harmless(worlds, at_the_wall, statement)


@by_name(attacks.READS + attacks.FRAGMENTS + attacks.WRITES)
async def test_without_the_wall_it_is_dangerous(worlds: Worlds, statement: Any) -> None:
    with pytest.raises(AssertionError):
        await assert_harmless(worlds, without_the_wall, statement)


@by_name(attacks.READS)
async def test_the_door_gives_what_sqlalchemy_gives(worlds: Worlds, statement: Any) -> None:
    wanted = await at_the_wall(worlds.both, statement)
    await worlds.both.refill()
    answer = await through_the_door(worlds.both, statement)
    if wanted.startswith("refused"):
        assert answer.startswith("refused")
    elif not answer.startswith("refused: TypeError"):  # which says in words what it does not do
        assert answer == wanted


def test_there_are_more_than_two_hundred_statements() -> None:
    assert len(attacks.READS) > 140
    assert len(attacks.FRAGMENTS) > 40
    assert len(attacks.WRITES) > 70


@by_name(attacks.UNIQUE)
@pytest.mark.parametrize("send", [through_the_door, at_the_wall])
async def test_what_is_unique_for_bob_is_free_for_ada(
    worlds: Worlds, send: Send, statement: Any
) -> None:
    await assert_harmless(worlds, send, statement)


@by_name(attacks.TAKEN)
@pytest.mark.parametrize("send", [through_the_door, at_the_wall])
async def test_an_id_of_bobs_is_like_one_that_nobody_has(
    worlds: Worlds, send: Send, statement: Any
) -> None:
    await assert_harmless(worlds, send, statement)


async def test_a_merge_that_reads_nothing_changes_nothing_of_bobs(worlds: Worlds) -> None:
    """It says that others have rows, and not what: Postgres checks a MERGE that needs no right to
    read by an error. SQLAlchemy has no MERGE; nobody but who writes SQL gets here."""
    merge = "MERGE INTO task USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE"
    found = await outcome(worlds.both, at_the_wall, merge)
    assert found.answer.startswith("refused: InsufficientPrivilegeError")
    assert sorted(found.others) == sorted(found.others_before)


# ---------------------------------------------------------------------------------------------
# Ways out


@pytest.fixture
async def new_connections(worlds: Worlds) -> AsyncIterator[Worlds]:
    """For attacks that may leave something on a connection."""
    yield worlds
    for each in (worlds.both, worlds.alone):
        await each.database.close()
        await each.engine.dispose()


NO_WAY_OUT = attacks.ESCAPES + attacks.ESCAPES_BY_XML + attacks.SECOND_STATEMENTS


@by_name(NO_WAY_OUT)
async def test_nobody_leaves_the_wall(new_connections: Worlds, statement: Any) -> None:
    await assert_harmless(new_connections, through_the_door, statement)


@by_name(NO_WAY_OUT)
async def test_nobody_leaves_the_wall_and_goes_on(new_connections: Worlds, statement: Any) -> None:
    await assert_harmless(new_connections, in_an_open_transaction, statement)


@by_name(attacks.ESCAPES)
async def test_past_the_door_they_would_leave(new_connections: Worlds, statement: Any) -> None:
    with pytest.raises(AssertionError):
        await assert_harmless(new_connections, at_the_wall_in_a_row, statement)


@by_name(attacks.LEFTOVERS)
async def test_the_next_one_finds_nothing_left(new_connections: Worlds, statement: Any) -> None:
    world = new_connections.both
    await through_the_door(world, statement)
    await in_an_open_transaction(world, statement)
    for user_id, titles in ((BOB, BOBS_TITLES), (ADA, ADAS_TITLES), (BOB, BOBS_TITLES)):
        async with world.database.session(user_id) as session:
            await assert_bound(world, (await session.exec(WHO_ASKS)).all())
            found = await session.exec(select(attacks.task.c.title))
            assert sorted(title for (title,) in found) == titles
            changed = await session.exec(update(attacks.task).values(points=1))
            assert changed.rowcount == 2
    kept = await world.superuser.fetch(
        "SELECT locktype FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
        " UNION ALL SELECT relname FROM pg_class WHERE relpersistence = 't'"
    )
    assert kept == []


@by_name(attacks.HINTS)
async def test_how_much_others_have_is_not_told(worlds: Worlds, statement: Any) -> None:
    await worlds.both.superuser.execute(
        "INSERT INTO task (id, owner_id, title, done)"
        f" SELECT gen_random_uuid(), '{BOB}', 'x', false FROM generate_series(1, 3000)"
    )
    for each in (worlds.both, worlds.alone):
        await each.superuser.execute("ANALYZE task")
    await assert_harmless(worlds, through_the_door, statement)


ADAS_TITLES = ["Dig", "Sow"]
BOBS_TITLES = ["SECRET loose task", "SECRET task"]


# ---------------------------------------------------------------------------------------------
# The session's own methods


async def by_method(world: World, work: Callable[[Session], Awaitable[Any]]) -> str:
    bound: list[Any] = []
    try:
        async with world.database.session(ADA) as session:
            bound = (await session.exec(WHO_ASKS)).all()
            answer = shown([await work(session)])
    except Exception as error:
        answer = refused(error)
    await assert_bound(world, bound)
    return answer


def forged(model: type[Any], **values: Any) -> Any:
    """A row that looks as if it had been loaded."""
    row = model(**values)
    make_transient_to_detached(row)
    return row


async def change_and_add(session: Session, row: Any, **changes: Any) -> Any:
    for name, value in changes.items():
        setattr(row, name, value)
    return await session.add(row)


async def give_away(session: Session) -> Any:
    row = await session.get_one(Task, ADAS_LOOSE_TASK)
    return await change_and_add(session, row, owner_id=BOB)


async def move_below(session: Session) -> Any:
    row = await session.get_one(Task, ADAS_TASK)
    return await change_and_add(session, row, project_id=BOBS_PROJECT)


async def set_to_a_subquery(session: Session) -> Any:
    row = await session.get_one(Task, ADAS_TASK)
    return await change_and_add(session, row, title=attacks.all_titles())


async def load_related(session: Session) -> Any:
    everything: Any = selectinload(attacks.Project.tasks).selectinload(attacks.Task.tags)
    projects = (await session.exec(select(Project).options(everything))).all()
    tasks = [task for (project,) in projects for task in project.tasks]
    return projects, tasks, [tag for task in tasks for tag in task.tags]


async def load_related_of_a_forged_row(session: Session) -> Any:
    loading: Any = selectinload(attacks.Task.project)
    found = await session.exec(
        select(Task).options(loading).where(or_(col(Task.project_id) == BOBS_PROJECT, true()))
    )
    return [task.project for (task,) in found]


async def page_of_bobs(session: Session) -> Any:
    return (
        await session.page(sqlmodel.select(Task).where(Task.owner_id == BOB), PageQuery())
    ).items


async def become_bob_in_a_savepoint(session: Session) -> Any:
    try:
        async with session.transaction():
            await session.exec(select(attacks.become_bob))
    except TypeError:
        pass
    return (await session.exec(select(attacks.task))).all()


Method = Callable[[Session], Awaitable[Any]]
METHODS: dict[str, Method] = {
    "get": lambda session: session.get(Task, BOBS_TASK),
    "get one": lambda session: session.get_one(Task, BOBS_TASK),
    "get a link": lambda session: session.get(TaskTag, (BOBS_TASK, BOBS_TAG)),
    "get a user": lambda session: session.get(User, BOB),
    "get an internal row": lambda session: session.get(Notice, 1),
    "add for the other": lambda session: session.add(Task(id=NEW, title="x", owner_id=BOB)),
    "add below a foreign project": lambda session: session.add(
        Task(id=NEW, title="x", project_id=BOBS_PROJECT)
    ),
    "add a link to a foreign task": lambda session: session.add(
        TaskTag(task_id=BOBS_TASK, tag_id=ADAS_TAG)
    ),
    "add a link to a foreign tag": lambda session: session.add(
        TaskTag(task_id=ADAS_LOOSE_TASK, tag_id=BOBS_TAG)
    ),
    "add a label that is taken": lambda session: session.add(Tag(id=NEW, label="blue")),
    "add a user": lambda session: session.add(User(id=NEW, email="SECRET@example.com")),
    "add what was forged": lambda session: change_and_add(
        session, forged(Task, id=BOBS_TASK, title="x"), title="y"
    ),
    "add what was forged, stealing it": lambda session: change_and_add(
        session, forged(Task, id=BOBS_TASK, title="x"), owner_id=ADA
    ),
    "add what was forged of a user": lambda session: change_and_add(
        session, forged(User, id=BOB, email="x"), email="y"
    ),
    "delete what was forged": lambda session: session.delete(forged(Task, id=BOBS_TASK)),
    "delete a link that was forged": lambda session: session.delete(
        forged(TaskTag, task_id=BOBS_TASK, tag_id=BOBS_TAG)
    ),
    "refresh what was forged": lambda session: session.refresh(forged(Task, id=BOBS_TASK)),
    "give away": give_away,
    "move below a foreign project": move_below,
    "set to a subquery": set_to_a_subquery,
    "load related rows": load_related,
    "load the project of rows": load_related_of_a_forged_row,
    "page": page_of_bobs,
    "change the user in a savepoint": become_bob_in_a_savepoint,
}


@by_name(METHODS.items())
async def test_a_method_reaches_no_row_of_bobs(worlds: Worlds, statement: Method) -> None:
    await assert_harmless(worlds, by_method, statement)


CURSORS = {
    "foreign": encode_cursor(BOBS_TASK),
    "foreign user": encode_cursor(BOB),
    "highest": encode_cursor(UUID(int=2**128 - 1)),
    "lowest": encode_cursor(UUID(int=0)),
    "not padded": "sNAA",
    "too long": encode_cursor(BOBS_TASK) * 2,
    "empty": "",
    "sql": "' OR true --",
    "sql, encoded": base64.urlsafe_b64encode(b"' OR true --   ").decode(),
    "not ascii": "ключ",
    "zero bytes": "\0" * 22,
}


@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS)
async def test_a_cursor_that_was_tampered_with_shows_no_row_of_bobs(
    worlds: Worlds, cursor: str
) -> None:
    async def page(session: Session) -> Any:
        query = PageQuery.model_construct(limit=20, cursor=cursor, count=False)
        found = await session.page(sqlmodel.select(Task), query)
        return found.items, found.next_cursor

    await assert_harmless(worlds, by_method, page)
    if "refused" in (answer := await by_method(worlds.both, page)):
        assert answer.startswith("refused: Invalid")


# ---------------------------------------------------------------------------------------------
# Many at once


MINE: list[Any] = [
    select(attacks.task.c.owner_id),
    select(col(Task.owner_id)).where(col(Task.points) > 0),
    update(attacks.task).values(done=True).returning(attacks.task.c.owner_id),
    insert(Project).values(name="x").returning(col(Project.owner_id)),
    select(cast(func.min(cast(col(Task.owner_id), Text)), Uuid)),
]


async def owners_seen(database: Database, user_id: UUID, times: int) -> set[UUID]:
    """Whose rows one sees, by statements of the same shapes as everybody's."""
    owners = set()
    for _ in range(times):
        for statement in MINE:
            async with database.session(user_id) as session:
                owners |= {owner for (owner,) in await session.exec(statement)}
                owners |= {owner for (owner,) in await session.exec(MINE[0])}
    return owners


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_users_who_take_turns_on_few_connections_see_their_own(
    worlds: Worlds, size: int
) -> None:
    database = a_database(worlds.both.database.url, size)
    users = [ADA, BOB, ADA, BOB, ADA, BOB]
    seen = await asyncio.gather(*(owners_seen(database, user, 5) for user in users))
    assert seen == [{user} for user in users]
    await database.close()


async def test_users_beside_cancelled_requests_see_their_own(worlds: Worlds) -> None:
    database = a_database(worlds.both.database.url, 2)

    async def cancelled(turns: int) -> None:
        work = asyncio.create_task(owners_seen(database, BOB, 5))
        for _ in range(turns):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait([work])

    async def cancelled_ones() -> None:
        for turns in range(60):
            await cancelled(turns)

    ada, other_ada, _ = await asyncio.gather(
        owners_seen(database, ADA, 20), owners_seen(database, ADA, 20), cancelled_ones()
    )
    assert ada == other_ada == {ADA}
    assert await owners_seen(database, BOB, 1) == {BOB}
    await database.close()


async def test_one_shape_with_other_values_is_not_mistaken(worlds: Worlds) -> None:
    async def titles(user_id: UUID, statement: Any) -> list[str]:
        async with worlds.both.database.session(user_id) as session:
            return sorted(title for (title,) in await session.exec(statement))

    for _ in range(3):
        for owner in (ADA, BOB):
            asked = select(col(Task.title)).where(col(Task.owner_id) == owner)
            assert await titles(ADA, asked) == (ADAS_TITLES if owner == ADA else [])
            assert await titles(BOB, asked) == (BOBS_TITLES if owner == BOB else [])
            literally = select(attacks.task.c.title).where(
                attacks.task.c.owner_id == bindparam("x", owner, literal_execute=True)
            )
            assert await titles(ADA, literally) == (ADAS_TITLES if owner == ADA else [])


async def test_an_anonymous_session_sees_nobodys_rows(worlds: Worlds) -> None:
    world = worlds.both
    for _ in range(2):
        async with world.database.session(None) as session:
            await assert_bound(world, (await session.exec(WHO_ASKS)).all())
            for table in OWNED:
                assert (await session.exec(select(SQLModel.metadata.tables[table]))).all() == []
        assert await owners_seen(world.database, ADA, 1) == {ADA}


# ---------------------------------------------------------------------------------------------
# A wall with a hole: start-up refuses it, and the belt holds until then

HOLES: list[tuple[str, tuple[str, str]]] = [
    ("no policy", ("DROP POLICY visible ON task", "task")),
    ("off", ("ALTER TABLE task DISABLE ROW LEVEL SECURITY", "task")),
    ("off for the users", ('ALTER TABLE "user" DISABLE ROW LEVEL SECURITY', "user")),
    ("one more", ("CREATE POLICY more ON task TO kit_tests_user USING (true)", "task")),
    ("one more for everybody", ("CREATE POLICY more ON task USING (true)", "task")),
    ("one more to write", ("CREATE POLICY more ON task FOR UPDATE USING (true)", "task")),
    ("wider", ("ALTER POLICY visible ON task USING (true)", "task")),
    ("wider to write", ("ALTER POLICY visible ON task WITH CHECK (true)", "task")),
    ("for more roles", ("ALTER POLICY system ON task TO kit_tests_system, kit_tests_user", "task")),
    ("for everybody", ("ALTER POLICY system ON task TO PUBLIC", "task")),
    ("an internal table opened", ("CREATE POLICY visible ON notice USING (true)", "notice")),
    ("belongs to the role", ("ALTER TABLE task OWNER TO kit_tests_user", "task")),
    ("may be truncated", ("GRANT TRUNCATE ON task TO kit_tests_user", "task")),
    ("may be truncated by all", ("GRANT ALL ON task TO PUBLIC", "task")),
    (
        "the users may be written",
        ('GRANT UPDATE ON "user" TO kit_tests_user', "user"),
    ),
    (
        "a foreign key without the owner",
        (
            "CREATE UNIQUE INDEX i ON project (id);"
            " ALTER TABLE task ADD FOREIGN KEY (project_id) REFERENCES project (id)",
            "foreign key .* of 'task'",
        ),
    ),
    ("unique for all", ("ALTER TABLE tag ADD CONSTRAINT u UNIQUE (label)", "tag")),
    ("a unique index for all", ("CREATE UNIQUE INDEX u ON task (lower(title))", "task")),
    (
        "a view",
        ("CREATE VIEW v AS SELECT * FROM task; GRANT SELECT ON v TO kit_tests_user", "'v'"),
    ),
    (
        "a materialized view",
        ("CREATE MATERIALIZED VIEW v AS TABLE task; GRANT SELECT ON v TO PUBLIC", "'v'"),
    ),
    (
        "a table that no model declares",
        ("CREATE TABLE copied AS TABLE task; GRANT SELECT ON copied TO kit_tests_user", "copied"),
    ),
    (
        "a table that inherits",
        ("CREATE TABLE heir () INHERITS (task); GRANT SELECT ON heir TO kit_tests_user", "heir"),
    ),
]


@by_name(HOLES)
async def test_start_up_refuses_a_wall_with_a_hole(
    url: str, database: Database, statement: tuple[str, str]
) -> None:
    hole, named = statement
    await execute(url, hole)
    with pytest.raises(ApiwrightError, match=named):
        await database.check()


CLIMBERS = [
    ("bypasses", ("ALTER ROLE kit_tests_user BYPASSRLS", "kit_tests_user")),
    ("is a superuser", ("ALTER ROLE kit_tests_user SUPERUSER", "kit_tests_user")),
    ("is the system's", ("GRANT kit_tests_system TO kit_tests_user", "kit_tests_user")),
    ("is the login's", ("GRANT postgres TO kit_tests_user", "kit_tests_user")),
    ("reads everything", ("GRANT pg_read_all_data TO kit_tests_user", "kit_tests_user")),
    ("makes roles", ("ALTER ROLE kit_tests_user CREATEROLE", "kit_tests_user")),
    ("the system's is a superuser", ("ALTER ROLE kit_tests_system SUPERUSER", "kit_tests_system")),
    ("the system's bypasses", ("ALTER ROLE kit_tests_system BYPASSRLS", "kit_tests_system")),
]


@by_name(CLIMBERS)
async def test_start_up_refuses_a_role_that_climbs(
    url: str, configured: Settings, statement: tuple[str, str]
) -> None:
    climb, named = statement
    connection = await postgres_url.connect(url)
    await connection.execute("BEGIN")  # roles are the whole server's: nobody else shall see it
    await row_security.check(connection, configured)
    await connection.execute(climb)
    with pytest.raises(ApiwrightError, match=named):
        await row_security.check(connection, configured)
    await connection.close()


@pytest.fixture
async def without_policies(worlds: Worlds) -> AsyncIterator[Worlds]:
    """As if somebody had turned row level security off while the app runs."""
    for each in (worlds.both, worlds.alone):
        await each.superuser.execute(turn_row_security("DISABLE"))
    yield worlds
    for each in (worlds.both, worlds.alone):
        await each.superuser.execute(turn_row_security("ENABLE"))


def turn_row_security(on_or_off: str) -> str:
    return ";".join(f"ALTER TABLE {table} {on_or_off} ROW LEVEL SECURITY" for table in OWNED)


BELTED = """\
model | model by a foreign id | model of the foreign owner | model not of mine | model or true
model mine or foreign | model in a list of ids | model not in a list | model by like
model as a page | model by offset | model for update | columns | count | count of a column
count over a subquery | max | titles in one string | aggregate with a filter | group by | case
extract from a column | users | window count | window lag | window rank | join | join on true
outer join | outer join on true | cartesian product | self join by owner
self join, criteria on one | join through the link | join of the link alone | link | alias
flat alias | exists | not exists | in a subquery | scalar subquery | from a subquery | cte
cte of a cte | recursive cte | union as a subquery | union in a cte | parameter named owner_id
parameter named key | update all | update all, returned | update a foreign id
update a list of ids | update all users | steal a row | steal all rows | delete all
delete all, returned | delete a foreign id | delete of the foreign owner | delete of parents
delete of links"""
"""Ordinary statements: models, and nothing written by hand."""
STATEMENTS = dict(ALL)


@by_name((name, STATEMENTS[name]) for name in re.split(r" \| |\n", BELTED))
async def test_the_belt_holds_alone(without_policies: Worlds, statement: Any) -> None:
    await assert_harmless(without_policies, through_the_door, statement)


BELTED_METHODS = [
    "get",
    "get one",
    "get a link",
    "get a user",
    "add what was forged",
    "add what was forged, stealing it",
    "delete what was forged",
    "delete a link that was forged",
    "refresh what was forged",
    "load related rows",
    "load the project of rows",
    "page",
]


@by_name((name, METHODS[name]) for name in BELTED_METHODS)
async def test_the_belt_holds_alone_around_methods(
    without_policies: Worlds, statement: Method
) -> None:
    await assert_harmless(without_policies, by_method, statement)


# ---------------------------------------------------------------------------------------------
# Statements that nobody thought of

OWNED_BY: dict[Any, str] = {User: "id", **dict.fromkeys((Project, Task, Tag, TaskTag), "owner_id")}


@dataclass(frozen=True)
class Source:
    """A model, or an alias of it, in the FROM of a statement."""

    model: Any
    entity: Any

    @property
    def owner(self) -> Any:
        return getattr(self.entity, OWNED_BY[self.model])

    @property
    def columns(self) -> list[Any]:
        names = inspect(self.model).column_attrs.keys()
        return [getattr(self.entity, name) for name in names if not name.endswith("_at")]


@st.composite
def sources(draw: st.DrawFn) -> Source:
    model = draw(st.sampled_from(list(OWNED_BY)))
    return Source(model, draw(st.sampled_from([model, aliased(model)])))


@st.composite
def conditions(draw: st.DrawFn, source: Source, depth: int) -> Any:
    """Some of which ask for what is Bob's, and some ask another statement."""
    owner = source.owner
    simple = [true(), owner == BOB, owner != ADA, owner.in_([ADA, BOB]), not_(owner == ADA)]
    kinds = ["simple", "text", "not", "or", "and", *(["exists", "in", "scalar"] if depth else [])]
    match draw(st.sampled_from(kinds)):
        case "text":
            column = draw(st.sampled_from(source.columns))
            return cast(column, Text).like(draw(st.sampled_from(["%", "%SECRET%", "b0b%", "7%"])))
        case "not":
            return not_(draw(conditions(source, depth - 1 if depth else 0)))
        case "or":
            return or_(draw(conditions(source, 0)), draw(conditions(source, 0)))
        case "and":
            return and_(draw(conditions(source, 0)), draw(conditions(source, 0)))
        case "exists":
            below = Source(Task, aliased(Task))
            correlated = draw(st.sampled_from([true(), below.owner != owner, below.owner == owner]))
            asked = select(below.owner).where(correlated, draw(conditions(below, 0)))
            return exists(asked)
        case "in":
            below = Source(Project, aliased(Project))
            asked = select(below.owner).where(draw(conditions(below, depth - 1)))
            return owner.in_(asked) if draw(st.booleans()) else owner.not_in(asked)
        case "scalar":
            below = Source(Task, aliased(Task))
            asked = select(func.count()).select_from(below.entity)
            return asked.where(draw(conditions(below, 0))).scalar_subquery() > draw(
                st.integers(0, 3)
            )
        case _:
            return draw(st.sampled_from(simple))


@st.composite
def selects(draw: st.DrawFn) -> Any:
    """Joins, conditions, groups, windows, of one or more models."""
    asked = draw(st.lists(sources(), min_size=1, max_size=3, unique_by=lambda one: one.entity))
    columns = [draw(st.sampled_from(source.columns)) for source in asked]
    first, *others = asked
    match draw(st.sampled_from(["models", "columns", "page", "groups", "whole", "window"])):
        case "models":
            statement = select(*(source.entity for source in asked))
        case "columns":
            statement = select(*columns)
            statement = statement.distinct() if draw(st.booleans()) else statement
        case "page":
            statement = select(*columns).order_by(*columns).limit(draw(st.integers(0, 5)))
        case "groups":
            statement = select(columns[0], func.count()).group_by(columns[0])
            if draw(st.booleans()):
                statement = statement.having(func.count() > draw(st.integers(0, 4)))
        case "whole":
            texts = func.string_agg(cast(columns[-1], Text), ",").filter(first.owner == first.owner)
            statement = select(func.count(columns[0]), func.length(texts))
        case _:
            statement = select(columns[0], func.count().over(partition_by=columns[-1]))
    statement = statement.select_from(first.entity)
    for source in others:
        ons = [true(), source.owner == first.owner, source.owner != first.owner, first.owner == BOB]
        on = draw(st.sampled_from(ons) | conditions(source, 1))
        kind = draw(st.sampled_from(["inner", "left", "full"]))
        if kind == "full":  # Postgres has it for equality alone
            on = source.owner == first.owner
        statement = statement.join(source.entity, on, isouter=kind != "inner", full=kind == "full")
    for source in draw(st.lists(st.sampled_from(asked), max_size=2)):
        statement = statement.where(draw(conditions(source, 2)))
    return statement


@st.composite
def statements(draw: st.DrawFn) -> Any:
    """A select, alone or inside of others."""
    asked = draw(selects())
    match draw(
        st.sampled_from(["plain", "subquery", "cte", "count", "exists", "union", "lateral"])
    ):
        case "subquery":
            return select(asked.subquery())
        case "cte":
            inside = asked.cte()
            return select(inside, func.count().over()).select_from(inside)
        case "count":
            return select(func.count()).select_from(asked.subquery())
        case "exists":
            return select(exists(asked.subquery().select()))
        case "union":
            one, other = (draw(sources()) for _ in range(2))
            halves = [
                select(cast(draw(st.sampled_from(half.columns)), Text).label("x")).where(
                    draw(conditions(half, 1))
                )
                for half in (one, other)
            ]
            together = draw(st.sampled_from([union, union_all, except_, intersect]))
            return select(together(*halves).subquery())
        case "lateral":
            beside: Any = aliased(User)
            inside = asked.lateral()
            return select(beside.id, inside).select_from(beside).join(inside, true())
        case _:
            return asked


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statement=statements())
async def test_no_statement_made_at_random_tells_of_bob(worlds: Worlds, statement: Any) -> None:
    note(str(statement))
    for send in (at_the_wall, through_the_door):
        answer = await send(worlds.both, statement)
        assert not answer.startswith("refused")
        assert answer == await send(worlds.alone, statement)
