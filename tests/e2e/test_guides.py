"""The first-backend guide, followed to the letter: its commands run, its edits are made, and what
it says comes out comes out (`…` stands for anything)."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from apiwright.kit import embedded
from tests.e2e.conftest import environment, serving
from tests.test_docs import ROOT, Block, blocks, write

GUIDE = ROOT / "docs" / "guides" / "first-backend.md"
SERVER = "http://127.0.0.1:8000"


class Terminal:
    """One shell for the whole guide."""

    def __init__(self, folder: Path) -> None:
        pipe = subprocess.PIPE
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=environment(),
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def type(self, commands: str) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{commands}\nstatus=$?; echo; echo status $status\n")
        self._shell.stdin.flush()
        self.said = ""
        while not (line := self._shell.stdout.readline()).startswith("status "):
            assert line != "", f"the shell ended:\n{self.said}"
            self.said += line
        assert line == "status 0\n", f"{commands}\n{self.said}"

    def close(self) -> None:
        self._shell.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    embedded.remove(tmp_path / "shop" / ".data" / "postgres")


def test_the_first_backend_is_as_the_guide_says(folder: Path) -> None:
    shop = folder / "shop"
    with ExitStack() as stack, ExitStack() as server:
        terminal = Terminal(folder)
        stack.callback(terminal.close)
        address = SERVER
        for block in blocks(GUIDE):
            if block.text == "apiwright dev\n":
                address = server.enter_context(serving(shop, "dev"))
                terminal.type(f"API={address}/api/v1")  # the second time on another port
            elif block.language == "sh":
                terminal.type(as_installed(block.text).replace(SERVER, address))
            elif block.language == "text":
                assert_said(terminal.said, block.text)
            else:
                server.close()  # Ctrl-C, before files change
                edit(block, shop)


def as_installed(commands: str) -> str:
    """Without what installs: this test runs beside what is installed already."""
    lines = commands.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"pip |python3 -m venv|\. \.venv", line))


def assert_said(said: str, expected: str) -> None:
    pattern = ".*".join(map(re.escape, expected.strip().split("…")))
    assert re.fullmatch(pattern, said.strip(), re.DOTALL), said


def edit(block: Block, project: Path) -> None:
    if block.language == "python":
        write(block, project)
        return
    assert block.language == "diff"
    head, *hunks = re.split(r"^@@\n", block.text, flags=re.MULTILINE)
    file = project / head.removeprefix("--- ").strip()
    text = file.read_text()
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] != "+")
        new = "".join(line[1:] for line in lines if line[0] != "-")
        assert text.count(old) == 1, f"{file} has this once?\n{old}"
        text = text.replace(old, new)
    file.write_text(text)
