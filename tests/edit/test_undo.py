import json
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from apiwright.edit.apply import apply
from apiwright.edit.ledger import FOLDER, change_sets
from apiwright.edit.plan import (
    AddDefinition,
    AddField,
    AddImport,
    Change,
    IncludeRouter,
    NewFile,
    Plan,
)
from apiwright.edit.status import status
from apiwright.edit.undo import Undoing, undo, undoing
from apiwright.errors import ApiwrightError, Refused
from tests.edit.conftest import MAIN, plan, tree
from tests.edit.test_apply import git


def undone(root: Path, wanted: str = "") -> Undoing:
    proposed = undoing(root, wanted)
    assert proposed is not None
    undo(proposed, root)
    return proposed


def test_undo_leaves_the_tree_as_it_was(shop: Path) -> None:
    before = tree(shop)
    apply(plan(shop), shop)
    assert undone(shop).kept == ()
    assert tree(shop) == before
    assert not (shop / FOLDER).exists()
    assert undoing(shop) is None


def test_the_users_lines_stay_and_ours_go(shop: Path) -> None:
    apply(plan(shop), shop)
    main = shop / "app/main.py"
    mine = main.read_text().replace("notes, todos", "notes, todos, users")
    main.write_text(mine + "app.include_router(users.router)\n")
    assert undone(shop).kept == ()
    expected = MAIN.replace("import todos", "import todos, users")
    assert main.read_text() == expected + "app.include_router(users.router)\n"


def test_what_a_formatter_made_of_our_lines_goes_too(shop: Path) -> None:
    code = 'def note() -> str:\n    return "a"\n'
    apply(Plan.make(shop, "x", [Change("app/main.py", AddDefinition(code))]), shop)
    main = shop / "app/main.py"
    main.write_text(main.read_text().replace('"a"', "'a'") + "# mine\n")
    assert undone(shop).kept == ()
    assert main.read_text() == MAIN + "# mine\n"


def test_lines_of_ours_that_the_user_changed_stay_and_are_told(shop: Path) -> None:
    apply(plan(shop), shop)
    main = shop / "app/main.py"
    main.write_text(main.read_text().replace("(notes.router)", "(notes.router, prefix='/x')"))
    proposed = undone(shop)
    assert [(kept.what, kept.why, kept.lines) for kept in proposed.kept] == [
        ("import notes from app.routes", "`notes` is in use, in line 7", MADE_IMPORT),
        (
            "include notes.router in app",
            "line 7 is not as it was put there",
            "app.include_router(notes.router)\n",
        ),
    ]
    assert "prefix='/x'" in main.read_text()
    assert not (shop / "app/routes/notes.py").exists()
    [left] = change_sets(shop)
    assert [file.path for file in left.files] == ["app/main.py"]
    main.write_text(main.read_text().replace("app.include_router(notes.router, prefix='/x')\n", ""))
    assert undone(shop).kept == ()
    assert main.read_text() == MAIN
    assert change_sets(shop) == []


MADE_IMPORT = "from app.routes import notes, todos\n"


def test_a_new_file_that_the_user_edited_is_kept_and_said(shop: Path) -> None:
    apply(plan(shop), shop)
    (shop / "app/routes/notes.py").write_text("router = 2\n")
    proposed = undone(shop)
    assert [(kept.path, kept.why) for kept in proposed.kept] == [
        ("app/routes/notes.py", "you have changed it: it is yours now")
    ]
    assert (shop / "app/routes/notes.py").read_text() == "router = 2\n"
    assert (shop / "app/main.py").read_text() == MAIN
    assert change_sets(shop) == []


def test_a_file_that_git_gave_other_line_ends_is_not_edited(shop: Path) -> None:
    apply(plan(shop), shop)
    for file in ("app/routes/notes.py", "app/main.py", ".env.example"):
        path = shop / file
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert undone(shop).kept == ()
    assert not (shop / "app/routes/notes.py").exists()
    assert (shop / "app/main.py").read_bytes() == MAIN.replace("\n", "\r\n").encode()
    assert (shop / ".env.example").read_bytes() == b"A=1\r\n"


def test_an_import_that_the_user_uses_by_now_stays(shop: Path) -> None:
    apply(Plan.make(shop, "x", [Change("app/main.py", AddImport("json"))]), shop)
    main = shop / "app/main.py"
    main.write_text(main.read_text() + "print(json.dumps({}))\n")
    assert [kept.why for kept in undone(shop).kept] == ["`json` is in use, in line 9"]
    assert main.read_text().startswith("import json\n")


def test_files_that_the_user_deleted_are_no_obstacle(shop: Path) -> None:
    apply(plan(shop), shop)
    (shop / "app/main.py").unlink()
    (shop / "app/routes/notes.py").unlink()
    assert undone(shop).kept == ()
    assert not (shop / "app/main.py").exists()


def test_a_file_that_does_not_parse_is_told_and_left(shop: Path) -> None:
    apply(plan(shop), shop)
    (shop / "app/main.py").write_text("def (\n")
    assert [kept.why for kept in undone(shop).kept] == ["line 1 is not valid Python"] * 2
    assert (shop / "app/main.py").read_text() == "def (\n"


def test_the_earlier_of_two_can_be_undone_alone(shop: Path) -> None:
    apply(plan(shop), shop)
    field = Plan.make(
        shop,
        "add resource Tag",
        [
            Change("app/routes/tags.py", NewFile("router = 3\n")),
            Change("app/main.py", AddImport("app.routes", "tags")),
        ],
    )
    apply(field, shop)
    undone(shop, "add resource Note")
    assert (shop / "app/main.py").read_text() == MAIN.replace("todos\n", "tags, todos\n", 1)
    assert [each.name for each in change_sets(shop)] == ["add resource Tag"]
    undone(shop)
    assert (shop / "app/main.py").read_text() == MAIN


def adding(root: Path, model: str) -> Plan:
    """What two people would add at the same places."""
    many = f"{model.lower()}s"
    return Plan.make(
        root,
        f"add resource {model}",
        [
            Change(f"app/routes/{many}.py", NewFile("router = 1\n")),
            Change("app/models.py", AddDefinition(f"class {model}(Owned):\n    title: str\n")),
            Change("app/main.py", AddImport("app.routes", many)),
            Change("app/main.py", IncludeRouter("app", f"{many}.router")),
        ],
    )


def test_change_sets_of_two_branches_do_not_conflict_and_each_can_be_undone(shop: Path) -> None:
    models, main = shop / "app/models.py", shop / "app/main.py"
    models.write_text("class User(Owned):\n    name: str\n")
    git(shop, "init", "-b", "main")
    git(shop, "add", ".")
    git(shop, "commit", "-m", "first")
    before = tree(shop)
    texts = {}
    for model in ("Note", "Invoice"):
        git(shop, "checkout", "-b", model, "main")
        apply(adding(shop, model), shop)
        texts[model] = (models.read_text(), main.read_text())
        git(shop, "add", ".")
        git(shop, "commit", "-m", model)
    with pytest.raises(CalledProcessError):  # both have written at the same places
        git(shop, "merge", "--no-edit", "Note")
    conflicts = git(shop, "diff", "--name-only", "--diff-filter=U").split()
    assert conflicts == ["app/main.py", "app/models.py"]
    with pytest.raises(Refused, match="conflict"):
        undoing(shop, "add resource Note")
    models.write_text(texts["Note"][0] + "\n\nclass Invoice(Owned):\n    title: str\n")
    main.write_text(
        texts["Note"][1].replace("import notes", "import invoices, notes")
        + "app.include_router(invoices.router)\n"
    )
    assert {each.name for each in change_sets(shop)} == {
        *("add resource Note", "add resource Invoice"),
    }
    undone(shop, "add resource Note")
    assert (models.read_text(), main.read_text()) == texts["Invoice"]
    undone(shop, "add resource Invoice")
    assert tree(shop) == before


def test_what_a_later_change_set_was_built_upon_is_refused_and_that_one_named(shop: Path) -> None:
    apply(plan(shop), shop)
    later = apply(
        Plan.make(shop, "later", [Change("app/routes/notes.py", AddImport("json"))]), shop
    )
    assert later is not None
    with pytest.raises(Refused, match=r"`later` has changed app/routes/notes\.py") as refused:
        undoing(shop, "add resource")
    assert f"apiwright undo {later.id}" in refused.value.todo


def test_an_unknown_name_is_an_error_with_those_there_are(shop: Path) -> None:
    made = apply(plan(shop), shop)
    assert made is not None
    with pytest.raises(ApiwrightError, match="No change sets are called 'nothing'") as error:
        undoing(shop, "nothing")
    assert made.id in error.value.todo


def test_a_stale_undoing_is_refused(shop: Path) -> None:
    apply(plan(shop), shop)
    proposed = undoing(shop)
    assert proposed is not None
    (shop / "app/main.py").write_text("mine\n")
    with pytest.raises(Refused, match=r"app/main\.py has changed since"):
        undo(proposed, shop)
    assert (shop / "app/routes/notes.py").exists()


# the ledger


def test_change_sets_come_in_the_order_in_which_they_were_applied(shop: Path) -> None:
    for name in ("c", "a", "b"):  # within one second
        apply(Plan.make(shop, name, [Change(f"{name}.py", NewFile("x"))]), shop)
    assert [each.name for each in change_sets(shop)] == ["c", "a", "b"]


def test_the_ledger_is_readable_and_names_no_machine(shop: Path) -> None:
    made = apply(plan(shop), shop)
    assert made is not None
    text = (shop / made.path).read_text()
    assert str(shop) not in text
    assert json.loads(text)["files"][0] == {
        "path": "app/routes/notes.py",
        "before": "",
        "after": made.files[0].after,
        "text": ["router = 1\n"],
    }
    assert '"put": [\n            "from app.routes import notes, todos\\n"' in text


def test_the_ledger_says_the_same_for_the_same(shop: Path) -> None:
    first, second = (apply_in_a_copy(shop, name) for name in ("one", "two"))
    assert first == second


def apply_in_a_copy(shop: Path, name: str) -> bytes:
    root = shop.with_name(name)
    for path, content in tree(shop).items():
        if content:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
    made = apply(plan(root), root)
    assert made is not None
    return (root / made.path).read_bytes()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', "<<<<<<< HEAD\n"])
def test_an_unreadable_entry_is_named(shop: Path, content: str) -> None:
    made = apply(plan(shop), shop)
    assert made is not None
    (shop / made.path).write_text(content)
    with pytest.raises(ApiwrightError, match="cannot be read"):
        status(shop)


# status


def test_status_says_what_has_changed_since(shop: Path) -> None:
    assert status(shop) == []
    apply(plan(shop), shop)
    [applied] = status(shop)
    assert {part.state for part in applied.parts} == {"as applied"}
    main = shop / "app/main.py"
    main.write_text(
        "# mine\n" + main.read_text().replace("(notes.router)", "(notes.router, prefix='/x')")
    )
    (shop / "app/routes/notes.py").unlink()
    (shop / "tests/notes/test_notes.py").write_text("mine\n")
    (shop / ".env.example").write_text("A=1\n")
    [applied] = status(shop)
    assert [(part.path, part.state) for part in applied.parts] == [
        ("app/routes/notes.py", "gone"),
        ("app/main.py", "as applied"),
        ("app/main.py", "changed since"),
        (".env.example", "gone"),
        ("tests/notes/test_notes.py", "changed since"),
    ]


def test_a_field_of_a_renamed_class_is_told(shop: Path) -> None:
    (shop / "m.py").write_text("class A:\n    x: int\n")
    apply(Plan.make(shop, "x", [Change("m.py", AddField("A", "y: int"))]), shop)
    (shop / "m.py").write_text("class B:\n    x: int\n    y: int\n")
    assert [kept.why for kept in undone(shop).kept] == [
        "there is no `A` whose lines can be added to"
    ]
