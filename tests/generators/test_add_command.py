"""`apiwright add resource` as a command: what it asks, refuses, and exits with."""

import contextlib
import os
import select
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from apiwright import cli
from apiwright.cli import main
from apiwright.edit.plan import Change, Check, NewFile, Plan
from apiwright.errors import Refused, Unproven
from tests.generators.test_resource import tree

Captured = pytest.CaptureFixture[str]


def test_without_a_terminal_the_option_is_named_before_anything_is_tried(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(bare)
    assert main(["add", "resource", "Note", "title:str"]) == 2
    assert "Say --yes" in capsys.readouterr().err


def test_a_wrong_field_is_status_2(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(bare)
    assert main(["add", "resource", "Note", "title:strng", "--plan"]) == 2
    assert capsys.readouterr().err == (
        "apiwright: title:strng: there is no type 'strng'.\nDid you mean str?\n"
    )


def test_another_layout_is_status_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    monkeypatch.chdir(tmp_path)
    assert main(["add", "resource", "Note", "title:str", "--plan"]) == 3
    assert "There is no resource here" in capsys.readouterr().err


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan.make(tmp_path, "add resource Note", [Change("app/notes.py", NewFile("a = 1\n"))])


def test_what_failed_is_status_4_whatever_was_said(plan: Plan) -> None:
    failed = plan.with_checks([Check("it works", False, "it does not"), Check("more", None)])
    for unverified in (True, False):
        with pytest.raises(Unproven) as refused:
            cli._refuse_unproven(failed, unverified)
        assert refused.value.status == 4


def test_what_could_not_be_verified_needs_the_option(plan: Plan) -> None:
    unsure = plan.with_checks([Check("it works", True), Check("more", None, "no pytest")])
    with pytest.raises(Refused, match="--unverified") as refused:
        cli._refuse_unproven(unsure, False)
    assert refused.value.status == 3
    cli._refuse_unproven(unsure, True)


def test_what_cannot_be_made_is_status_3(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/notes.py").write_text("mine\n")
    blocked = Plan.make(tmp_path, plan.name, plan.changes)
    with pytest.raises(Refused, match="holds something else"):
        cli._refuse_unproven(blocked, True)


@pytest.mark.parametrize(
    "arguments",
    [[], ["Note", "a:str", "--from-model", "x:Y"], ["Note", "a:str", "--from-table", "notes"]],
)
def test_one_thing_says_what_the_resource_is(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: list[str]
) -> None:
    monkeypatch.chdir(bare)
    assert main(["add", "resource", *arguments, "--plan"]) == 2
    assert "It takes a name and fields, or a model, or a table" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["--from-model", "--from-table"])
def test_elsewhere_a_resource_is_not_made_of_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, source: str
) -> None:
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    monkeypatch.chdir(tmp_path)
    assert main(["add", "resource", source, "notes", "--plan"]) == 3
    assert "in projects on the kit only" in capsys.readouterr().err


def test_a_tables_database_is_the_one_that_a_variable_names(
    bare: Path, server: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(bare)
    command = ["add", "resource", "--from-table", "boxes", "--url-env", "OLD_URL", "--plan"]
    monkeypatch.delenv("OLD_URL", raising=False)
    assert main(command) == 2
    assert "OLD_URL is not set" in capsys.readouterr().err
    monkeypatch.setenv("OLD_URL", server)
    assert main(command) == 2
    assert "There is no table 'boxes' in this database" in capsys.readouterr().err
    with closing(sqlite3.connect(bare / "old.db")) as old:
        old.execute("CREATE TABLE boxes (id INTEGER PRIMARY KEY, name VARCHAR(9) NOT NULL)")
    monkeypatch.setenv("OLD_URL", "sqlite+aiosqlite:///./old.db")
    assert main(command) == 3
    assert "apiwright add resource Box name:str:max=9" in capsys.readouterr().err


# the command itself, at a terminal

COMMAND = [sys.executable, "-m", "apiwright", "add", "resource", "Note", "title:str"]


class AtTerminal:
    """`apiwright add resource Note title:str …`, at a terminal of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.ours, theirs = os.openpty()
        # whoever leads a session and opens a terminal has Ctrl-C from it
        shell = ["sh", "-c", f'exec "$@" <{os.ttyname(theirs)}', "sh"]
        self.process = subprocess.Popen(
            [*shell, *COMMAND, *options],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.said = ""

    def until(self, words: str) -> None:
        """Until it has said that, or is at its end."""
        with contextlib.suppress(OSError):  # the other end is closed
            while words not in self.said:
                assert select.select([self.ours], [], [], 300)[0], f"it says no more: {self.said}"
                self.said += os.read(self.ours, 10_000).decode(errors="replace")

    def answer(self, keys: bytes) -> int:
        """Its status."""
        self.until("Write this? [y/N] ")
        assert self.said.endswith("Write this? [y/N] ")
        os.write(self.ours, keys)
        self.until("nothing that it would say")
        os.close(self.ours)
        return self.process.wait(60)


def piped(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


@pytest.fixture
def quick(bare: Path) -> Path:
    """Where tests and lint cannot be run, which is quick, and what `--unverified` is for."""
    for tool in ("pytest", "ruff"):
        (bare / f"{tool}.py").write_text("raise ImportError\n")
    return bare


def test_what_is_agreed_to_is_written_and_nothing_else_is(quick: Path) -> None:
    before = tree(quick)
    refused = piped(quick, "--yes")
    assert refused.returncode == 3
    assert "NOT VERIFIED  the new tests pass: pytest is not installed" in refused.stdout
    assert "say --unverified" in refused.stderr
    assert piped(quick, "--plan", "--unverified").returncode == 1
    assert AtTerminal(quick, "--unverified").answer(b"\x03") == 130
    assert AtTerminal(quick, "--unverified").answer(b"\n") == 3
    assert tree(quick) == before
    agreeing = AtTerminal(quick, "--unverified")
    assert agreeing.answer(b"y\n") == 0
    assert "Written. `apiwright undo` takes it back" in agreeing.said
    assert (quick / "app/routes/notes.py").exists()
    again = piped(quick, "--yes")
    assert again.returncode == 0
    assert "nothing to do" in again.stdout


def test_what_does_not_work_is_status_4_and_not_written(quick: Path) -> None:
    main_file = quick / "app/main.py"
    taking = (
        '\n\n@app.get("/api/v1/{kind}")\nasync def take(kind: str) -> str:\n    return kind\n\n\n'
    )
    main_file.write_text(main_file.read_text().replace("web.install(app, settings)\n", taking, 1))
    before = tree(quick)
    failed = piped(quick, "--yes", "--unverified")
    assert failed.returncode == 4
    assert "FAILED  5 new routes are served by app.routes.notes" in failed.stdout
    assert "GET /api/v1/notes is answered by take of app.main" in failed.stdout
    assert tree(quick) == before
