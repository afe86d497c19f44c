"""What verification sees in a project that Apiwright did not make: whatever can be wrong with a
plan is planted and refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from apiwright.edit.plan import Change, Check, NewFile, Plan
from apiwright.generators import behaviour, house_migration, suites, verify
from apiwright.generators.shadow import Place, Shadow, shadow
from tests.generators.conftest import PYTHON
from tests.generators.strangers import (
    MAIN,
    ROUTER,
    SCHEMAS,
    Stranger,
    planned,
    planted,
    renamed,
    run,
)

TESTS = "tests/test_notes.py"
OWNER_SENT = '**{"owner_id": user.id, **data.model_dump(exclude_none=True)}'


@pytest.fixture
def copy(diary: Stranger) -> Iterator[Shadow]:
    with shadow(diary.project, diary.place) as made:
        yield made


def with_tests(diary: Stranger) -> Plan:
    root = Path(diary.project.folder)
    text = renamed((root / "tests/test_entries.py").read_text())
    return planned(root, [*diary.plan.changes, Change(TESTS, NewFile(text))])


def nothing(plan: Plan) -> Plan:
    return replace(plan, files=(), steps=())


def test_a_right_plan_passes_every_check(diary: Stranger) -> None:
    plan = with_tests(diary)
    checks = verify.verify(diary.project, plan, diary.wanted, diary.place, lambda _: nothing(plan))
    assert [check for check in checks if not check.passed] == []
    said = {check.what: check.detail for check in checks}
    assert said["the project's tests pass"] == "3"
    assert said["the new tests pass"] == "3"
    assert "one user has no access to notes of another" in said
    assert "the migration of notes goes up, down and up on an empty database" in said


ROUTES = {
    "the handler is of the wrong module": (
        (
            MAIN,
            "import auth, entries, notes",
            "import auth, entries\nfrom app.routers import entries as notes",
        ),
        "nothing answers GET /notes/",
    ),
    "another function answers": (
        (
            MAIN,
            "app.include_router(auth.router)",
            '@app.get("/notes/")\ndef anything() -> int:\n    return 1\n\n\n'
            "app.include_router(auth.router)",
        ),
        "GET /notes/ is answered by anything of app.main",
    ),
    "the prefix is lost": ((ROUTER, 'prefix="/notes", ', ""), "nothing answers GET /notes/"),
    "a name is shadowed": (
        (MAIN, "import auth, entries, notes", "import auth, entries, notes\nauth = notes"),
        "nothing answers POST /auth/register any more",
    ),
    "another route's answer is changed": (
        (
            ROUTER,
            "router = APIRouter(",
            "from app.schemas.entry import EntryRead\n\n"
            'EntryRead.model_fields["title"].title = "Changed"\n'
            "EntryRead.model_rebuild(force=True)\nrouter = APIRouter(",
        ),
        "the document of GET /entries/ has changed",
    ),
}


@pytest.mark.parametrize("defect", ROUTES)
def test_a_defect_of_routes_is_seen(diary: Stranger, copy: Shadow, defect: str) -> None:
    plant, detail = ROUTES[defect]
    copy.write(planted(diary.plan, plant).files)
    changed = run(copy.folder)
    checks = [
        verify._served(changed, diary.wanted),
        verify._others(diary.project, changed, diary.wanted),
    ]
    assert detail in [check.detail for check in checks if check.passed is False]


BEHAVIOUR: dict[str, tuple[list[tuple[str, str, str]], str, str]] = {
    "the owner's filter is lost": (
        [(ROUTER, "Note.id == note_id, Note.owner_id == user.id", "Note.id == note_id")],
        "one user has no access to notes of another",
        "GET /notes/{note_id} of another's answered 200",
    ),
    "the list's filter is lost": (
        [(ROUTER, "select(Note).where(Note.owner_id == user.id)", "select(Note)")],
        "one user has no access to notes of another",
        "GET /notes/ shows another's",
    ),
    "what is not there is no 404": (
        [(ROUTER, "if note is None:", "if False:")],
        "what is not there is a 404",
        "GET /notes/{note_id} answered 500",
    ),
    "nobody has to sign in to list": (
        [
            (ROUTER, "list_notes(db: Db, user: CurrentUser,", "list_notes(db: Db,"),
            (ROUTER, "select(Note).where(Note.owner_id == user.id)", "select(Note)"),
        ],
        "who is not signed in is refused",
        "GET /notes/ answered 200",
    ),
    "the owner is taken from the request": (
        [
            (SCHEMAS, "    body: str", "    owner_id: int | None = None\n    body: str"),
            (ROUTER, "**data.model_dump(), owner_id=user.id", OWNER_SENT),
        ],
        "nobody can say whose it is",
        "the owner that a request names is taken",
    ),
    "a change is not stored": (
        [(ROUTER, "setattr(note, name, value)", "pass")],
        "notes can be created, read, listed, changed and deleted",
        "PUT /notes/{note_id} changed nothing",
    ),
    "what was created is not stored": (
        [(ROUTER, "    db.add(note)\n    db.commit()", "    note.id = 1")],
        "notes can be created, read, listed, changed and deleted",
        "creating one stored nothing",
    ),
}


@pytest.mark.parametrize("defect", BEHAVIOUR)
def test_a_defect_of_behaviour_is_seen(diary: Stranger, copy: Shadow, defect: str) -> None:
    plants, what, detail = BEHAVIOUR[defect]
    copy.write(planted(diary.plan, *plants).files)
    tried = behaviour.tried(run(copy.folder), diary.wanted, copy)
    failed = {check.what: check.detail for check in tried.checks if check.passed is False}
    assert detail in failed.get(what, "")


def test_users_are_let_in_where_there_is_no_login(diary: Stranger, copy: Shadow) -> None:
    copy.write(diary.plan.files)
    main = copy.folder / MAIN
    main.write_text(main.read_text().replace("app.include_router(auth.router)\n", ""))
    tried = behaviour.tried(run(copy.folder), diary.wanted, copy)
    assert tried.entrance == "override"
    assert [check for check in tried.checks if not check.passed] == []
    assert "one user has no access to notes of another" in [check.what for check in tried.checks]


def test_where_nobody_can_come_in_it_is_not_verified(diary: Stranger, copy: Shadow) -> None:
    copy.write(diary.plan.files)
    main = copy.folder / "app/routers/auth.py"
    main.write_text(main.read_text().replace("user is None or", "True or"))
    changed = replace(run(copy.folder), models=())
    (check,) = behaviour.tried(changed, diary.wanted, copy).checks
    assert check.passed is None
    assert "POST /auth/token answered 401" in check.detail


MIGRATIONS = {
    "it cannot go back": (
        '    op.drop_table("notes")',
        "    pass",
        "the way down leaves notes behind",
    ),
    "it makes something else than the model says": (
        'sa.Column("body", sa.Text(), nullable=True),',
        "",
        "Alembic would change notes: AddColumnOp",
    ),
    "it takes what it does not own": (
        '    op.drop_table("notes")',
        '    op.drop_table("notes")\n    op.execute("DELETE FROM entries")',
        "the way down loses rows of entries",
    ),
    "it does not run": ("nullable=True", "nullable=Sure", "Sure"),
}


@pytest.mark.parametrize("defect", MIGRATIONS)
def test_a_defect_of_the_migration_is_seen(diary: Stranger, copy: Shadow, defect: str) -> None:
    old, new, detail = MIGRATIONS[defect]
    copy.write(planted(diary.plan, (diary.migration.path, old, new)).files)
    with shadow(diary.project, diary.place) as before:
        checks = list(house_migration.checks(diary.project, diary.plan, before, copy))
    assert any(check.passed is False and detail in check.detail for check in checks), checks


def test_no_database_of_theirs_is_touched(diary: Stranger, tmp_path: Path, copy: Shadow) -> None:
    theirs = tmp_path / "real.db"
    code = (
        "import sqlalchemy as sa\n"
        f"engine = sa.create_engine('sqlite:///{theirs}')\n"
        "with engine.begin() as c: c.exec_driver_sql('CREATE TABLE t (a)')\n"
        "print(sa.inspect(engine).get_table_names())\n"
    )
    done = copy.run("-c", code)
    assert done.out == "['t']\n"
    assert not theirs.exists()


def test_there_is_no_network(copy: Shadow) -> None:
    done = copy.run("-c", "import socket; socket.create_connection(('192.0.2.1', 80), 5)")
    assert "not allowed here: to reach 192.0.2.1" in done.err


def test_this_machine_can_be_served_on(copy: Shadow) -> None:
    code = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname(), 5)\nprint('connected')"
    )
    assert copy.run("-c", code).out == "connected\n"


def test_a_database_of_the_projects_kind_is_led_to_the_throwaway_one(
    diary: Stranger, server: str
) -> None:
    code = (
        "import sqlalchemy as sa\n"
        "engine = sa.create_engine('postgresql+psycopg://me:secret@db.example.com:5433/live')\n"
        "with engine.begin() as c: print(c.exec_driver_sql('SELECT current_database()').scalar())\n"
    )
    with shadow(diary.project, Place(PYTHON, server)) as made, made.database() as name:
        done = made.run("-c", code, database=name)
    assert done.out == f"{name}\n", done.err


# their tests


def test_what_failed_before_is_not_held_against_the_plan(diary: Stranger, copy: Shadow) -> None:
    copy.write(with_tests(diary).files)
    with shadow(diary.project, diary.place) as before:
        for each in (before, copy):
            (each.folder / "tests/test_old.py").write_text("def test_old():\n    assert False\n")
        old, new = suites.checks(diary.project, before, copy, TESTS)
    assert old == Check("the project's tests pass", True, "3; 1 failed before, too")
    assert new.passed


def test_a_test_that_passed_before_and_fails_now_is_seen(diary: Stranger, copy: Shadow) -> None:
    copy.write(diary.plan.files)
    test = "tests/test_old.py"
    with shadow(diary.project, diary.place) as before:
        (before.folder / test).write_text("def test_old():\n    pass\n")
        (copy.folder / test).write_text("def test_old():\n    assert False\n")
        old, _ = suites.checks(diary.project, before, copy, TESTS)
    assert old.passed is False
    assert "1 passed before: tests.test_old.test_old" in old.detail


def test_tests_of_unittest_are_run_without_pytest(diary: Stranger, copy: Shadow) -> None:
    test = (
        "import unittest\n\n\nclass Numbers(unittest.TestCase):\n    def test_{0}(self) -> None:\n"
    )
    for name, body in (("one", "pass"), ("two", "self.fail()")):
        path = copy.folder / f"tests/test_{name}.py"
        path.write_text(test.format(name) + f"        {body}\n")
    (copy.folder / "pytest.py").write_text("raise ImportError\n")
    for path in (copy.folder / "tests").glob("*"):
        if path.name not in ("__init__.py", "test_one.py", "test_two.py") and path.is_file():
            path.unlink()
    assert diary.project.tests is not None
    project = replace(diary.project, tests=replace(diary.project.tests, runner="unittest"))
    (old,) = suites.checks(project, copy, copy, "")
    assert old == Check("the project's tests pass", True, "1")
