from pathlib import Path

import pytest

from apiwright.edit.plan import AddImport, AddVariable, Change, IncludeRouter, NewFile, Plan

MAIN = """from fastapi import FastAPI

from app.routes import todos

app = FastAPI()
app.include_router(todos.router)
"""

CHANGES = (
    Change("app/routes/notes.py", NewFile("router = 1\n")),
    Change("app/main.py", AddImport("app.routes", "notes")),
    Change("app/main.py", IncludeRouter("app", "notes.router")),
    Change(".env.example", AddVariable("NOTES_LIMIT", "10", "How many one may have.")),
    Change("tests/notes/test_notes.py", NewFile("def test_it() -> None: ...\n")),
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A small project."""
    root = tmp_path / "shop"
    (root / "app/routes").mkdir(parents=True)
    (root / "app/main.py").write_text(MAIN)
    (root / "app/routes/todos.py").write_text("router = 0\n")
    (root / ".env.example").write_text("A=1\n")
    return root


def plan(root: Path) -> Plan:
    return Plan.make(root, "add resource Note", CHANGES)


def tree(root: Path) -> dict[str, bytes]:
    """Every file and folder, but for what is thrown away."""
    return {
        str(path.relative_to(root)): b"" if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.relative_to(root).parts[0] not in (".apiwright", ".git")
    }
