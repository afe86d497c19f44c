"""Each edit by what a text is before and after it."""

import pytest

from apiwright.edit.edits import CouldNot, Edit
from apiwright.edit.plan import (
    AddDefinition,
    AddEntry,
    AddField,
    AddImport,
    AddItem,
    AddLine,
    AddModelImport,
    AddRequirement,
    AddStatement,
    AddTomlItem,
    AddTomlKey,
    AddVariable,
    IncludeRouter,
)

NOTES = AddImport("app.routes", "notes")
INCLUDE = IncludeRouter("app", "notes.router")
PREFIXED = IncludeRouter("app", "notes.router", (("tags", '["notes"]'), ("prefix", '"/notes"')))

MADE: dict[str, tuple[Edit, str, str]] = {
    # imports
    "joins one line": (
        NOTES,
        "from app.routes import todos, users  # all\n",
        "from app.routes import notes, todos, users  # all\n",
    ),
    "joins parentheses": (
        NOTES,
        "from app.routes import (\n    auth,  # first\n    # the rest\n    todos,\n)\n",
        "from app.routes import (\n    auth,  # first\n    notes,\n    # the rest\n    todos,\n)\n",
    ),
    "joins parentheses without a last comma": (
        NOTES,
        "from app.routes import (auth,\n                        items)\n",
        "from app.routes import (auth,\n                        items,\n"
        "                        notes)\n",
    ),
    "stays at the end of names in no order": (
        NOTES,
        "from app.routes import users, auth\n",
        "from app.routes import users, auth, notes\n",
    ),
    "orders classes before functions": (
        AddImport("fastapi", "Depends"),
        "from fastapi import APIRouter, status\n",
        "from fastapi import APIRouter, Depends, status\n",
    ),
    "takes parentheses when the line gets too long": (
        AddImport("app.routes", "notes", width=40),
        "from app.routes import todos, uploads\n",
        "from app.routes import (\n    notes,\n    todos,\n    uploads,\n)\n",
    ),
    "a line of its own where the house has one for each": (
        NOTES,
        "from app.routes import auth\nfrom app.routes import todos\n",
        "from app.routes import auth\nfrom app.routes import notes\nfrom app.routes import todos\n",
    ),
    "renamed ones have a line of their own": (
        AddImport("app.notes", "router", "notes_router"),
        "from app.auth import router as auth_router\n"
        "from app.todos import router as todos_router\n",
        "from app.auth import router as auth_router\nfrom app.notes import router as notes_router\n"
        "from app.todos import router as todos_router\n",
    ),
    "in the section of its package, in order": (
        AddImport("app.models", "Note"),
        "import os\n\nimport fastapi\n\nfrom app.auth import x\nfrom app.settings import y\n",
        "import os\n\nimport fastapi\n\nfrom app.auth import x\nfrom app.models import Note\n"
        "from app.settings import y\n",
    ),
    "the project's own section is made": (
        AddImport("app.models", "Note", ours=True),
        "import os\n\nimport fastapi\n\nx = 1\n",
        "import os\n\nimport fastapi\n\nfrom app.models import Note\n\nx = 1\n",
    ),
    "the standard library's section is made": (
        AddImport("json"),
        '"""Docs."""\n\nimport fastapi\n',
        '"""Docs."""\n\nimport json\n\nimport fastapi\n',
    ),
    "plain imports before from": (
        AddImport("json"),
        "import os\nfrom datetime import UTC\n",
        "import json\nimport os\nfrom datetime import UTC\n",
    ),
    "the nearer relative module comes later": (
        AddImport(".notes", "x"),
        "from ..a import b\nfrom .todos import c\n",
        "from ..a import b\nfrom .notes import x\nfrom .todos import c\n",
    ),
    "the future comes first": (
        AddImport("__future__", "annotations"),
        '"""Docs."""\nimport os\n',
        '"""Docs."""\nfrom __future__ import annotations\n\nimport os\n',
    ),
    "after the future": (
        AddImport("json"),
        "from __future__ import annotations\n\nx = 1\n",
        "from __future__ import annotations\n\nimport json\n\nx = 1\n",
    ),
    "the first import of a script": (
        AddImport("json"),
        "#!/usr/bin/env python\n# What it is for.\n\nx = 1\n",
        "#!/usr/bin/env python\n# What it is for.\n\nimport json\n\nx = 1\n",
    ),
    "for type checking": (
        AddImport("app.models", "Note", type_checking=True),
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n\tfrom app.auth import User\n",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n\tfrom app.auth import User\n"
        "\tfrom app.models import Note\n",
    ),
    "the first for type checking": (
        AddImport("app.models", "Note", type_checking=True),
        "from typing import TYPE_CHECKING\n\nx = 1\n",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from app.models import Note\n"
        "\nx = 1\n",
    ),
    "not in a class's block for type checking": (
        AddImport("app.models", "Note", type_checking=True),
        "from typing import TYPE_CHECKING\n\nclass A:\n    if TYPE_CHECKING:\n        x: int\n",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from app.models import Note\n"
        "\nclass A:\n    if TYPE_CHECKING:\n        x: int\n",
    ),
    "the same package, two modules": (
        AddImport("app.b"),
        "import app.a\n",
        "import app.a\nimport app.b\n",
    ),
    "after the path is set up": (
        AddImport("app.b", "c"),
        'import sys\n\nsys.path.append("..")\n\nfrom app.a import b\n',
        'import sys\n\nsys.path.append("..")\n\nfrom app.a import b\nfrom app.b import c\n',
    ),
    "a model that Alembic is to know": (
        AddModelImport("app.note", "Note"),
        "from app.todo import Todo  # noqa\n",
        "from app.note import Note  # noqa: F401\nfrom app.todo import Todo  # noqa\n",
    ),
    # routers
    "after the last": (
        INCLUDE,
        "app = FastAPI()\napp.include_router(a.router)  # a\n\nx = 1\n",
        "app = FastAPI()\napp.include_router(a.router)  # a\napp.include_router(notes.router)\n"
        "\nx = 1\n",
    ),
    "in the house's order and quotes": (
        PREFIXED,
        "app.include_router(a.router, prefix='/a', tags=['a'])\n",
        "app.include_router(a.router, prefix='/a', tags=['a'])\n"
        "app.include_router(notes.router, prefix='/notes', tags=['notes'])\n",
    ),
    "one argument a line": (
        PREFIXED,
        'app.include_router(\n    a.router,\n    prefix="/a",\n    tags=["a"],\n)\n',
        'app.include_router(\n    a.router,\n    prefix="/a",\n    tags=["a"],\n)\n'
        'app.include_router(\n    notes.router,\n    prefix="/notes",\n    tags=["notes"],\n)\n',
    ),
    "too long for a line": (
        IncludeRouter("app", "notes.router", (("prefix", '"/notes"'),), width=45),
        'app.include_router(a.router, prefix="/a")\n',
        'app.include_router(a.router, prefix="/a")\n'
        'app.include_router(\n    notes.router, prefix="/notes"\n)\n',
    ),
    "not among the calls and the conditions": (
        INCLUDE,
        "app.include_router(a.router)\napp.include_router(make(x), prefix='/x')\n"
        "if debug:\n    app.include_router(d.router)\n",
        "app.include_router(a.router)\napp.include_router(notes.router)\n"
        "app.include_router(make(x), prefix='/x')\nif debug:\n    app.include_router(d.router)\n",
    ),
    "in a factory": (
        INCLUDE,
        "def create():\n\tapp = FastAPI()\n\tapp.include_router(a.router)\n\treturn app\n",
        "def create():\n\tapp = FastAPI()\n\tapp.include_router(a.router)\n"
        "\tapp.include_router(notes.router)\n\treturn app\n",
    ),
    "set apart as the others are": (
        INCLUDE,
        "app.include_router(a.router)\n\napp.include_router(b.router)\n",
        "app.include_router(a.router)\n\napp.include_router(b.router)\n"
        "\napp.include_router(notes.router)\n",
    ),
    "the first of all": (
        INCLUDE,
        "app = FastAPI()\napp.add_middleware(X)\n\n\n@app.get('/')\ndef f(): ...\n",
        "app = FastAPI()\napp.add_middleware(X)\n\napp.include_router(notes.router)\n"
        "\n\n@app.get('/')\ndef f(): ...\n",
    ),
    "into a loop": (
        INCLUDE,
        "for each in (a, b):\n    app.include_router(each.router)\n",
        "for each in (a, b, notes):\n    app.include_router(each.router)\n",
    ),
    "into the list of a loop": (
        INCLUDE,
        "ALL = [\n    a.router,\n    b.router,\n]\nfor r in ALL:\n    app.include_router(r)\n",
        "ALL = [\n    a.router,\n    b.router,\n    notes.router,\n]\n"
        "for r in ALL:\n    app.include_router(r)\n",
    ),
    "in a router": (
        IncludeRouter("api_router", "notes.router"),
        "api_router = APIRouter()\napi_router.include_router(a.router)\n",
        "api_router = APIRouter()\napi_router.include_router(a.router)\n"
        "api_router.include_router(notes.router)\n",
    ),
    "a prefix that several share": (
        IncludeRouter("app", "notes.router", (("prefix", '"/api"'),)),
        'app.include_router(a.router, prefix="/api")\n',
        'app.include_router(a.router, prefix="/api")\n'
        'app.include_router(notes.router, prefix="/api")\n',
    ),
    # definitions, fields, statements
    "a class at the end": (
        AddDefinition('class Note:\n    """N."""\n\n    x: int\n'),
        "import os\n\n\nclass A:\n\tpass\n",
        'import os\n\n\nclass A:\n\tpass\n\n\nclass Note:\n\t"""N."""\n\n\tx: int\n',
    ),
    "a function after another, before a statement": (
        AddDefinition("def g(): ...\n", after="f"),
        "def f(): ...\n\n\nx = 1\n",
        "def f(): ...\n\n\ndef g(): ...\n\n\nx = 1\n",
    ),
    "before the main guard and its comment": (
        AddDefinition("def g(): ...\n"),
        'x = 1\n\n\n# run\nif __name__ == "__main__":\n    g()\n',
        'x = 1\n\n\ndef g(): ...\n\n\n# run\nif __name__ == "__main__":\n    g()\n',
    ),
    "after a comment at the end of a body": (
        AddDefinition("def g(): ...\n", after="f"),
        "def f():\n    pass\n    # more to come\n",
        "def f():\n    pass\n    # more to come\n\n\ndef g(): ...\n",
    ),
    "a file that does not end its line": (
        AddDefinition("x = 1"),
        "y = 2",
        "y = 2\n\n\nx = 1",
    ),
    "a field among fields": (
        AddField("Todo", "done: bool = False"),
        "class Todo(SQLModel):\n  id: int\n  owner: User = Relationship()\n\n  def f(self): ...\n",
        "class Todo(SQLModel):\n  id: int\n  done: bool = False\n  owner: User = Relationship()\n"
        "\n  def f(self): ...\n",
    ),
    "a relationship among relationships": (
        AddField("Todo", "tags: list[Tag] = Relationship()"),
        "class Todo:\n    id: int\n    owner: User = Relationship()\n",
        "class Todo:\n    id: int\n    owner: User = Relationship()\n"
        "    tags: list[Tag] = Relationship()\n",
    ),
    "a field instead of pass": (
        AddField("Todo.Config", "a = 1"),
        "class Todo:\n    class Config:\n        pass  \n",
        "class Todo:\n    class Config:\n        a = 1\n",
    ),
    "a field after the docstring": (
        AddField("Todo", "a: int"),
        'class Todo:\n    """T."""\n\n    def f(self): ...\n',
        'class Todo:\n    """T."""\n\n    a: int\n\n    def f(self): ...\n',
    ),
    "a statement after what binds a name": (
        AddStatement("install(app, settings)", "app"),
        "app = FastAPI(\n    title='x',\n)  # it\nx = 1\n",
        "app = FastAPI(\n    title='x',\n)  # it\ninstall(app, settings)\nx = 1\n",
    ),
    "a statement after another's code, in a function": (
        AddStatement("b()", "a( )", inside="f"),
        "def f():\n\ta()\n\treturn 1\n",
        "def f():\n\ta()\n\tb()\n\treturn 1\n",
    ),
    # items
    "all, in order": (
        AddItem("__all__", '"Note"'),
        '__all__ = ["App", "Todo"]\n',
        '__all__ = ["App", "Note", "Todo"]\n',
    ),
    "a tuple of one": (AddItem("X", "b"), "X = (a,)\n", "X = (a, b)\n"),
    "an empty tuple": (AddItem("X", "b"), "X = ()\n", "X = (b,)\n"),
    "a list over lines": (
        AddItem("X", "c"),
        "X: list[int] = [\n    a,\n    b  # b\n]\n",
        "X: list[int] = [\n    a,\n    b,  # b\n    c\n]\n",
    ),
    "a list with room for comments only": (
        AddItem("X", "c"),
        "X = [\n    # none\n]\n",
        "X = [\n    # none\n    c,\n]\n",
    ),
    "a dict": (AddEntry("X", '"b"', "2"), 'X = {"a": 1}\n', 'X = {"a": 1, "b": 2}\n'),
    "in a class": (
        AddItem("Settings.origins", '"b"'),
        'class Settings:\n    origins = ["a"]\n',
        'class Settings:\n    origins = ["a", "b"]\n',
    ),
    # other files
    "a line": (AddLine(".data/"), "*.pyc\n\n", "*.pyc\n.data/\n\n"),
    "a requirement in order": (
        AddRequirement("httpx>=0.28"),
        "-r base.txt\nfastapi==1\npytest\n",
        "-r base.txt\nfastapi==1\nhttpx>=0.28\npytest\n",
    ),
    "a variable": (AddVariable("A", "1"), "B=2", "B=2\nA=1"),
    "a variable with what it is for": (
        AddVariable("A", "1", "The first."),
        "B=2\r\n",
        "B=2\r\n\r\n# The first.\r\nA=1\r\n",
    ),
    "a key of a table": (
        AddTomlKey("tool.ruff", "fix", "true"),
        '[tool.ruff]\nline-length = 100 # x\n\n[tool.mypy]\nx = """\n[tool.ruff]\n"""\n',
        "[tool.ruff]\nline-length = 100 # x\nfix = true\n"
        '\n[tool.mypy]\nx = """\n[tool.ruff]\n"""\n',
    ),
    "a table": (
        AddTomlKey("tool.apiwright", "plural", '"notes"'),
        "[project]\nname = 'x'\n",
        "[project]\nname = 'x'\n\n[tool.apiwright]\nplural = \"notes\"\n",
    ),
    "an item of an array": (
        AddTomlItem("project", "dependencies", '"httpx"'),
        '[project]\ndependencies = [\n  "fastapi[all]>=1",  # web\n  "pytest"\n]\n',
        '[project]\ndependencies = [\n  "fastapi[all]>=1",  # web\n  "httpx",\n  "pytest"\n]\n',
    ),
}

THERE: dict[str, tuple[Edit, str]] = {
    "the name is imported": (NOTES, "from app.routes import (\n    notes,\n    x)\n"),
    "imported at run time too": (
        AddImport("a", "b", type_checking=True),
        "from a import b\n",
    ),
    "imported if it can be": (NOTES, "try:\n    from app.routes import notes\nexcept E: ...\n"),
    "the model by a star": (AddModelImport("app.models", "Note"), "from app.models import *\n"),
    "the model by its module": (AddModelImport("app.models", "Note"), "from app import models\n"),
    "included": (PREFIXED, "app.include_router(notes.router, prefix='/notes')\n"),
    "included in a loop": (INCLUDE, "for x in [notes]:\n    app.include_router(x.router)\n"),
    "defined, in other quotes": (AddDefinition('x = "a"'), "x = 'a'\n"),
    "a field": (AddField("A", "x: int = 1"), "class A:\n    x: int=1\n"),
    "an item": (AddItem("A", '"x"'), "A = ('x',)\n"),
    "a variable, commented out": (AddVariable("A", "1"), "# A=\n"),
    "a requirement of another version": (AddRequirement("Fast_API>=2"), "fast-api==1\n"),
    "a key": (AddTomlKey("a", "b", "1"), "a = { b = 1 }\n"),
}

COULD_NOT: dict[str, tuple[Edit, str, str]] = {
    "bound to a function": (NOTES, "x = 1\ndef notes(): ...\n", "line 2"),
    "bound by another import": (NOTES, "from old import notes\n", "something else already"),
    "bound in a condition": (NOTES, "if x:\n    notes = 1\n", "something else already"),
    "imported for type checking": (
        NOTES,
        "if TYPE_CHECKING:\n    from app.routes import notes\n",
        "for type checking only",
    ),
    "TYPE_CHECKING is missing": (
        AddImport("a", "b", type_checking=True),
        "x = 1\n",
        "`TYPE_CHECKING` is not imported",
    ),
    "not Python": (NOTES, "def (\n", "line 1 is not valid Python"),
    "included with another prefix": (
        PREFIXED,
        "app.include_router(notes.router, prefix='/old')\n",
        "with the prefix '/old'",
    ),
    "the prefix is another's": (
        PREFIXED,
        "app.include_router(old.router, prefix='/notes')\n",
        "belongs to old.router",
    ),
    "two factories": (
        INCLUDE,
        "def a():\n    app.include_router(x)\ndef b():\n    app.include_router(x)\n",
        "in several places: a, b",
    ),
    "no app": (INCLUDE, "from x import app\n", "there is no `app` that is made here"),
    "a loop with a prefix": (
        INCLUDE,
        "for x in [a]:\n    app.include_router(x.router, prefix='/a')\n",
        "with other arguments",
    ),
    "another of the name": (AddDefinition("class A: ...\n"), "A = 1\n", "something else already"),
    "no such class": (AddField("A", "x: int"), "B = 1\n", "there is no `A`"),
    "a class on one line": (AddField("A", "x: int"), "class A: pass\n", "there is no `A`"),
    "two of the name": (
        AddField("A", "x: int"),
        "class A:\n    y = 1\nclass A:\n    z = 1\n",
        "there are 2",
    ),
    "a field of another type": (
        AddField("A", "x: int"),
        "class A:\n    x: str\n",
        "something else already",
    ),
    "no such statement": (AddStatement("x()", "app"), "y = 1\n", "there is no `app`"),
    "a computed list": (AddItem("A", "x"), "A = f()\n", "not written out"),
    "a list assigned twice": (AddItem("A", "x"), "A = []\nA = [1]\n", "2 times"),
    "another value": (AddEntry("A", '"x"', "1"), "A = {'x': 2}\n", "another value"),
    "not TOML": (AddTomlKey("a", "b", "1"), "[a\n", "cannot be read as TOML"),
    "another value of a key": (AddTomlKey("a", "b", "1"), "[a]\nb = 2\n", "another value"),
    "no such array": (AddTomlItem("a", "b", "1"), "[a]\n", "there is no array `b`"),
}


@pytest.mark.parametrize("case", MADE)
def test_made(case: str) -> None:
    edit, before, after = MADE[case]
    splice = edit.splice(before)
    assert splice is not None
    assert edit.apply(before) == after
    assert edit.precondition(before) is None
    assert not edit.holds(before)
    assert edit.holds(after)
    assert edit.apply(after) == after
    assert splice.out_of(after) == before
    assert edit.remove(after, splice) == before


@pytest.mark.parametrize("case", THERE)
def test_already_there(case: str) -> None:
    edit, text = THERE[case]
    assert edit.splice(text) is None
    assert edit.apply(text) == text
    assert edit.holds(text)


@pytest.mark.parametrize("case", COULD_NOT)
def test_could_not(case: str) -> None:
    edit, text, reason = COULD_NOT[case]
    with pytest.raises(CouldNot, match=reason):
        edit.apply(text)
    assert reason in (edit.precondition(text) or "")
    assert not edit.holds(text)
    assert edit.paste.endswith("\n")
    assert str(edit)


def test_a_name_that_others_were_added_to_leaves_them() -> None:
    before = "from app.routes import todos\n"
    splice = NOTES.splice(before)
    assert splice is not None
    for now, left in (
        ("from app.routes import auth, notes, todos\n", "from app.routes import auth, todos\n"),
        (
            "from app.routes import (\n    notes,\n    todos,\n)\n",
            "from app.routes import (\n    todos,\n)\n",
        ),
        ("from app.routes import notes\n", ""),
        ("from app.routes import todos\n", "from app.routes import todos\n"),
    ):
        assert NOTES.remove(now, splice) == left


def test_the_last_field_leaves_a_body_that_parses() -> None:
    edit = AddField("A", "y: int")
    splice = edit.splice("class A:\n    x: int\n")
    assert splice is not None
    assert edit.remove("class A:\n    y: int\n", splice) == "class A:\n    pass\n"


def test_a_remark_of_the_user_above_ours_stays() -> None:
    before = "app.include_router(a.router)\n"
    splice = INCLUDE.splice(before)
    assert splice is not None
    now = before + "# the notes\napp.include_router(notes.router)\n"
    assert INCLUDE.remove(now, splice) == before + "# the notes\n"


def test_a_function_that_would_be_empty_keeps_the_line_that_follows() -> None:
    edit = IncludeRouter("app", "b.router")
    before = "def make(app):\n    app.include_router(a.router)\n"
    splice = edit.splice(before)
    assert splice is not None
    alone = "def make(app):\n    app.include_router(b.router)\nx = 1\n"
    assert edit.remove(alone, splice) == "def make(app):\n    pass\nx = 1\n"
