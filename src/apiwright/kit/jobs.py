"""Work that is done later, by a worker (kit.worker): enqueued in the request's transaction, so that
it is done if that is committed and not otherwise, and run as the user who enqueued it.

The queue is pgqueuer's, in a schema of its own in the app's Postgres, which no request can read or
write: requests call one function, and the database says who is asking.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar, get_type_hints
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import BigInteger, Interval, LargeBinary, String, Uuid, func, literal
from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

from apiwright.errors import ApiwrightError
from apiwright.kit.session import Session
from apiwright.kit.tables import CURRENT_USER

SCHEMA = "jobs"

P = TypeVar("P", bound=BaseModel)
Scheduled = Callable[[Session], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Task(Generic[P]):
    """What a worker can do; made by `task`. `session.enqueue(…)` asks for it."""

    name: str
    data: type[P]
    run: Callable[[Session, P], Awaitable[None]]
    attempts: int
    timeout: timedelta

    def enqueuing(
        self,
        data: P,
        *,
        key: str | None,
        delay: timedelta | None,
        owner_id: UUID | None,
        is_system: bool,
    ) -> SelectOfScalar[int | None]:
        """The statement that `session.enqueue` executes."""
        if not isinstance(data, self.data):
            raise TypeError(
                f"{self.name} takes a {self.data.__name__}, not a {type(data).__name__}."
            )
        arguments = [
            literal(self.name, String),
            literal(data.model_dump_json().encode(), LargeBinary),
            literal(key, String),
            literal(delay, Interval),
        ]
        enqueue = func.jobs.enqueue_own
        if is_system:
            enqueue, arguments = func.jobs.enqueue, [literal(owner_id, Uuid), *arguments]
        return select(enqueue(*arguments, type_=BigInteger))


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a worker does by the clock; made by `schedule`."""

    name: str
    cron: str
    run: Scheduled


@dataclass(frozen=True, slots=True)
class Registry:
    """The tasks and schedules of the modules that have been imported."""

    tasks: dict[str, Task[Any]] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)


registry = Registry()


def task(
    *, attempts: int = 5, timeout: timedelta = timedelta(minutes=10)
) -> Callable[[Callable[[Session, P], Awaitable[None]]], Task[P]]:
    """Make a task of `async def name(session: Session, data: SomeModel) -> None`, which a worker
    calls with a session of whoever enqueued it, committed when it returns.

    A job that fails is tried again after 2, 4, 8 … seconds, at most 5 minutes; after `attempts`
    tries, those that killed their worker included, it is kept as dead: `apiwright jobs`. A job is
    done at least once: a worker may be killed after the work and before that is noted, so write
    what may be repeated. Raises ApiwrightError for two tasks of one name, TypeError for another
    signature.
    """
    if attempts < 1:
        raise ValueError("attempts is at least 1")

    def made(run: Callable[[Session, P], Awaitable[None]]) -> Task[P]:
        name = run.__name__
        _refuse_taken(name)
        registry.tasks[name] = made = Task(name, _data_of(run), run, attempts, timeout)
        return made

    return made


def schedule(cron: str) -> Callable[[Scheduled], Scheduled]:
    """Have `async def name(session: Session) -> None` called at these times of UTC ("0 3 * * *":
    every night at three), by one worker, with a session that sees everybody's rows. A time that
    passed while no worker ran is made up for once. Raises ApiwrightError for two of one name."""

    def made(run: Scheduled) -> Scheduled:
        _refuse_taken(run.__name__)
        registry.schedules[run.__name__] = Schedule(run.__name__, cron, run)
        return run

    return made


def _refuse_taken(name: str) -> None:
    if name in registry.tasks or name in registry.schedules:
        raise ApiwrightError(
            f"There are two tasks called {name}.",
            "Name one of them differently: waiting jobs are told apart by the name.",
        )


def _data_of(run: Callable[..., Awaitable[None]]) -> type[Any]:
    parameters = list(inspect.signature(run).parameters)
    kind = get_type_hints(run).get(parameters[1]) if len(parameters) == 2 else None
    if not (inspect.iscoroutinefunction(run) and isinstance(kind, type)):
        kind = None
    if kind is None or not issubclass(kind, BaseModel):
        raise TypeError(
            f"A task is written `async def {run.__name__}(session: Session, data: SomeModel)`,"
            " where SomeModel is a Pydantic model."
        )
    return kind


def functions(user_role: str, system_role: str) -> Iterator[str]:
    """SQL: how requests enqueue. They call a function that says who asks; nothing else of the
    schema is theirs to see or write."""
    yield f"""\
CREATE FUNCTION {SCHEMA}.enqueue(
    owner uuid, task text, data bytea, job_key text, delay interval
) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH job AS (
        INSERT INTO {SCHEMA}.pgqueuer
            (priority, entrypoint, payload, execute_after, dedupe_key, headers, status)
        VALUES (0, task, data, now() + coalesce(delay, interval '0'),
            task || ':' || coalesce(owner::text, '') || ':' || job_key,
            jsonb_build_object('owner', owner), 'queued')
        ON CONFLICT (dedupe_key)
            WHERE status = ANY (ARRAY['queued'::{SCHEMA}.pgqueuer_status, 'picked'])
            AND dedupe_key IS NOT NULL DO NOTHING
        RETURNING id
    ), logged AS (
        INSERT INTO {SCHEMA}.pgqueuer_log (job_id, status, entrypoint, priority)
        SELECT id, 'queued', task, 0 FROM job
    )
    SELECT id FROM job
$$"""  # noqa: S608  # constants
    yield f"""\
CREATE FUNCTION {SCHEMA}.enqueue_own(
    task text, data bytea, job_key text, delay interval
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF {CURRENT_USER} IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'nobody is signed in';
    END IF;
    RETURN {SCHEMA}.enqueue({CURRENT_USER}, task, data, job_key, delay);
END
$$"""
    yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM public"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {user_role}, {system_role}"
    yield (
        f"GRANT EXECUTE ON FUNCTION {SCHEMA}.enqueue_own(text, bytea, text, interval)"
        f" TO {user_role}"
    )
    yield (
        f"GRANT EXECUTE ON FUNCTION {SCHEMA}.enqueue(uuid, text, bytea, text, interval)"
        f" TO {system_role}"
    )
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {system_role}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {system_role}"
