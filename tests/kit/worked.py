"""Tasks of the tests, and a worker that does them: `python -m tests.kit.worked URL`."""

import asyncio
import os
import signal
import sys
from datetime import timedelta

from pydantic import BaseModel, SecretStr
from sqlmodel import select

from apiwright.kit import worker
from apiwright.kit.database import Database
from apiwright.kit.jobs import schedule, task
from apiwright.kit.session import Session
from tests.kit.conftest import Settings
from tests.kit.models import Task


class Note(BaseModel):
    title: str


@task()
async def write_note(session: Session, note: Note) -> None:
    await session.add(Task(title=note.title))


@task(attempts=2)
async def write_and_fail(session: Session, note: Note) -> None:
    await session.add(Task(title=note.title))
    raise ValueError(note.title)


@task(attempts=3)
async def die(session: Session, note: Note) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@task(attempts=1, timeout=timedelta(seconds=0.2))
async def sleep(session: Session, note: Note) -> None:
    await asyncio.sleep(60)


@task()
async def count_all(session: Session, note: Note) -> None:
    for one in (await session.exec(select(Task).where(Task.title == "found"))).all():
        one.points = 1
        await session.add(one)


@schedule("* * * * *")
async def look_around(session: Session) -> None:
    pass


def settings(url: str) -> Settings:
    return Settings(
        fastapi_env="development", database_url=SecretStr(url), secret_key=SecretStr("k" * 32)
    )


async def main(url: str) -> None:
    configured, stop = settings(url), asyncio.Event()
    worker._HEARTBEAT = timedelta(seconds=2)  # those who are killed are missed sooner
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(url, configured)
    try:
        await worker.work(database, configured, stop)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
