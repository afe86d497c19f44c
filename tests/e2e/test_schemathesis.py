"""A new project, served in production, answers to whatever its OpenAPI document allows and to
whatever it does not, as the document says; what two users make stays with each of them.

`--schemathesis=180` looks for three minutes.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import APIWRIGHT, environment, serving
from tests.postgres import execute, new_database

PASSWORD = "correct horse battery"
DOCS = ("docs", "reader of the docs")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")

ENDS_A_LOGIN = ["log_out", "end_login", "end_all_logins", "deactivate"]
"""Operations that are asked as a user of their own, whom the others do not need afterwards."""
OTHERS = {"create_template": "admin", "delete_template": "admin"} | {
    name: name for name in ENDS_A_LOGIN
}
"""Operations that are not asked as Ada."""


@pytest.fixture
def address(project: Path, server: str) -> Iterator[str]:
    with new_database(server) as url:
        production = {"DATABASE_URL": url, "SECRET_KEY": "k" * 32, "RATE_LIMIT": "off"}
        production["DOCS_PASSWORD"] = DOCS[1]  # without it there is no document
        upgrade = [*APIWRIGHT, "db", "upgrade"]
        environ = environment(**production)
        subprocess.run(upgrade, cwd=project, env=environ, check=True, capture_output=True)
        with serving(project, "run", python=Path(sys.executable), **production) as address:
            for name in {"ada", "bob", *OTHERS.values()}:
                httpx2.post(f"{address}/api/v1/auth/register", json=credentials(name))
            admin = credentials("admin")["email"]
            change = f"UPDATE \"user\" SET role = 'admin' WHERE email = '{admin}'"
            asyncio.run(execute(url, change))
            yield address


def test_schemathesis_finds_nothing(
    address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    document = httpx2.get(f"{address}/openapi.json", auth=DOCS)
    (tmp_path / "openapi.json").write_text(document.text)
    logins = {name: login(address, name) for name in ("ada", "bob")}
    logins |= {operation: login(address, name) for operation, name in OTHERS.items()}
    (tmp_path / "logins.json").write_text(json.dumps(logins))
    users = {"auth": [user(name, logins[name]) for name in ("ada", "bob")]}
    (tmp_path / "users.json").write_text(json.dumps(users))
    # asks as Ada, and whether Bob sees what is hers
    peers = 'auth.wfc = { path = "users.json", user = "ada", peers = ["ada", "bob"] }'
    config = f'hooks = "{HOOKS.as_posix()}"\n{peers}\n'
    (tmp_path / "schemathesis.toml").write_text(config)

    seconds = request.config.getoption("--schemathesis")
    command = ["run", "openapi.json", "--url", address, "--checks", "all", "--max-time", seconds]
    command += ["--seed", "1", "--generation-database", "none", "--no-color"]
    done = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), *command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    selected = re.search(r"Operations: +(\d+) selected / (\d+) total", done.stdout)
    assert selected is not None
    assert selected[1] == selected[2]
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in done.stdout
    refused = re.search(r"(\d+) operations returned only 401/403", done.stdout)
    assert refused is None or int(refused[1]) <= 4  # those that ask for credentials


def credentials(name: str) -> dict[str, str]:
    return {"email": f"{name}@example.com", "password": PASSWORD}


def login(address: str, name: str) -> str:
    answer = httpx2.post(f"{address}/api/v1/auth/login", json=credentials(name))
    return f"Bearer {answer.json()['access_token']}"


def user(name: str, authorization: str) -> dict[str, object]:
    """As Web Fuzzing Commons has it."""
    header = {"name": "Authorization", "value": authorization}
    return {"name": name, "fixedHeaders": [header]}
