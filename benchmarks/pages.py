"""How long Postgres takes for page 1 and page 1000 of one owner's million tasks, isolation on:
`.venv/bin/python -m benchmarks.pages`."""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from pydantic import SecretStr
from sqlmodel import Field, select

from apiwright.generators import new
from apiwright.kit import embedded, postgres_url, settings
from apiwright.kit.database import Database
from apiwright.kit.pagination import PageQuery, encode_cursor
from apiwright.kit.statement import _Execution, page_of
from apiwright.kit.tables import Account, Owned, Timestamps

ROWS = 1_000_000
OWNER = UUID(int=1)


class User(Account, table=True):
    email: str


class Task(Owned, Timestamps, table=True):
    title: str
    description: str | None = None
    done: bool = Field(default=False)


class Settings(settings.Settings):
    app_name: ClassVar[str] = "pages"


async def measure(url: str) -> None:
    connection = await postgres_url.connect(url)
    await connection.execute(
        f"INSERT INTO \"user\" (id, email, password_hash) VALUES ('{OWNER}', 'a@example.com', '')"
    )
    await connection.execute(
        "INSERT INTO task (id, owner_id, title, done)"
        f" SELECT lpad(to_hex(i), 32, '0')::uuid, '{OWNER}', 'Task number ' || i, false"
        f" FROM generate_series(1, {ROWS}) i"
    )
    await connection.execute("VACUUM ANALYZE task")
    ours = Settings(fastapi_env="development", database_url=SecretStr(url))
    begin = Database(url, ours).scope(OWNER).begin
    for page in (1, 1000):
        cursor = None if page == 1 else encode_cursor(UUID(int=ROWS - 20 * (page - 1) + 1))
        shape, values = page_of(select(Task), PageQuery(cursor=cursor), scoped=True)
        text, arguments = shape._bind(_Execution(shape._arguments, values, OWNER))
        times: list[Any] = []
        for _ in range(20):
            await connection.execute(begin)
            explained = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", *arguments
            )
            await connection.execute("ROLLBACK")
            times.append(json.loads(explained)[0]["Execution Time"])
        print(f"page {page:>4}: {sorted(times)[10]:.3f} ms in Postgres (median of 20)")
    await connection.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pg" / "postgres"
        with embedded.running(folder) as url:
            project = new.write("pages", Path(scratch)).folder
            environment = {"DATABASE_URL": url, "SECRET_KEY": "k" * 32, "PATH": "/usr/bin:/bin"}
            upgrade = [sys.executable, "-m", "apiwright", "db", "upgrade"]
            subprocess.run(upgrade, cwd=project, env=environment, check=True)
            print(f"writing {ROWS} rows", file=sys.stderr)
            asyncio.run(measure(url))
        embedded.remove(folder)


if __name__ == "__main__":
    main()
