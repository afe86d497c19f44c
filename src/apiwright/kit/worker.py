"""The worker: does what requests enqueued (kit.jobs), each job as the user who enqueued it.

pgqueuer finds the jobs, tries them again, and gives those of a worker that died to another. What
it leaves to us is here: a job that kills its workers ends as dead, old records are pruned, and
after a restart of Postgres the worker listens again.
"""

import asyncio
import contextlib
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.errors import FailingListenerError, RetryRequested
from pgqueuer.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.models import Context, Job
from pgqueuer.models import Schedule as Tick
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.types import QueueExecutionMode
from sqlalchemy import literal
from sqlmodel import select

from apiwright.errors import ApiwrightError
from apiwright.kit import database, jobs, postgres_url
from apiwright.kit.database import Database
from apiwright.kit.jobs import Registry, Scheduled, Task
from apiwright.kit.pool import CUT
from apiwright.kit.settings import Settings

logger = logging.getLogger("apiwright.worker")

os.environ["PGQUEUER_SCHEMA"] = jobs.SCHEMA  # pgqueuer reads it when it is first used

_AT_ONCE = 20
_POLLS = timedelta(seconds=1)  # nobody tells of a job whose time has come
_HEARTBEAT = timedelta(seconds=15)  # without it for so long, a worker's jobs are another's
_LONGEST_DELAY = timedelta(minutes=5)
_COMES_BACK = 2.0  # seconds after it lost the database
_LOST = (*CUT, asyncpg.InterfaceError, FailingListenerError)
_PRUNED = f"DELETE FROM {jobs.SCHEMA}.pgqueuer_log WHERE created < now() - interval '30 days'"  # noqa: S608  # a constant


def schema(user_role: str, system_role: str) -> Iterator[str]:
    """SQL for a migration, statement by statement: the queue, as the installed version of pgqueuer
    wants it, and the functions by which requests enqueue. `DROP SCHEMA jobs CASCADE` takes it
    back."""
    script = QueryBuilderEnvironment().build_install_query()
    yield from filter(str.strip, re.findall(r"(?:[^;$]|\$\$.*?\$\$)+", script, re.DOTALL))
    yield from jobs.functions(user_role, system_role)


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that is not tried any more."""

    id: int
    task: str
    owner_id: UUID | None
    created_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs of a task are in a state: queued, picked (being done), failed (dead)."""

    task: str
    status: str
    jobs: int


class _Driver(AsyncpgPoolDriver):
    """pgqueuer asks whether it hears itself while it begins to listen: here the question waits, or
    it would be heard by nobody, and the listener would be taken for lost."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self._listens = asyncio.Event()

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().add_listener(channel, callback)
        self._listens.set()

    async def notify(self, channel: str, payload: str) -> None:
        await self._listens.wait()
        await super().notify(channel, payload)


class Queue:
    """The jobs of one database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._pgqueuer = PgQueuer(_Driver(pool))

    async def check(self) -> None:
        """Raises ApiwrightError when the database has no queue, or that of another version."""
        queries: Any = self._pgqueuer.queries  # its protocol leaves out what is about the schema
        if not await queries.schema_is_installed():
            raise ApiwrightError("The database has no queue.", "Run `apiwright db upgrade`.")
        plan = await queries.plan_upgrade()
        if plan.statements:
            raise ApiwrightError(
                "The database has the queue of another version of pgqueuer.",
                "Write a migration with what `PGQUEUER_SCHEMA=jobs pgq sql upgrade` prints.",
            )

    async def counts(self) -> list[Count]:
        rows = await self._pool.fetch(
            f"SELECT entrypoint, status::text, count(*) FROM {jobs.SCHEMA}.pgqueuer"  # noqa: S608  # constants
            " GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [Count(*row) for row in rows]

    async def dead(self) -> list[DeadJob]:
        """The newest first, at most a thousand."""
        rows = await self._pool.fetch(_DEAD)
        return [DeadJob(*row) for row in rows]

    async def retry(self, ids: Sequence[int]) -> None:
        """Have dead jobs tried again, as if for the first time; what is not dead is left."""
        queries: Any = self._pgqueuer.queries
        await queries.requeue_jobs(list(ids))

    async def work(
        self,
        database: Database,
        registry: Registry,
        stop: asyncio.Event,
        mode: QueueExecutionMode = QueueExecutionMode.continuous,
    ) -> None:
        """Until `stop` is set; what is under way then is finished. Raises one of _LOST."""
        queue = self._pgqueuer
        for task in registry.tasks.values():
            queue.entrypoint(
                task.name,
                on_failure="hold",
                accepts_context=True,
                executor_factory=partial(_Executor, self._pool, database, task),
            )(_unused)
        for schedule in registry.schedules.values():
            queue.schedule(schedule.name, schedule.cron)(_scheduled(database, schedule.run))
        queue.schedule("prune_jobs", "17 3 * * *")(self._prune)
        stopping = asyncio.create_task(_then(stop, queue.shutdown))
        try:
            await queue.run(
                mode=mode,
                batch_size=_AT_ONCE // 2,
                max_concurrent_tasks=_AT_ONCE,
                dequeue_timeout=_POLLS,
                heartbeat_timeout=_HEARTBEAT,
                shutdown_on_listener_failure=True,
            )
        finally:
            stopping.cancel()

    async def _prune(self, tick: Tick) -> None:
        await self._pool.execute(_PRUNED)


@asynccontextmanager
async def opened(url: str, settings: Settings) -> AsyncIterator[Queue]:
    """The queue of a database, by connections of its own. A transaction pooler's URL will not do
    for a worker, which listens."""

    async def connect(*_: object, **__: object) -> asyncpg.Connection:
        connection = await postgres_url.connect(url)
        await connection.execute(f"SET ROLE {settings.system_role}")
        return connection

    pool = asyncpg.create_pool(min_size=0, max_size=5, connect=connect)
    try:
        yield Queue(await pool)
    finally:
        with contextlib.suppress(*CUT):
            await asyncio.wait_for(pool.close(), 5)


async def work(database: Database, settings: Settings, stop: asyncio.Event) -> None:
    """Do the jobs of the tasks that have been imported, until `stop` is set.

    Raises ApiwrightError as `Queue.check` does, or when the database cannot be reached at first;
    later the worker waits for it to come back.
    """
    async with opened(database.url, settings) as queue:
        await queue.check()
    names = [*jobs.registry.tasks, *jobs.registry.schedules]
    logger.info("the worker does: %s", ", ".join(names) or "nothing, as there are no tasks")
    while not stop.is_set():
        try:
            async with opened(database.url, settings) as queue:
                await queue.work(database, jobs.registry, stop)
        except _LOST as error:
            logger.warning("the worker lost the database: %s", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _COMES_BACK)


def do_all(settings: Settings) -> None:
    """Do the jobs that wait now, and return: for tests."""

    async def do() -> None:
        async with database.opened(settings) as db, opened(db.url, settings) as queue:
            await queue.work(db, jobs.registry, asyncio.Event(), QueueExecutionMode.drain)

    asyncio.run(do())


def install(app: FastAPI) -> None:
    """Do jobs in the process that serves the app: for development, where one is enough."""
    served = app.router.lifespan_context

    @asynccontextmanager
    async def served_and_working(app: FastAPI) -> AsyncIterator[Any]:
        async with served(app) as state:
            stop = asyncio.Event()
            working = asyncio.create_task(_logged(app, stop))
            try:
                yield state
            finally:
                stop.set()
                await working

    app.router.lifespan_context = served_and_working


async def _logged(app: FastAPI, stop: asyncio.Event) -> None:
    try:
        await work(app.state.database, app.state.settings, stop)
    except Exception:
        logger.exception("the worker has ended; the app goes on without it")


async def _then(stop: asyncio.Event, shutdown: asyncio.Event) -> None:
    await stop.wait()
    shutdown.set()


async def _unused(job: Job, context: Context) -> None:
    """pgqueuer wants a function besides the executor, which does not call it."""


def _scheduled(database: Database, run: Scheduled) -> Any:
    async def scheduled(tick: Tick) -> None:
        async with database.session(None) as session:
            await run(session.unscoped(reason=f"the schedule {run.__name__}"))

    return scheduled


class _Poisonous(Exception):
    """Its workers died of it."""


class _Executor(AbstractEntrypointExecutor):
    def __init__(
        self,
        pool: asyncpg.Pool,
        database: Database,
        task: Task[Any],
        parameters: EntrypointExecutorParameters,
    ) -> None:
        super().__init__(parameters)
        self._pool, self._database, self._task = pool, database, task

    async def execute(self, job: Job, context: Context) -> None:
        task, owner = self._task, (job.headers or {}).get("owner")
        picked: int = await self._pool.fetchval(_PICKED, job.id)
        if job.attempts + picked > task.attempts:
            raise _Poisonous(f"{picked} workers died while they did it")
        try:
            data = task.data.model_validate_json(job.payload or b"")
            async with (
                asyncio.timeout(task.timeout.total_seconds()),
                self._database.session(UUID(str(owner)) if owner else None) as session,
            ):
                if not owner:
                    session = session.unscoped(reason=f"the job {task.name}")
                await session.exec(select(literal(1)))  # its owner may not sign in any more
                await task.run(session, data)
        except Exception as error:
            if job.attempts + 1 >= task.attempts:
                raise
            delay = min(timedelta(seconds=2 ** (job.attempts + 1)), _LONGEST_DELAY)
            raise RetryRequested(delay, type(error).__name__) from error


_PICKED = f"""\
SELECT count(*) FROM {jobs.SCHEMA}.pgqueuer_log
WHERE job_id = $1 AND status = 'picked' AND id > (
    SELECT coalesce(max(id), 0) FROM {jobs.SCHEMA}.pgqueuer_log
    WHERE job_id = $1 AND status = 'queued')"""  # noqa: S608  # constants
"""How often it was given to a worker since it was enqueued, or to be tried again."""

_DEAD = f"""\
SELECT job.id, job.entrypoint, (job.headers ->> 'owner')::uuid, job.created, coalesce((
    SELECT (log.traceback ->> 'exception_type') || ': ' || (log.traceback ->> 'exception_message')
    FROM {jobs.SCHEMA}.pgqueuer_log log
    WHERE log.job_id = job.id AND log.traceback IS NOT NULL ORDER BY log.id DESC LIMIT 1), '')
FROM {jobs.SCHEMA}.pgqueuer job WHERE job.status = 'failed' ORDER BY job.id DESC LIMIT 1000"""  # noqa: S608  # constants
