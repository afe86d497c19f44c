"""What verification sees: each way in which a plan can be wrong is planted and refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from apiwright.edit.files import FileChange
from apiwright.edit.plan import Check, Plan
from apiwright.generators import resource, suites, verify
from apiwright.generators.fields import Resource
from apiwright.generators.shadow import Place, shadow
from apiwright.project.facts import Project
from tests.generators.conftest import NOTE, read

Noted = tuple[Project, Plan]
ROUTES, SERVICE = "app/routes/notes.py", "app/services/note_service.py"
MAIN, MODELS = "app/main.py", "app/models.py"


def verified(
    project: Project, plan: Plan, place: Place, wanted: Resource = NOTE
) -> dict[str, Check]:
    checks = verify.verify(
        project,
        plan,
        resource.wanted(project, wanted),
        place,
        lambda changed: resource.plan(changed, wanted, place),
    )
    return {check.what: check for check in checks}


def planted(plan: Plan, path: str, old: str, new: str) -> Plan:
    """The plan with a defect."""
    files = [
        FileChange(file.path, file.before, _replaced(file.after, old, new))
        if file.path == path
        else file
        for file in plan.files
    ]
    return replace(plan, files=tuple(files))


def _replaced(after: bytes | None, old: str, new: str) -> bytes:
    text = (after or b"").decode()
    assert old in text
    return text.replace(old, new).encode()


def test_a_right_plan_passes_every_check(noted: Noted, place: Place) -> None:
    checks = verified(*noted, place)
    assert {what: check.detail for what, check in checks.items() if not check.passed} == {}
    assert checks["5 new routes are served by app.routes.notes"].passed
    assert int(checks["the new tests pass"].detail) > 25


Planting = Callable[[Plan], Plan]

WRONG_ROUTES: dict[str, tuple[Planting, str, str]] = {
    "the handler is of the wrong module": (
        lambda plan: planted(
            plan,
            MAIN,
            "app.include_router(auth.router",
            '@app.get("/api/v1/notes")\nasync def anything() -> int:\n    return 1\n\n\n'
            "app.include_router(auth.router",
        ),
        "5 new routes are served by app.routes.notes",
        "GET /api/v1/notes is answered by anything of app.main",
    ),
    "another route takes its requests first": (
        lambda plan: planted(
            plan,
            MAIN,
            "app.include_router(auth.router",
            '@app.get("/api/v1/{kind}/{id}")\nasync def anything(kind: str, id: str) -> int:\n'
            "    return 1\n\n\napp.include_router(auth.router",
        ),
        "5 new routes are served by app.routes.notes",
        "GET /api/v1/notes/{note_id} is answered by anything of app.main",
    ),
    "the prefix is lost": (
        lambda plan: planted(plan, MAIN, 'notes.router, prefix="/api/v1")', "notes.router)"),
        "5 new routes are served by app.routes.notes",
        "nothing answers GET /api/v1/notes",
    ),
    "a name is shadowed": (
        lambda plan: planted(
            plan,
            MAIN,
            "import auth, notes",
            "import auth, notes\nfrom app.routes import notes as auth",
        ),
        "the other 13 routes are as they were",
        "nothing answers POST /api/v1/auth/register any more",
    ),
    "a schema of others is changed": (
        lambda plan: planted(
            plan,
            ROUTES,
            "router = APIRouter(",
            "from app.schemas.user import UserPublic\n\n"
            'UserPublic.model_fields["email"].title = "Changed"\n'
            "UserPublic.model_rebuild(force=True)\nrouter = APIRouter(",
        ),
        "the other 13 routes are as they were",
        "the document of ",
    ),
}


@pytest.mark.parametrize("defect", WRONG_ROUTES)
def test_a_defect_of_routes_is_seen(noted: Noted, place: Place, defect: str) -> None:
    plant, what, detail = WRONG_ROUTES[defect]
    project, plan = noted
    with shadow(project, place) as after:
        after.write(plant(plan).files)
        changed = read(after.folder)
    wanted = resource.wanted(project, NOTE)
    checks = [verify._served(changed, wanted), verify._others(project, changed, wanted)]
    (failed,) = [check for check in checks if check.what.split()[-3:] == what.split()[-3:]]
    assert failed.passed is False
    assert detail in failed.detail


WRONG_BEHAVIOUR: dict[str, Planting] = {
    "the owner's filter is lost": lambda plan: planted(
        plan, SERVICE, "session.", 'session.unscoped(reason="all").'
    ),
    "what is not found is no 404": lambda plan: planted(
        plan, SERVICE, "return await session.get_one(Note, note_id)", "return Note()"
    ),
    "nobody has to sign in": lambda plan: planted(plan, ROUTES, "UserSession", "AnonymousSession"),
}


@pytest.mark.parametrize("defect", WRONG_BEHAVIOUR)
def test_a_defect_of_behaviour_is_seen(noted: Noted, place: Place, defect: str) -> None:
    project, plan = noted
    with shadow(project, place) as before, shadow(project, place) as after:
        after.write(WRONG_BEHAVIOUR[defect](plan).files)
        old, new = suites.checks(project, before, after, "tests/test_notes.py")
    assert old.passed
    assert new.passed is False
    assert " fail: " in new.detail


def test_an_app_that_is_broken_by_the_plan_ends_it(noted: Noted, place: Place) -> None:
    project, plan = noted
    broken = planted(plan, ROUTES, "router = APIRouter(", "router = nothing(")
    (check,) = verified(project, broken, place).values()
    assert (check.what, check.passed) == ("the app is imported", False)
    assert "nothing" in check.detail


def test_a_migration_that_cannot_go_back_is_seen(noted: Noted, place: Place) -> None:
    project, plan = noted
    (path,) = [file.path for file in plan.files if file.path.startswith("migrations/")]
    broken = planted(plan, path, '    op.drop_table("note")\n', "")
    with shadow(project, place) as after:
        after.write(broken.files)
        empty, rows = verify._migrations(after)
    assert empty.passed is False
    assert rows.passed is False
    assert "left note behind" in rows.detail


def test_what_was_wrong_before_is_not_held_against_the_plan(bare: Path, place: Place) -> None:
    (bare / "app/permissions.py").write_text(
        "import os\n" + (bare / "app/permissions.py").read_text()
    )
    (bare / "tests/test_old.py").write_text("def test_old() -> None:\n    assert False\n")
    project = read(bare)
    plan = resource.plan(project, NOTE, place)
    with shadow(project, place) as before, shadow(project, place) as after:
        after.write(plan.files)
        ruff, _ = verify._ruff(project, before, after)
        tests, _ = suites.checks(project, before, after, "tests/test_notes.py")
    assert ruff == Check("ruff finds nothing new", True, "what it finds was there before")
    assert tests == Check("the project's tests pass", True, "1; 1 failed before, too")


def test_what_a_missing_tool_would_say_is_not_verified(bare: Path, place: Place) -> None:
    pyproject = bare / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text().replace("[tool.ruff", "[tool.mypy]\n\n[tool.ruff", 1)
    )
    (bare / "mypy.py").write_text("raise ImportError\n")
    project = read(bare)
    with shadow(project, place) as copy:
        (check,) = verify._mypy(project, copy, copy)
    assert check.passed is None
    assert "not installed" in check.detail
