import json
from pathlib import Path

from apiwright.edit import preview
from apiwright.edit.apply import apply
from apiwright.edit.plan import (
    AddImport,
    Assumption,
    Change,
    Check,
    NewFile,
    Plan,
    Variable,
)
from apiwright.edit.undo import undoing
from tests.edit.conftest import CHANGES, plan

FULL = """Notes, as todos are.

Files:
app/
  routes/
    notes.py                             +
  main.py                                ~
tests/
  notes/
    test_notes.py                        +
.env.example                             ~

Code:
+++ app/routes/notes.py
router = 1

--- app/main.py
+++ app/main.py
@@ -1,6 +1,7 @@
 from fastapi import FastAPI
|
-from app.routes import todos
+from app.routes import notes, todos
|
 app = FastAPI()
 app.include_router(todos.router)
+app.include_router(notes.router)

--- .env.example
+++ .env.example
@@ -1 +1,4 @@
 A=1
+
+# How many one may have.
+NOTES_LIMIT=10

+++ tests/notes/test_notes.py
def test_it() -> None: ...

Environment variables:
NOTES_LIMIT=10  # how many

Checks:
ok  it imports
FAILED  tests: 1 of 3
NOT VERIFIED  migrations: no database

Assumed:
identifiers are ints (app/models.py:3)

To do by hand:
app/main.py: could not import app from x: `app` is something else already, in line 5.
    from x import app
""".replace("\n|\n", "\n \n")


def full(root: Path) -> Plan:
    changes = [*CHANGES, Change("app/main.py", AddImport("x", "app"), optional=True)]
    return Plan.make(
        root,
        "add resource Note",
        changes,
        explanation="Notes, as todos are.",
        variables=[Variable("NOTES_LIMIT", "10", "how many")],
        assumptions=[Assumption("identifiers are ints", "app/models.py", 3)],
    ).with_checks(
        [
            Check("it imports", passed=True),
            Check("tests", passed=False, detail="1 of 3"),
            Check("migrations", passed=None, detail="no database"),
        ]
    )


def test_the_preview_has_its_parts_in_order(shop: Path) -> None:
    assert preview.text(full(shop)) == FULL


def test_the_json_says_the_same(shop: Path) -> None:
    told = json.loads(json.dumps(preview.as_json(full(shop))))
    assert [(step["path"], step["outcome"]) for step in told["steps"]] == [
        ("app/routes/notes.py", "new"),
        ("app/main.py", "edit"),
        ("app/main.py", "edit"),
        (".env.example", "edit"),
        ("tests/notes/test_notes.py", "new"),
        ("app/main.py", "could not"),
    ]
    assert told["steps"][-1]["paste"] == "from x import app\n"
    assert told["files"][0] == {
        "path": "app/routes/notes.py",
        "kind": "new",
        "text": "router = 1\n",
    }
    assert told["environment"] == [{"name": "NOTES_LIMIT", "example": "10", "purpose": "how many"}]
    assert told["id"] == full(shop).id


def test_the_id_is_that_of_the_changes_and_of_the_files_they_touch(shop: Path) -> None:
    first = plan(shop)
    assert plan(shop).id == first.id
    assert first.with_checks([Check("x", passed=True)]).id == first.id
    other = Plan.make(shop, "add resource Note", CHANGES[:-1])
    assert other.id != first.id
    (shop / "app/main.py").write_text("app = 1\n")
    assert plan(shop).id != first.id


def test_an_empty_plan_says_so(shop: Path) -> None:
    apply(plan(shop), shop)
    assert "nothing to do" in preview.text(plan(shop))


def test_an_undoing_is_shown_before_it_is_done(shop: Path) -> None:
    apply(plan(shop), shop)
    (shop / "app/routes/notes.py").write_text("mine\n")
    main = shop / "app/main.py"
    main.write_text(main.read_text().replace("(notes.router)", "(notes.router, tags=[])"))
    proposed = undoing(shop)
    assert proposed is not None
    said = preview.of_undoing(proposed)
    assert "test_notes.py                        -" in said
    assert "-NOTES_LIMIT=10" in said
    assert "app/routes/notes.py: could not take back: new file: you have changed it" in said
    assert "line 7 is not as it was put there.\n    app.include_router(notes.router)" in said


def test_a_new_file_is_shown_whole(shop: Path) -> None:
    text = "".join(f"x{number} = {number}\n" for number in range(200))
    shown = preview.text(Plan.make(shop, "x", [Change("long.py", NewFile(text))]))
    assert text in shown
