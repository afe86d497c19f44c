"""`add resource` in projects of somebody else's: which resource is imitated, what the copy is like,
what of the original it does not have. Each project in tests/projects has its own traps."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from apiwright.edit.apply import apply
from apiwright.edit.plan import Plan
from apiwright.edit.undo import undo, undoing
from apiwright.errors import ApiwrightError, Refused
from apiwright.generators import exemplar
from apiwright.generators.clone import Cloned, clone
from apiwright.generators.fields import parse, with_plural
from apiwright.project.load import load
from tests.project.projects import PROJECTS, write

FIELDS = ("title:str:max=80", "body:text:optional", "stars:int:ge=0:le=5:default=3")


@dataclass(frozen=True)
class House:
    name: str
    module: str
    """Of the app."""
    root: str
    sign_up: str
    path: str
    key: str = "id"
    inside: str = ""
    """Where in an answer the rows are."""
    many: str = ""
    """Where in a list they are."""
    put: bool = False
    pages: bool = True


HOUSES = [
    House("tags_single", "main", ".", "/users", "/notes", put=True),
    House("parcels_layered", "shop.main", ".", "/api/users", "/api/notes", inside="data"),
    House("books_endpoints", "app.main", ".", "/api/v1/users/", "/api/v1/notes/", many="notes"),
    House(
        "expenses_features", "tracker.main", "src", "/api/users", "/api/notes",
        key="note_id", pages=False,
    ),
]  # fmt: skip
_NAMES = [house.name for house in HOUSES]


def copied(name: str, folder: Path) -> Path:
    return shutil.copytree(PROJECTS / name, folder / name)


def cloned(
    folder: Path, name: str = "Note", fields: Sequence[str] = FIELDS, like: str | None = None
) -> Cloned:
    return clone(load(folder), parse(name, fields), like)


def planned(folder: Path, name: str = "Note", fields: Sequence[str] = FIELDS) -> Plan:
    made = cloned(folder, name, fields)
    return Plan.make(folder, f"add resource {name}", made.changes, assumptions=made.assumptions)


@cache
def plan_of(name: str) -> Plan:
    """Of notes, for a project or a copy of it."""
    return planned(PROJECTS / name)


def text(plan: Plan, path: str) -> str:
    (found,) = [file for file in plan.files if file.path == path]
    return (found.after or b"").decode()


def notes(made: Cloned | Plan) -> str:
    return "\n".join(each.what for each in made.assumptions)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".apiwright" not in file.parts and "__pycache__" not in file.parts
        if file.suffix != ".db"
    }


_TRIAL = """
import json, sys
from importlib import import_module
from fastapi.testclient import TestClient

job = json.loads(sys.argv[1])
app = import_module(job["module"]).app
said = {"document": app.openapi()["paths"]}
with TestClient(app) as client:
    def ask(method, path, who=None, body=None):
        headers = {"Authorization": f"Bearer {who}"} if who else {}
        answer = client.request(method, path, headers=headers, json=body)
        return [answer.status_code, answer.json() if answer.content else None]

    for step in job["steps"]:
        name, *request = step
        if name == "sign up":
            client.post(job["sign_up"], params={"name": request[0]}, json={"name": request[0]})
            continue
        request[1] = request[1].replace("KEY", str(said.get("key")))
        said[name] = ask(*request)
        if name == "created":
            row = said[name][1]
            said["key"] = (row[job["inside"]] if job["inside"] else row)[job["key"]]
print(json.dumps(said))
"""


def trial(folder: Path, house: House, steps: Sequence[Sequence[object]]) -> dict[str, Any]:
    """What the app answers, in a process of its own."""
    job = {
        "module": house.module,
        "sign_up": house.sign_up,
        "inside": house.inside,
        "key": house.key,
        "steps": steps,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TRIAL, json.dumps(job)],
        cwd=folder / house.root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def rows(house: House, answer: Any) -> Any:
    body = answer[1]
    body = body[house.inside] if house.inside else body
    return body[house.many] if house.many else body


# it works


@pytest.mark.parametrize("house", HOUSES, ids=_NAMES)
def test_it_serves_two_users_as_the_house_does_and_changes_no_other_route(
    house: House, tmp_path: Path
) -> None:
    folder = copied(house.name, tmp_path)
    before = trial(folder, house, [])
    plan = plan_of(house.name)
    assert not plan.blocked
    apply(plan, folder)
    one = f"{house.path.rstrip('/')}/KEY"
    change = "PUT" if house.put else "PATCH"
    new = {"title": "A", "body": "b", "stars": 5}
    page = f"{house.path}?limit=100000"
    said = trial(
        folder,
        house,
        [
            ("sign up", "ada"),
            ("sign up", "bob"),
            ("anonymous", "GET", house.path),
            ("created", "POST", house.path, "ada", {"title": "A"}),
            ("refused", "POST", house.path, "ada", {"title": "A", "stars": 6}),
            ("too long", "POST", house.path, "ada", {"title": "x" * 81}),
            ("read", "GET", one, "ada"),
            ("listed", "GET", house.path, "ada"),
            ("all", "GET", page, "ada"),
            ("bob reads", "GET", one, "bob"),
            ("bob lists", "GET", house.path, "bob"),
            ("bob changes", change, one, "bob", new),
            ("bob deletes", "DELETE", one, "bob"),
            ("changed", change, one, "ada", new),
            ("missing", change, one.replace("KEY", "4711"), "ada", new),
            ("deleted", "DELETE", one, "ada"),
            ("gone", "GET", one, "ada"),
        ],
    )
    status = {name: answer[0] for name, answer in said.items() if isinstance(answer, list)}
    assert status == {
        "anonymous": 401, "created": 201, "refused": 422, "too long": 422, "read": 200,
        "listed": 200, "all": 422 if house.pages else 200, "bob reads": 404, "bob lists": 200,
        "bob changes": 404, "bob deletes": 404, "changed": 200, "missing": 404, "deleted": 204,
        "gone": 404,
    }  # fmt: skip
    body = said["created"][1]
    row = body[house.inside] if house.inside else body
    assert (row["title"], row["body"], row["stars"]) == ("A", None, 3)
    assert [each[house.key] for each in rows(house, said["listed"])] == [row[house.key]]
    assert rows(house, said["bob lists"]) == []
    body = said["changed"][1]
    changed = body[house.inside] if house.inside else body
    assert (changed["body"], changed["stars"]) == ("b", 5)
    others = {path: told for path, told in said["document"].items() if "note" not in path}
    assert others == before["document"]


@pytest.mark.parametrize("name", _NAMES)
def test_a_second_run_has_nothing_to_do_and_undo_brings_every_byte_back(
    name: str, tmp_path: Path
) -> None:
    folder = copied(name, tmp_path)
    before = tree(folder)
    apply(plan_of(name), folder)
    again = planned(folder)
    assert again.is_empty
    proposed = undoing(folder)
    assert proposed is not None
    undo(proposed, folder)
    assert tree(folder) == before


@pytest.mark.parametrize("name", _NAMES)
def test_the_copy_names_nothing_of_the_original(name: str) -> None:
    noun = exemplar.find(load(PROJECTS / name)).noun.one
    for file in plan_of(name).files:
        if file.before is None:
            assert noun not in (file.after or b"").decode().lower(), file.path


def test_every_type_of_field_is_written_as_the_house_writes_it(tmp_path: Path) -> None:
    fields = (
        "a:str", "b:text:optional", "c:int:index", "d:float:default=0.5", "e:decimal:digits=8.2",
        "f:bool:default=false", "g:date:optional", "h:datetime", "i:time", "j:uuid", "k:email",
        "l:url", "m:json", "n:list:str", "o:enum:x,y:default=x",
    )  # fmt: skip
    plan = planned(copied("parcels_layered", tmp_path), "Note", fields)
    model = text(plan, "shop/models.py").partition("class Note(Base):")[2]
    assert (
        model.partition("    user_id")[2]
        .partition("\n")[2]
        .startswith(
            """\
    a: Mapped[str] = mapped_column(String(40))
    b: Mapped[str | None] = mapped_column(Text)
    c: Mapped[int] = mapped_column(index=True)
    d: Mapped[float] = mapped_column(default=0.5)
    e: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    f: Mapped[bool] = mapped_column(default=False)
    g: Mapped[date | None]
    h: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    i: Mapped[time]
    j: Mapped[UUID]
    k: Mapped[str] = mapped_column(String(254))
    l: Mapped[str] = mapped_column(String(2083))
    m: Mapped[dict[str, Any]] = mapped_column(JSON)
    n: Mapped[list[str]] = mapped_column(JSON)
    o: Mapped[str] = mapped_column(String(20), default="x")
"""
        )
    )


def test_a_reference_is_to_a_row_that_is_there_and_the_users(tmp_path: Path) -> None:
    folder = copied("tags_single", tmp_path)
    plan = planned(folder, "Note", (*FIELDS, "tag:ref:Tag:optional"))
    new = text(plan, "main.py")
    assert '    tag_id = Column(Integer, ForeignKey("tags.id"), index=True)\n' in new
    check = """\
    if note.tag_id is not None:
        tag = db.get(Tag, note.tag_id)
        if tag is None or tag.owner_id != current_user.id:
            raise HTTPException(status_code=404, detail="Not found")
"""
    assert check in new.partition("def create_note")[2].partition("def ")[0]
    assert check.replace("note.", "data.") in new.partition("def update_note")[2]
    apply(plan, folder)
    said = trial(
        folder,
        HOUSES[0],
        [
            ("sign up", "ada"),
            ("sign up", "bob"),
            ("created", "POST", "/tags", "ada", {"label": "red"}),
            ("hers", "POST", "/notes", "ada", {"title": "A", "tag_id": 1}),
            ("not his", "POST", "/notes", "bob", {"title": "B", "tag_id": 1}),
        ],
    )
    assert (said["hers"][0], said["not his"][0]) == (201, 404)


def test_a_reference_that_could_not_be_looked_up_is_refused(tmp_path: Path) -> None:
    fields = (*FIELDS, "parcel:ref:Parcel")
    with pytest.raises(Refused, match="has no session of its own"):
        cloned(copied("parcels_layered", tmp_path), fields=fields)


# which one is imitated


def test_what_is_nested_is_not_imitated_where_there_is_another() -> None:
    found = exemplar.find(load(PROJECTS / "expenses_features"))
    assert (found.model.name, found.others) == ("Expense", ())


def test_a_router_that_nobody_includes_is_not_imitated(tmp_path: Path) -> None:
    made = cloned(copied("parcels_layered", tmp_path))
    assert {route.module for route in made.routes} == {"shop.routers.notes"}


def test_another_can_be_named_and_an_unknown_one_names_those_there_are() -> None:
    project = load(PROJECTS / "expenses_features")
    assert exemplar.find(project, "comment").model.name == "Comment"
    with pytest.raises(ApiwrightError, match="There are: Expense, Comment"):
        exemplar.find(project, "Receipt")


def test_where_the_nearest_cannot_be_imitated_the_next_is(tmp_path: Path) -> None:
    folder = copied("expenses_features", tmp_path)
    for name in ("models", "schemas", "service", "dependencies", "router", "__init__"):
        source = (folder / f"src/tracker/expenses/{name}.py").read_text()
        text = source.replace("expense", "receipt").replace("Expense", "Receipt")
        text = text.replace(
            "spent_on: Mapped[date | None]", "spent_on: Mapped[date | None]\n    note: Mapped[str]"
        )
        write(folder, {f"src/tracker/receipts/{name}.py": text})
    main = "src/tracker/main.py"
    changed(
        folder,
        main,
        "from tracker.users",
        "from tracker.receipts import router as receipts\nfrom tracker.users",
    )
    changed(
        folder,
        main,
        "    api.include_router(expenses",
        "    api.include_router(receipts.router)\n    api.include_router(expenses",
    )
    assert cloned(folder).exemplar.model.name == "Expense"
    changed(
        folder,
        "src/tracker/expenses/service.py",
        "    session.add(expense)",
        "    if not expense.what:\n        return expense\n    session.add(expense)",
    )
    assert cloned(folder).exemplar.model.name == "Receipt"
    with pytest.raises(Refused, match="create_expense"):
        cloned(folder, like="Expense")


def test_a_project_without_a_resource_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n"})
    with pytest.raises(Refused, match="no resource here"):
        cloned(tmp_path)


# names


def test_words_are_renamed_and_not_letters_in_words() -> None:
    new = text(plan_of("tags_single"), "main.py")
    old = (PROJECTS / "tags_single" / "main.py").read_text()
    assert '@app.get("/stages")\ndef list_stages():' in new
    assert '"stages": list(range(MAX_STAGES)), "tags": "none"' in new
    assert new.count("stages") == old.count("stages")


def test_an_alias_that_hides_the_package_does_not_bring_the_original_in_again() -> None:
    main = text(plan_of("expenses_features"), "src/tracker/main.py")
    assert "from tracker.notes import router as notes\n" in main
    assert "    api.include_router(notes.router)\n" in main


def test_a_router_that_is_included_in_a_loop_joins_it_and_is_imported() -> None:
    plan = plan_of("parcels_layered")
    main = text(plan, "shop/main.py")
    assert "from shop.routers import notes_router, parcels_router, users_router\n" in main
    assert "for router in [users_router, parcels_router, notes_router]:\n" in main
    package = text(plan, "shop/routers/__init__.py")
    assert "from .notes import router as notes_router\n" in package
    assert '__all__ = ["notes_router", "parcels_router", "users_router"]' in package


def test_the_plural_can_be_said(tmp_path: Path) -> None:
    folder = copied("books_endpoints", tmp_path)
    wanted = with_plural(parse("Mouse", FIELDS), "mousies")
    made = clone(load(folder), wanted)
    assert {route.path for route in made.routes} >= {"/api/v1/mousies/"}
    assert "the plural of mouse is mousies" in notes(made)


def test_a_name_of_two_words_is_written_as_each_place_asks(tmp_path: Path) -> None:
    plan = planned(copied("books_endpoints", tmp_path), "LineItem")
    routes = text(plan, "app/api/v1/endpoints/line_items.py")
    assert '@router.get("/{line_item_id}", response_model=LineItemPublic)' in routes
    assert 'detail="Line item not found"' in routes
    api = text(plan, "app/api/v1/api.py")
    assert 'include_router(line_items.router, prefix="/line-items", tags=["line_items"])' in api


# what is the original's alone


def test_other_routes_filters_and_lookups_are_left_out_and_said() -> None:
    plan = plan_of("parcels_layered")
    everything = "".join((file.after or b"").decode() for file in plan.files if not file.before)
    for gone in ("number", "state", "send", "weight"):
        assert gone not in everything
    said = notes(plan)
    assert "POST /api/parcels/{parcel_id}/send has no counterpart" in said
    assert "left out of all_of: `if state is not None:`" in said
    assert "left out of create: `if self.parcels.get_by_number(data.number, user_id):`" in said


def test_a_filter_that_is_a_schema_goes_with_its_parameter() -> None:
    plan = plan_of("expenses_features")
    routes = text(plan, "src/tracker/notes/router.py")
    assert "Filter" not in routes + text(plan, "src/tracker/notes/schemas.py")
    assert "return await service.list_all(session, user.id)\n" in routes
    service = text(plan, "src/tracker/notes/service.py")
    assert "async def list_all(session: AsyncSession, author_id: int) -> list[Note]:" in service
    assert "query.order_by(Note.note_id)" in service


def test_the_user_gets_the_other_side_of_the_relationship() -> None:
    models = text(plan_of("parcels_layered"), "shop/models.py")
    assert (
        '    notes: Mapped[list["Note"]] = relationship(\n'
        '        back_populates="sender", cascade="all, delete-orphan"\n'
        "    )\n" in models
    )


# defects


def test_the_table_is_no_body_of_a_request() -> None:
    plan = plan_of("books_endpoints")
    routes = text(plan, "app/api/v1/endpoints/notes.py")
    assert "note_in: NoteCreate" in routes
    assert "    note = Note(**note_in.model_dump())\n" in routes
    assert "class NoteCreate(NoteBase):\n    pass\n" in text(plan, "app/models.py")
    assert "create_book takes the table as its body" in notes(plan)


def test_a_row_that_is_not_there_or_not_the_users_is_not_found() -> None:
    for name, path in (
        ("tags_single", "main.py"),
        ("books_endpoints", "app/api/v1/endpoints/notes.py"),
    ):
        plan = plan_of(name)
        update = text(plan, path).partition("def update_note")[2]
        assert "    if note.owner_id != current_user.id:\n        raise HTTPException(" in update
        assert "    if note is None:\n        raise HTTPException(" in update
        assert "does not look at owner_id; the new code is about the user's own only" in notes(plan)


def test_lists_have_a_most_and_what_is_deprecated_is_not_used() -> None:
    plan = plan_of("tags_single")
    new = text(plan, "main.py")
    assert "    limit: int = Query(100, ge=1, le=100),\n" in new
    assert "Note(**note.model_dump(), owner_id=current_user.id)" in new
    model = new.partition("class Note(Base):")[2].partition("class UserIn")[0]
    assert "utcnow" not in model
    assert "Tag uses utcnow(), which is deprecated" in notes(plan)


def changed(folder: Path, path: str, old: str, new: str) -> Path:
    file = folder / path
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, new))
    return folder


def test_a_session_that_all_requests_share_is_refused(tmp_path: Path) -> None:
    folder = copied("tags_single", tmp_path)
    changed(folder, "main.py", "\n\ndef get_db():", "\ndb = SessionLocal()\n\n\ndef get_db():")
    changed(folder, "main.py", "    db: Session = Depends(get_db),\n    current", "    current")
    with pytest.raises(Refused, match="All requests share one session, db"):
        cloned(folder)


def test_owned_rows_that_anybody_may_change_are_refused(tmp_path: Path) -> None:
    folder = copied("tags_single", tmp_path)
    changed(
        folder,
        "main.py",
        "    data: TagIn,\n    db: Session = Depends(get_db),\n"
        "    current_user: User = Depends(get_current_user),\n",
        "    data: TagIn,\n    db: Session = Depends(get_db),\n",
    )
    with pytest.raises(Refused, match="needs no login, though Tag belongs to users"):
        cloned(folder)


def test_a_route_that_cannot_be_made_to_look_whose_it_is_is_left_out(tmp_path: Path) -> None:
    folder = copied("tags_single", tmp_path)
    changed(
        folder,
        "main.py",
        "    tag = db.query(Tag).filter(Tag.id == tag_id).first()\n",
        "    tag = [each for each in db.query(Tag) if each.id == tag_id][0]\n",
    )
    made = cloned(folder)
    assert [route.verb for route in made.routes] == ["list", "create", "get", "delete"]
    said = "update_tag is left out, not understood: where it could look at owner_id"
    assert said in notes(made)


def test_a_question_of_whose_it_is_is_never_left_out(tmp_path: Path) -> None:
    folder = copied("parcels_layered", tmp_path)
    changed(
        folder,
        "shop/services/parcel_service.py",
        "        for name, value in data",
        "        if parcel.state == ParcelState.SENT and parcel.user_id != user_id:\n"
        "            raise ParcelNotFound()\n"
        "        for name, value in data",
    )
    service = text(planned(folder), "shop/services/note_service.py")
    assert "        if note.user_id != user_id:\n            raise NoteNotFound()\n" in service


def test_what_may_protect_a_route_is_never_left_out(tmp_path: Path) -> None:
    folder = copied("parcels_layered", tmp_path)
    routes = "shop/routers/parcels.py"
    changed(
        folder,
        routes,
        "def delete_parcel(\n    parcel_id: int,\n    user: User = Depends(get_current_user),\n",
        "def delete_parcel(\n    parcel_id: int,\n"
        "    user: User = Depends(get_current_user),\n"
        "    guard: User = Depends(get_current_user(ParcelState.SENT)),\n",
    )
    made = cloned(folder)
    assert [route.verb for route in made.routes] == ["list", "create", "get", "update"]
    assert "delete_parcel is left out" in notes(made)


def test_what_cannot_be_understood_is_refused_with_the_line(tmp_path: Path) -> None:
    folder = copied("parcels_layered", tmp_path)
    changed(
        folder,
        "shop/services/parcel_service.py",
        "        return self.parcels.save(parcel)\n\n    def update",
        "        return self.parcels.save(parcel) if parcel.weight else None\n\n    def update",
    )
    with pytest.raises(Refused, match=r"is not understood: `return self\.parcels\.save\(parcel\)"):
        cloned(folder)


def test_refs_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="refs: is for projects of `apiwright new` so far"):
        cloned(copied("tags_single", tmp_path), fields=("title:str", "tags:refs:Tag"))
