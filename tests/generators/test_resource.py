"""What `apiwright add resource` plans, on projects of `apiwright new`."""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

from apiwright.edit.apply import apply
from apiwright.edit.plan import Plan
from apiwright.edit.undo import undo, undoing
from apiwright.errors import ApiwrightError, Refused
from apiwright.generators import resource, resource_code, resource_tests
from apiwright.generators.fields import parse
from apiwright.generators.shadow import Place
from apiwright.project import running
from apiwright.project.facts import Project
from apiwright.project.load import load
from tests.generators.conftest import NOTE, PYTHON, read

Noted = tuple[Project, Plan]


def plan(folder: Path, place: Place, name: str = "", fields: Sequence[str] = ("title",)) -> Plan:
    wanted = parse(name, fields) if name else NOTE
    return resource.plan(read(folder), wanted, place)


def outcomes(plan: Plan) -> set[str]:
    return {step.outcome for step in plan.steps}


def text(plan: Plan, path: str) -> str:
    (found,) = [file for file in plan.files if file.path == path]
    return (found.after or b"").decode()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
        if file.relative_to(folder).parts[0] not in (".apiwright", ".data", ".ruff_cache")
    }


def test_a_plan_is_made_applied_found_again_and_undone(
    noted: Noted, bare: Path, place: Place
) -> None:
    before = tree(bare)
    project, made = noted
    assert tree(Path(project.folder)) == before
    assert outcomes(made) <= {"new", "edit", "already there"}
    (migration,) = [file.path for file in made.files if file.path.startswith("migrations/")]
    assert {file.path for file in made.files} == {
        *("app/main.py", "app/models.py", "app/routes/notes.py", "app/schemas/note.py"),
        *("app/services/note_service.py", "tests/test_notes.py", migration),
    }
    assert "CREATE POLICY visible ON note TO shop_user" in text(made, migration)
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON note TO shop_user" in text(made, migration)
    assert text(made, "app/models.py").endswith(
        "class Note(Owned, Timestamps, table=True):\n"
        "    title: str = Field(max_length=80, unique=True)\n"
        "    done: bool = False\n"
    )
    assert 'app.include_router(notes.router, prefix="/api/v1")\napp.include_router(health' in (
        text(made, "app/main.py")
    )
    apply(made, bare)
    assert plan(bare, place).is_empty
    proposed = undoing(bare)
    assert proposed is not None
    undo(proposed, bare)
    assert tree(bare) == before


def test_a_file_in_another_layout_is_there_already_and_an_edited_one_is_not_overwritten(
    noted: Noted, bare: Path, place: Place
) -> None:
    apply(noted[1], bare)
    service = bare / "app/services/note_service.py"
    mine = service.read_text()
    service.write_text(mine.replace("\n\n\n", "\n\n\n\n").replace('"', "'"))
    assert plan(bare, place).is_empty
    service.write_text(mine + "\n\nANSWER = 42\n")
    (step,) = plan(bare, place).blocked
    assert (step.path, step.outcome) == ("app/services/note_service.py", "could not")
    assert step.change.edit.paste == mine
    assert service.read_text().endswith("42\n")


def test_other_fields_of_a_model_that_is_there_are_not_forced_in(
    noted: Noted, bare: Path, place: Place
) -> None:
    apply(noted[1], bare)
    changed = plan(bare, place, "Note", ["title:str:max=90"])
    assert "app/models.py" in {step.path for step in changed.blocked}


def test_references_become_filters_and_links_routes(shop: Path, place: Place) -> None:
    fields = ["title:str", "task:ref:Task", "tags:refs:Tag", "parent:ref:Note:optional"]
    made = plan(shop, place, "Note", [*fields, "next_task:ref:Task:optional"])
    assert not made.blocked
    models = text(made, "app/models.py")
    assert 'task_id: UUID = Field(foreign_key="task.id", ondelete="CASCADE")' in models
    assert "class NoteTag(OwnedLink, table=True):" in models
    assert "notes.where(Note.task_id == query.task_id)" in text(
        made, "app/services/note_service.py"
    )
    assert '@router.put("/{note_id}/tags/{tag_id}", status_code=204)' in text(
        made, "app/routes/notes.py"
    )
    routes = text(made, "app/routes/notes.py")
    assert '@nested.get("/tasks/{task_id}/notes", response_model=Page[NotePublic])' in routes
    assert '@nested.get("/tasks/{task_id}/notes-as-next-task", ' in routes
    assert '@nested.get("/notes/{note_id}/notes", ' in routes
    assert 'app.include_router(notes.nested, prefix="/api/v1")' in text(made, "app/main.py")
    tests = text(made, "tests/test_notes.py")
    assert 'parent_id=create(ada)["id"]' in tests
    assert "test_notes_are_listed_below_their_next_task" in tests
    assert 'client.post("/api/v1/tasks", json={"title": secrets.token_hex(8)})' in tests
    assert "test_another_users_task_cannot_be_the_task" in tests


EVERY_KIND = [
    *("name:str:min=5:max=10:unique", "code:str:pattern=^[A-Z]{3}-\\d{2}$"),
    *("short:str:max=4:unique", "note:text:optional", "stars:int:gt=0:lt=10"),
    *("number:int:unique", "rate:float:ge=0.5:optional"),
    *("price:decimal:digits=10.2:ge=0", "ok:bool:default=true", "day:date:unique", "clock:time"),
    *("at:datetime:optional:index", "slot:uuid", "mail:email:unique", "link:url:optional"),
    *("data:json:optional", "labels:list:str:max=3", "counts:list:int:min=1"),
    *("kind:enum:in-work,done:default=done", "secret:str:writeonly:optional"),
    *("seen:datetime:readonly:optional", "decimal:decimal:optional"),
]  # fmt: skip


def test_code_of_every_kind_of_field_is_python(bare: Path, place: Place) -> None:
    made = plan(bare, place, "Entry", EVERY_KIND)
    assert not made.blocked
    for file in made.files:
        ast.parse((file.after or b"").decode())


@pytest.mark.parametrize(
    ("name", "fields", "complaint"),
    [
        ("Note", ["project:ref:Project"], "no owned model 'Project'"),
        ("Note", ["user:ref:User"], "no owned model 'User'"),
        ("Page", ["title:str"], "the name of something that the code needs"),
        ("Session", ["title:str"], "the name of something that the code needs"),
    ],
)
def test_what_there_is_not_or_is_taken_is_refused(
    bare: Path, place: Place, name: str, fields: list[str], complaint: str
) -> None:
    with pytest.raises(ApiwrightError, match=complaint):
        plan(bare, place, name, fields)


def test_a_table_that_is_there_already_is_refused(bare: Path, place: Place) -> None:
    models = bare / "app/models.py"
    text = models.read_text().replace("AccountLogin, ", "AccountLogin, Owned, ")
    memo = '\n\nclass Memo(Owned, table=True):\n    __tablename__ = "note"\n    text: str\n'
    models.write_text(text + memo)
    with pytest.raises(Refused, match=r"There is a table 'note' already, of Memo \(app/models.py:"):
        plan(bare, place)


@pytest.mark.parametrize(
    "bad", ["<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n", "def f(:\n"]
)
def test_a_file_that_is_no_python_is_named_and_nothing_is_changed(
    bare: Path, place: Place, bad: str
) -> None:
    models = bare / "app/models.py"
    models.write_text(models.read_text() + bad)
    before = tree(bare)
    with pytest.raises(Refused, match=r"models.py, line"):
        plan(bare, place)
    assert tree(bare) == before


def test_a_path_that_is_served_already_is_refused(bare: Path, place: Place) -> None:
    main = bare / "app/main.py"
    main.write_text(
        main.read_text()
        + '\n\n@app.get("/api/v1/notes")\nasync def notes() -> int:\n    return 1\n'
    )
    with pytest.raises(Refused, match=r"GET /api/v1/notes is served already, by app.main"):
        plan(bare, place)


def test_a_name_that_main_uses_for_something_else_is_not_shadowed(bare: Path, place: Place) -> None:
    made = plan(bare, place, "Setting")
    assert [step.path for step in made.blocked] == ["app/main.py"]
    assert "`settings` is" in made.blocked[0].reason


def test_an_app_that_cannot_be_imported_is_not_changed(bare: Path, place: Place) -> None:
    (bare / "app/permissions.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(Refused, match="nothing_of_the_kind is not installed"):
        plan(bare, place)


def test_where_there_is_nothing_to_imitate_it_is_refused_in_words(
    tmp_path: Path, place: Place
) -> None:
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    project = running.run(load(tmp_path), PYTHON)
    with pytest.raises(Refused, match="There is no resource here") as refused:
        resource.plan(project, NOTE, place)
    assert "by hand" in refused.value.todo
    assert refused.value.status == 3


def test_a_name_that_the_tests_use_for_something_else_is_another_variable() -> None:
    written = resource_tests.tests(parse("Client", ["name:str"]), "/api/v1/clients", [], {})
    assert "    client_row: dict[str, Any] = answer.json()\n    return client_row\n" in written
    assert "test_another_users_client_is_not_found" in written


def test_names_that_are_imported_stand_as_a_linter_orders_them() -> None:
    own = dict.fromkeys(("APIKey", "Account", "APIKeyAccount"), "app.models")
    written = resource_code.module(
        "def f(a: APIKey, b: Account, c: APIKeyAccount) -> None: ...", own
    )
    assert written.startswith("from app.models import Account, APIKey, APIKeyAccount\n")
