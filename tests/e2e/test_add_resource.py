"""The guides "Add a resource" and "Undo", followed to the letter; between them, what was written
is asked to stand by itself."""

import shutil
import subprocess
import sys
from pathlib import Path

from apiwright.kit import embedded
from tests.e2e.conftest import environment
from tests.e2e.test_guides import Terminal, assert_said
from tests.e2e.test_new_project import passes
from tests.test_docs import ROOT, blocks

GUIDES = ROOT / "docs" / "guides"
COMMANDS = ["pytest -q -W error tests/test_invoices.py", "ruff check", "ruff format --check"]


def follow(guide: str, terminal: Terminal) -> None:
    for block in blocks(GUIDES / guide):
        if block.language == "sh":
            terminal.type(block.text)
        else:
            assert_said(terminal.said, block.text)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not {"__pycache__", ".apiwright"} & set(file.parts)
    }


def stands_by_itself(shop: Path) -> None:
    try:
        for command in COMMANDS:
            passes(shop, command)
    finally:
        embedded.remove(shop / ".data" / "postgres")


def test_a_resource_is_added_and_taken_back_as_the_guides_say(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    try:
        follow("add-a-resource.md", terminal)
        shop = tmp_path / "shop"
        new = tmp_path / "new"
        new.mkdir()
        command = [sys.executable, "-m", "apiwright", "new", "shop"]
        subprocess.run(command, cwd=new, env=environment(), check=True, capture_output=True)
        stands_by_itself(shutil.copytree(shop, tmp_path / "copy"))
        follow("undo.md", terminal)
        assert files_of(shop) == files_of(new / "shop")
    finally:
        terminal.close()
