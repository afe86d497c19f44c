import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from apiwright import cli
from apiwright.cli import main

HEAVY = {"alembic", "asyncpg", "fastapi", "pydantic", "sqlalchemy", "starlette", "uvicorn"}


@pytest.mark.parametrize("arguments", [["--help"], ["new", "--help"], ["db", "upgrade", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from apiwright.cli import main
try:
    main({arguments})
except SystemExit:
    print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {module.split(".")[0] for module in done.stdout.split()}
    assert "usage: apiwright" in done.stdout
    assert imported & HEAVY == set()


def test_outside_a_project_it_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 2
    said = capsys.readouterr().err
    assert f"There is no pyproject.toml in {tmp_path}." in said
    assert "apiwright new" in said


def test_an_unreadable_pyproject_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool")
    assert main(["dev"]) == 2
    assert "pyproject.toml cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["run"], ["db", "upgrade"]])
def test_production_without_its_settings_is_refused_and_they_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "SECRET_KEY", "FASTAPI_ENV"):
        monkeypatch.delenv(name, raising=False)
    Path("pyproject.toml").touch()
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "DATABASE_URL and SECRET_KEY not set" in said
    assert "FASTAPI_ENV=development" in said


@pytest.mark.parametrize("command", [["run"], ["dev"], ["db", "upgrade"]])
@pytest.mark.parametrize(
    "url", ["postgresql://a@127.0.0.1:1/x", "postgresql://a@nowhere.invalid/x", "mysql://a@b/c"]
)
def test_a_database_that_cannot_be_reached_is_said_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    url: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    monkeypatch.setenv("FASTAPI_ENV", "production")
    Path("pyproject.toml").touch()
    assert main(command) == 2
    assert "apiwright: " in capsys.readouterr().err


def test_a_database_that_says_nothing_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_PATIENCE", 0.2)
    Path("pyproject.toml").touch()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://a@127.0.0.1:{silent.getsockname()[1]}/x")
        monkeypatch.setenv("SECRET_KEY", "k" * 32)
        assert main(["db", "upgrade"]) == 2
    assert "no answer within" in capsys.readouterr().err


def test_a_port_that_there_is_not_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for port in ("65536", "-1", "http"):
        with pytest.raises(SystemExit) as stopped:
            main(["run", "--port", port])
        assert stopped.value.code == 2
        assert "--port" in capsys.readouterr().err


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.strip() == version("apiwright")


def test_an_unknown_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["frobnicate"])
    assert stopped.value.code == 2


@pytest.mark.parametrize("command", [["status"], ["undo"], ["add", "resource", "Note", "text:str"]])
def test_without_the_tools_it_is_said_what_to_install(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "libcst", None)
    for name in [name for name in sys.modules if name.startswith("apiwright.edit")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(command) == 2
    assert "libcst is not installed" in capsys.readouterr().err
