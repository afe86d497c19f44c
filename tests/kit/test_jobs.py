"""Jobs: enqueued in the request's transaction, done as their owner, lost by nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel import select

from apiwright.errors import ApiwrightError
from apiwright.kit import worker
from apiwright.kit.database import Database
from apiwright.kit.jobs import task
from apiwright.kit.problems import Unauthorized
from apiwright.kit.session import Session
from apiwright.kit.worker import Count
from tests.kit.conftest import Settings, TwoUsers, tables
from tests.kit.models import Task
from tests.kit.worked import (
    Note,
    count_all,
    die,
    settings,
    sleep,
    write_and_fail,
    write_note,
)
from tests.postgres import execute, new_database

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    with new_database(server) as url:
        configured = settings(url)
        queue = worker.schema(configured.user_role, configured.system_role)
        asyncio.run(execute(url, *tables(), *queue))
        yield urlsplit(url).path[1:]


async def test_a_job_is_done_as_whoever_enqueued_it(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        number = await session.enqueue(write_note, Note(title="later"))
    async with working(database, configured):
        assert await eventually(lambda: titles(database, users), {"ada": ["later"], "bob": []})
    assert number is not None


async def test_what_is_rolled_back_was_never_enqueued(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.session(users.ada) as session:
            await session.enqueue(write_note, Note(title="never"))
            _ = 1 / 0
    async with worker.opened(database.url, configured) as queue:
        assert await queue.counts() == []


async def test_a_job_of_one_user_sees_nothing_of_another(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    for user in (users.ada, users.bob):
        async with database.session(user) as session:
            await session.add(Task(title="found"))
    async with database.session(users.ada) as session:
        await session.enqueue(count_all, Note(title=""))
    async with working(database, configured) as queue:
        assert await eventually(queue.counts, [])
    async with database.session(users.bob) as session:
        assert (await session.exec(select(Task))).one().points is None
    async with database.session(users.ada) as session:
        assert (await session.exec(select(Task))).one().points == 1


async def test_nobody_signed_in_enqueues_nothing(database: Database) -> None:
    with pytest.raises(Unauthorized):
        async with database.session(None) as session:
            await session.enqueue(write_note, Note(title=""))


@pytest.mark.parametrize(
    "attack",
    [
        "SELECT jobs.enqueue('{bob}', 'write_note', '{{}}', null, null)",
        "SELECT * FROM jobs.pgqueuer",
        "SELECT * FROM jobs.pgqueuer_log",
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint) VALUES (0, 'queued', 'x')",
        "SELECT nextval('jobs.pgqueuer_id_seq')",
    ],
)
async def test_a_request_can_neither_read_the_queue_nor_enqueue_for_another(
    database: Database, users: TwoUsers, configured: Settings, attack: str
) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(f"SET ROLE {configured.user_role}")
        await connection.execute(f"SET apiwright.user_id = '{users.ada}'")
        assert not await connection.fetchval(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(attack.format(bob=users.bob))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "SET apiwright.user_id = ''; SELECT jobs.enqueue_own('x', '', null, null)"
            )
    finally:
        await connection.close()


async def test_a_key_is_enqueued_once_while_it_waits_and_per_user(
    database: Database, users: TwoUsers
) -> None:
    numbers = []
    for user in (users.ada, users.ada, users.bob):
        async with database.session(user) as session:
            await session.add(Task(title="before"))
            numbers.append(await session.enqueue(write_note, Note(title="x"), key="same"))
            await session.add(Task(title="after"))  # the transaction goes on
    first, second, third = numbers
    assert first is not None
    assert second is None
    assert third is not None


async def test_a_delayed_job_waits(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        await session.enqueue(write_note, Note(title="in a day"), delay=timedelta(days=1))
        await session.enqueue(write_note, Note(title="soon"), delay=timedelta(seconds=1))
    async with working(database, configured):
        assert await eventually(lambda: titles(database, users), {"ada": ["soon"], "bob": []})


async def test_a_job_that_fails_is_tried_again_and_then_dead_and_can_be_restarted(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        await session.enqueue(write_and_fail, Note(title="no good"))
    async with working(database, configured) as queue:
        assert await eventually(queue.counts, [Count("write_and_fail", "failed", 1)])
        (dead,) = await queue.dead()
        assert (dead.task, dead.owner_id, dead.error) == (
            "write_and_fail",
            users.ada,
            "ValueError: no good",
        )
        assert await titles(database, users) == {"ada": [], "bob": []}
        await queue.retry([dead.id])
        assert (await queue.counts())[0].status in ("queued", "picked")
        assert await eventually(queue.counts, [Count("write_and_fail", "failed", 1)])


async def test_a_job_that_takes_too_long_is_stopped(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        await session.enqueue(sleep, Note(title=""))
    async with working(database, configured) as queue:
        assert await eventually(queue.dead, lambda dead: [one.task for one in dead] == ["sleep"])


async def test_the_jobs_of_a_deactivated_user_are_not_done(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        await session.enqueue(sleep, Note(title=""))
    await execute(database.url, 'UPDATE "user" SET is_active = false')
    async with working(database, configured) as queue:
        assert await eventually(
            queue.dead,
            lambda dead: [one.error.partition(":")[0] for one in dead] == ["Unauthorized"],
        )


async def test_the_system_enqueues_what_is_run_unscoped(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    for user in (users.ada, users.bob):
        async with database.session(user) as session:
            await session.add(Task(title="found"))
    async with database.session(None) as session:
        await session.unscoped(reason="a test").enqueue(count_all, Note(title=""))
    async with working(database, configured) as queue:
        assert await eventually(queue.counts, [])
    for user in (users.ada, users.bob):
        async with database.session(user) as session:
            assert (await session.exec(select(Task))).one().points == 1


async def test_a_restart_of_postgres_or_cut_connections_heal(
    database: Database, configured: Settings, users: TwoUsers
) -> None:
    async with working(database, configured):
        async with database.session(users.ada) as session:
            await session.enqueue(write_note, Note(title="one"))
        assert await eventually(lambda: titles(database, users), {"ada": ["one"], "bob": []})
        await execute(
            database.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        async with database.session(users.ada) as session:
            await session.enqueue(write_note, Note(title="two"))
        assert await eventually(lambda: titles(database, users), {"ada": ["one", "two"], "bob": []})


async def test_a_worker_that_begins_to_listen_hears_itself(
    database: Database, configured: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(database, configured):
        await asyncio.sleep(11)  # pgqueuer gives up after ten seconds
    assert "lost the database" not in caplog.text


def test_a_killed_worker_loses_nothing_and_a_poisonous_job_ends_as_dead(
    url: str, configured: Settings
) -> None:
    many = 300

    async def enqueue() -> TwoUsers:
        database = Database(url, configured)
        async with database.session(None) as session:
            everyone = session.unscoped(reason="a test")
            from tests.kit.models import User

            ada = await everyone.add(User(email="a@example.com"))
            bob = await everyone.add(User(email="b@example.com"))
        for user in (ada.id, bob.id):
            async with database.session(user) as session:
                for number in range(many // 2):
                    await session.enqueue(write_note, Note(title=f"{number:03}"))
                    if number == 20 and user == ada.id:
                        await session.enqueue(die, Note(title=""))
        await database.close()
        return TwoUsers(ada.id, bob.id)

    async def left() -> tuple[set[str], set[str], list[str]]:
        database = Database(url, configured)
        async with worker.opened(url, configured) as queue:
            dead = [one.task for one in await queue.dead()]
            waiting = [one for one in await queue.counts() if one.status != "failed"]
        found = await titles(database, users)
        await database.close()
        return set(found["ada"]), set(found["bob"]), dead if not waiting else ["waiting"]

    users = asyncio.run(enqueue())
    wanted = {f"{number:03}" for number in range(many // 2)}
    with workers(url, 2) as restart:
        for _ in range(240):
            restart()
            if asyncio.run(left()) == (wanted, wanted, ["die"]):
                break
            asyncio.run(asyncio.sleep(0.5))
    assert asyncio.run(left()) == (wanted, wanted, ["die"])


def test_a_worker_without_a_queue_says_so(server: str, configured: Settings) -> None:
    with new_database(server) as url, pytest.raises(ApiwrightError, match="no queue"):
        asyncio.run(execute(url, *tables()))
        asyncio.run(worker.work(Database(url, configured), configured, asyncio.Event()))


def test_a_task_is_written_as_the_docs_say() -> None:
    class Data(BaseModel):
        pass

    async def no_model(session: Session, data: int) -> None:
        pass

    async def write_note(session: Session, data: Data) -> None:
        pass

    with pytest.raises(TypeError, match="Pydantic model"):
        task()(no_model)  # type: ignore[type-var]  # that is what it says
    with pytest.raises(ApiwrightError, match="two tasks"):
        task()(write_note)


async def test_data_of_another_task_is_refused(database: Database, users: TwoUsers) -> None:
    class Other(BaseModel):
        pass

    with pytest.raises(TypeError, match="takes a Note"):
        async with database.session(users.ada) as session:
            await session.enqueue(write_note, Other())  # type: ignore[misc]  # that is it


def test_the_app_itself_needs_no_pgqueuer() -> None:
    code = "import sys, apiwright.kit.jobs, apiwright.kit.web; assert 'pgqueuer' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@asynccontextmanager
async def working(database: Database, configured: Settings) -> AsyncIterator[worker.Queue]:
    stop = asyncio.Event()
    work = asyncio.create_task(worker.work(database, configured, stop))
    try:
        async with worker.opened(database.url, configured) as queue:
            await asyncio.sleep(0.1)
            if work.done():
                await work
            yield queue
    finally:
        stop.set()
        await work


@contextmanager
def workers(url: str, many: int) -> Iterator[Callable[[], None]]:
    """Kept at that number; the first one is killed some times besides."""
    kills = 3
    command = [sys.executable, "-m", "tests.kit.worked", url]
    running: list[subprocess.Popen[bytes]] = []

    def restart() -> None:
        nonlocal kills
        if kills and len(running) == many and running[0].poll() is None:
            os.kill(running[0].pid, signal.SIGKILL)
            running[0].wait()
            kills -= 1
        running[:] = [process for process in running if process.poll() is None]
        while len(running) < many:
            running.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL))

    try:
        yield restart
    finally:
        for process in running:
            process.terminate()
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


async def titles(database: Database, users: TwoUsers) -> dict[str, list[str]]:
    found = {}
    for name, user in (("ada", users.ada), ("bob", users.bob)):
        async with database.session(user) as session:
            rows = await session.exec(select(Task).order_by(text("title")))
            found[name] = [one.title for one in rows.all()]
    return found


async def eventually(ask: Callable[[], Awaitable[object]], wanted: object) -> bool:
    """Whether the answer comes to be that within half a minute."""
    for _ in range(300):
        answer = await ask()
        if wanted(answer) if callable(wanted) else answer == wanted:
            return True
        await asyncio.sleep(0.1)
    raise AssertionError(answer)
