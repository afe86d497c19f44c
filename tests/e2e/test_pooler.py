"""Behind a pooler that gives each transaction another connection (pgbouncer): two processes, the
tables changing under load."""

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from apiwright.generators import new
from tests.e2e.conftest import APIWRIGHT, environment
from tests.postgres import execute, new_database

LOAD = """
import asyncio, sys
from uuid import UUID
from sqlmodel import select
from pydantic import SecretStr
sys.path.insert(0, ".")
from app.models import Task, User
from app.settings import Settings
from apiwright.kit.database import Database

async def main():
    settings = Settings(pool_size=4)
    database = Database(settings.database_url.get_secret_value(), settings)
    await database.check()
    async with database.session(None) as session:
        everyone = session.unscoped(reason="a user for a test")
        user = await everyone.add(User(email=f"{sys.argv[1]}@example.com", password_hash=""))
    async def work(number):
        for turn in range(60):
            async with database.session(user.id) as session:
                task = await session.add(Task(title=f"{number} {turn}"))
                assert (await session.get_one(Task, task.id)).owner_id == user.id
    await asyncio.gather(*map(work, range(8)))
    async with database.session(user.id) as session:
        print(len((await session.exec(select(Task))).all()))
    await database.close()

asyncio.run(main())
"""


@pytest.fixture
def pooler(server: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a pgbouncer in transaction mode, two connections wide, on a database."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        pytest.skip("no pgbouncer is installed: apt-get install pgbouncer")
    with new_database(server) as url, socket.socket() as free:
        parts = urlsplit(url)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        name, host = parts.path[1:], parse_qs(parts.query)["host"][0]
        users = tmp_path / "users.txt"
        users.write_text('"postgres" ""\n')
        settings = tmp_path / "pgbouncer.ini"
        # as any user that names itself: the wall is not the pooler's
        settings.write_text(
            f"[databases]\n{name} = host={host} dbname={name} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\nauth_file = {users}\npool_mode = transaction\n"
            "default_pool_size = 2\nmax_client_conn = 100\n"
        )
        tmp_path.chmod(0o755)
        command = [program, "--quiet", str(settings)]
        if not sys.platform.startswith("win") and Path("/proc/self").stat().st_uid == 0:
            command[1:1] = ["--user", "postgres"]  # it refuses to be root
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            wait_for(port)
            yield f"postgresql://postgres@127.0.0.1:{port}/{name}?pgbouncer=true"
            process.terminate()


def test_two_processes_work_while_tables_change(pooler: str, tmp_path: Path) -> None:
    new.write("shop", tmp_path)
    project = tmp_path / "shop"
    variables = environment(DATABASE_URL=pooler, SECRET_KEY="k" * 32)
    subprocess.run(
        [*APIWRIGHT, "db", "upgrade"], cwd=project, env=variables, check=True, capture_output=True
    )
    working = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD, name],
            cwd=project,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for turn in range(8):
        asyncio.run(execute(pooler, f"ALTER TABLE task ADD COLUMN extra_{turn} int DEFAULT 1"))
        time.sleep(0.2)
    for process in working:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert output == "480\n"


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("pgbouncer did not start")
