"""What holds for every edit, whatever the file looks like."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import libcst
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiwright.edit.apply import apply
from apiwright.edit.edits import CouldNot, Edit
from apiwright.edit.lines import BOM, Splice, split
from apiwright.edit.plan import (
    AddDefinition,
    AddEntry,
    AddField,
    AddImport,
    AddItem,
    AddModelImport,
    AddStatement,
    Change,
    IncludeRouter,
    NewFile,
    Plan,
)
from apiwright.edit.undo import undo, undoing

SINGLE = '''"""A shop."""

import os
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from sqlmodel import Field, SQLModel

from app.routes import todos, users
from app.settings import (
    Settings,
    load,
)

if TYPE_CHECKING:
    from app.models import User

__all__ = ["Todo", "app"]
TAGS = {"todos": "what to do"}
ROUTERS = [
    todos.router,
    users.router,
]


class Todo(SQLModel, table=True):
    """Something to do."""

    id: int = Field(primary_key=True)
    title: str

    def short(self) -> str:
        return self.title[:10]


app = FastAPI()
app.include_router(todos.router, prefix="/todos", tags=["todos"])
app.include_router(users.router, prefix="/users", tags=["users"])


@app.get("/health")
def health() -> dict[str, str]:
    text = """
  as it is
"""
    return {"status": text}


if __name__ == "__main__":
    print(os.getcwd())
'''

FACTORY = """from __future__ import annotations
import json
from fastapi import FastAPI
from . import todos
from .models import *
__all__ = (
    'Todo',
    'create'
)
TAGS = {}
ROUTERS = (todos,)

class Todo:
    id = 1; name = 2
    title: str = ''

def create():
    app = FastAPI()
    app.state.x = json
    for each in ROUTERS:
        app.include_router(each.router)
    return app
"""

EMPTY = ""
BASES = [SINGLE, FACTORY, EMPTY, "x = 1\n", '"""Only this."""\n']

NOTE = '''class Note(SQLModel, table=True):
    """A note."""

    id: int
    text: str = """
 kept
"""
'''

EDITS: list[Edit] = [
    AddImport("app.routes", "notes"),
    AddImport("app.routes", "router", "notes_router"),
    AddImport(".notes", "router", "relative_router"),
    AddImport("datetime", "UTC"),
    AddImport("json"),
    AddImport("app.models", "Note", type_checking=True),
    AddImport("app.settings", "a_quite_long_name_that_needs_room", width=60),
    AddImport("fastapi", "a_quite_long_name_that_needs_room", width=60),
    AddImport("annotated_types", "Gt"),
    AddImport("__future__", "annotations"),
    AddModelImport("app.models", "Note"),
    IncludeRouter("app", "notes.router"),
    IncludeRouter("app", "notes.router", (("tags", '["notes"]'), ("prefix", '"/notes"'))),
    AddDefinition(NOTE),
    AddDefinition("def double(x: int) -> int:\n    return 2 * x\n", after="Todo"),
    AddField("Todo", "done: bool = False"),
    AddField("Todo", "tags: list[str] = Relationship()"),
    AddStatement("app.state.notes = {}", "app"),
    AddStatement("app.state.notes = {}", "app", inside="create", blanks=1),
    AddItem("__all__", '"Note"'),
    AddItem("ROUTERS", "notes.router"),
    AddItem("__all__", '"a_quite_long_name_that_needs_room"', width=40),
    AddEntry("TAGS", '"notes"', '"what to know"'),
]

USER_LINES = ["# a remark of mine", "mine_{} = [1, 2]", "", "def mine_{}(): return 1"]


PIECES = [
    "import json",
    "import os as system",
    "from fastapi import FastAPI",
    "from app.routes import todos",
    "from app.routes import (\n    users,  # these\n    todos,\n)",
    "from . import nearby",
    "app = FastAPI()",
    "app.include_router(todos.router)",
    "if DEBUG:\n    app.include_router(users.router)",
    "ROUTERS = [todos.router]",
    "TAGS = {'todos': 1,}",
    '__all__ = ["app"]',
    "class Todo(Base):\n    id: int\n",
    "class Todo(Base): pass",
    "def create():\n    app = FastAPI()\n    return app",
    "@decorated\nasync def health() -> str:\n    return 'ok'",
    "try:\n    import fast\nexcept ImportError:\n    fast = None",
    "for each in ROUTERS:\n    app.include_router(each)",
    "x = (1,\n     2)",
    "x = 1; y = 2",
    '"""Words in between."""',
    "# only a remark",
]


@st.composite
def modules(draw: st.DrawFn) -> str:
    """Statements in any order."""
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=9, unique=True))
    return draw(st.sampled_from(["\n", "\n\n\n"])).join(pieces) + "\n"


@st.composite
def layouts(draw: st.DrawFn) -> str:
    """One of the files, or one that is made up, laid out as somebody might."""
    text = draw(st.sampled_from(BASES) | modules())
    step = draw(st.sampled_from(["    ", "\t", "  ", "        "]))
    rows = [
        re.sub(r"^(    )+", lambda found: step * (len(found[0]) // 4), row)
        for row in text.split("\n")
    ]
    for number in draw(st.sets(st.sampled_from(sorted(statement_lines(text))), max_size=4)):
        if rows[number] and not rows[number].rstrip().endswith(("\\", '"""')):
            rows[number] += draw(st.sampled_from(["  # why", " #", "\t# tab  ", "  "]))
    tops = sorted(top_lines(text), reverse=True)
    for number in draw(st.lists(st.sampled_from(tops), max_size=3, unique=True)):
        rows.insert(number, draw(st.sampled_from(["# über alles", "\x0c", "", "#", "# x\n\n"])))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = "\n".join(rows)
    text = text.rstrip("\n") if draw(st.booleans()) else text + draw(st.sampled_from(["", "\n\n"]))
    return draw(st.sampled_from(["", BOM])) + text.replace("\n", end)


def statement_lines(text: str) -> set[int]:
    """Lines on which a whole statement stands, from 0."""
    return {0} | {
        node.lineno - 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and node.lineno == node.end_lineno
    }


def top_lines(text: str) -> list[int]:
    """Lines before which a statement can be put at the top level."""
    tree = ast.parse(text)
    return [
        min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))]) - 1
        for node in tree.body[1:]
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    ] or [0]


def made(text: str, edits: Sequence[Edit]) -> tuple[str, list[tuple[Edit, Splice]]]:
    """The text with those of the edits that can be made, and what each put where."""
    done = []
    for edit in edits:
        try:
            splice = edit.splice(text)
        except CouldNot as reason:
            assert re.match(r"[a-z`/{'\"]", str(reason)), reason  # noqa: PT017
            continue
        if splice is not None:
            text = splice.into(text)
            done.append((edit, splice))
    return text, done


def backwards(done: Sequence[tuple[Edit, Splice]]) -> list[tuple[Edit, Splice]]:
    """In the order in which an undo takes them out."""
    turned = list(reversed(done))
    return sorted(turned, key=lambda each: each[0].last)


edits = st.lists(st.sampled_from(EDITS), min_size=1, max_size=6, unique_by=id)
thorough = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@thorough
@given(layouts(), edits)
def test_twice_is_once_and_the_result_parses(text: str, edits: list[Edit]) -> None:
    for edit in edits:
        try:
            once = edit.apply(text)
        except CouldNot:
            continue
        assert edit.holds(once)
        assert edit.apply(once) == once
        libcst.parse_module(once.removeprefix(BOM))
        ast.parse(once.removeprefix(BOM))
        compile(once.removeprefix(BOM), "x", "exec", dont_inherit=True)


@thorough
@given(layouts(), edits)
def test_only_our_lines_change(text: str, edits: list[Edit]) -> None:
    for edit in edits:
        after, done = made(text, [edit])
        for _, splice in done:
            rows = split(after.removeprefix(BOM))
            kept = [*rows[: splice.at], *splice.took, *rows[splice.at + len(splice.put) :]]
            assert text == text[: text.startswith(BOM)] + "".join(kept)
            assert "\r" not in text or "\n" not in after.replace("\r\n", "")
            assert len(splice.took) <= 1 or "import" in splice.took[0]


@thorough
@given(layouts(), edits)
def test_each_edit_can_be_taken_out_of_a_file_that_nobody_touched(
    text: str, edits: list[Edit]
) -> None:
    after, done = made(text, edits)
    for edit, splice in backwards(done):
        after = edit.remove(after, splice)
    assert after == text


@thorough
@given(layouts(), edits, st.data())
def test_the_users_own_edits_stay_and_only_ours_go(
    text: str, edits: list[Edit], data: st.DataObject
) -> None:
    after, done = made(text, edits)
    body = text.removeprefix(BOM).replace("\r\n", "\n")
    if not body.strip() or not body.endswith("\n"):
        return
    end = "\r\n" if "\r\n" in text else "\n"
    places = sorted({*top_lines(body), len(split(body))})
    chosen = data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True))
    bom = text[: text.startswith(BOM)]
    theirs, ours = split(text.removeprefix(BOM)), split(after.removeprefix(BOM))
    for number, place in enumerate(sorted(chosen, reverse=True)):
        line = data.draw(st.sampled_from(USER_LINES)).format(number) + end
        there = moved(place, [splice for _, splice in done])
        if there is None:
            continue
        theirs.insert(place, line)
        ours.insert(there, line)
    result = bom + "".join(ours)
    for edit, splice in backwards(done):
        result = edit.remove(result, splice)
    assert result == bom + "".join(theirs)


def moved(place: int, splices: list[Splice]) -> int | None:
    """Where a line boundary is after the splices; None when it is within one of them."""
    for splice in splices:
        if place >= splice.at + len(splice.took) and (place > splice.at or splice.took):
            place += len(splice.put) - len(splice.took)
        elif place > splice.at:
            return None
    return place


@settings(thorough, max_examples=60)
@given(layouts(), edits)
def test_undo_after_apply_leaves_the_same_bytes(text: str, edits: list[Edit]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "main.py").write_bytes(text.encode())
        changes = [Change("app/notes.py", NewFile("x = 1\n"))]
        changes += [Change("main.py", edit, optional=True) for edit in edits]
        assert apply(Plan.make(root, "add notes", changes), root) is not None
        assert Plan.make(root, "add notes", changes).files == ()
        proposed = undoing(root)
        assert proposed is not None
        assert proposed.kept == ()
        undo(proposed, root)
        assert (root / "main.py").read_bytes() == text.encode()
        assert sorted(file.name for file in root.iterdir()) == [".apiwright", "main.py"]


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_an_edit_survives_the_ledger(edit: Edit) -> None:
    assert Edit.from_json(edit.as_json()) == edit
