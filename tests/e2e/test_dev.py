"""`apiwright dev` and `apiwright db` in a new project."""

import subprocess
import time
from pathlib import Path

import httpx2

from tests.e2e.conftest import APIWRIGHT, environment, processes_of, serving


def test_it_serves_reloads_and_leaves_no_process_behind(project: Path) -> None:
    with serving(project, "dev") as address:
        assert httpx2.get(f"{address}/openapi.json").json()["info"]["title"] == "My Shop"
        main = project / "app" / "main.py"
        before = main.read_text()
        main.write_text(before.replace("My Shop", "Their Shop"))
        try:
            wait_for_title(address, "Their Shop")
        finally:
            main.write_text(before)
    assert processes_of(project) == []


def test_what_was_written_is_there_the_next_time(project: Path) -> None:
    user = {"email": "kept@example.com", "password": "correct horse battery"}
    with serving(project, "dev") as address:
        answer = httpx2.post(f"{address}/api/v1/auth/register", json=user)
        assert answer.status_code == 201
    with serving(project, "dev") as address:
        answer = httpx2.post(f"{address}/api/v1/auth/register", json=user)
        assert answer.status_code == 409


def test_a_new_table_gets_its_migration_and_its_wall(project: Path) -> None:
    models = project / "app" / "models.py"
    before = models.read_text()
    models.write_text(f"{before}\n\nclass Note(Owned, table=True):\n    text: str\n")
    try:
        apiwright(project, "db", "revision", "-m", "add notes")
        (migration,) = (project / "migrations" / "versions").glob("*_add_notes.py")
        assert "CREATE POLICY visible ON note TO my_shop_user" in migration.read_text()
        apiwright(project, "db", "upgrade", FASTAPI_ENV="development")
        with serving(project, "dev"):
            pass  # start-up checks the wall of every table
        apiwright(project, "db", "downgrade", "-1", FASTAPI_ENV="development")
        migration.unlink()
    finally:
        models.write_text(before)


def wait_for_title(address: str, title: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{address}/openapi.json").json()["info"]["title"] == title:
                return
        except httpx2.TransportError:
            pass  # between two servers
        time.sleep(0.1)
    raise AssertionError("the change was not picked up")


def apiwright(project: Path, *arguments: str, **variables: str) -> None:
    done = subprocess.run(
        [*APIWRIGHT, *arguments],
        cwd=project,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
