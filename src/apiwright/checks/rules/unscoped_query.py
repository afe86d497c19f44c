"""A signed-in user reaches rows of other users: nothing on the way compares the owner.

## What it finds

A route for signed-in users that loads, lists, updates or deletes rows of a model with an owner, by
an id or a search of the client's, where neither the statement says the owner (`where(Task.owner_id
== user.id)`), nor the loaded row's owner is compared (`if task.owner_id != user.id: raise`), nor is
it a branch or a route for admins. The query is followed through services, repositories and
dependencies. Rows that lie below an owned row (a subtask of a task) need the owner of that row.

Reading is only reported where another route reads the same model for its owner alone, and where no
route shows it to anybody. What cannot be followed to a query is not reported.

## Why it matters

Any user reads or changes what belongs to another by counting up an id. It is the most common
serious hole of APIs: broken object level authorisation.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.ownership import Access, ownership_of
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code
from apiwright.project.facts import Place

_SETUP = """
from typing import Annotated
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import Field, Session, SQLModel, create_engine, delete, select

app = FastAPI()
engine = create_engine("postgresql://")
scheme = OAuth2PasswordBearer(tokenUrl="login")

class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    email: str
    hashed_password: str
    is_superuser: bool = False

class Task(SQLModel, table=True):
    id: int = Field(primary_key=True)
    title: str
    owner_id: int = Field(foreign_key="user.id")

class Note(SQLModel, table=True):
    id: int = Field(primary_key=True)
    text: str
    task_id: int = Field(foreign_key="task.id")

def get_db():
    with Session(engine) as session:
        yield session

def current_user(token: str = Depends(scheme), db: Session = Depends(get_db)) -> User:
    user = db.get(User, 1)
    if user is None:
        raise HTTPException(401)
    return user

Db = Annotated[Session, Depends(get_db)]
Me = Annotated[User, Depends(current_user)]

@app.get("/tasks")
def tasks(db: Db, me: Me):
    return db.exec(select(Task).where(Task.owner_id == me.id)).all()
"""
BAD = (
    _SETUP
    + """
@app.get("/tasks/{task_id}")
def task(task_id: int, db: Db, me: Me):
    found = db.get(Task, task_id)
    if found is None:
        raise HTTPException(404)
    return found
""",
    _SETUP
    + """
class Repository:
    model = Task
    def __init__(self, db: Db):
        self.db = db
    def delete(self, task_id: int):
        task = self.db.exec(select(self.model).where(self.model.id == task_id)).one()
        self.db.delete(task)
        self.db.commit()

@app.delete("/tasks/{task_id}", dependencies=[Depends(current_user)])
def delete_task(task_id: int, repository: Repository = Depends()):
    repository.delete(task_id)
""",
    _SETUP
    + """
@app.get("/tasks/search")
def search(text: str, db: Db, me: Me):
    statement = select(Task)
    if text:
        statement = statement.where(Task.title.contains(text))
    return db.exec(statement).all()

@app.post("/tasks/clear")
def clear(ids: list[int], db: Db, me: Me):
    db.exec(delete(Task).where(Task.id.in_(ids)))
    db.commit()
""",
    _SETUP
    + """
@app.patch("/tasks/{task_id}/notes/{note_id}")
def change(task_id: int, note_id: int, text: str, db: Db, me: Me):
    task = db.get(Task, task_id)
    if task is None or task.owner_id != me.id:
        raise HTTPException(404)
    note = db.get(Note, note_id)
    note.text = text
    db.commit()
    return note
""",
)
GOOD = (
    _SETUP
    + """
def mine(db: Session, task_id: int, user: User) -> Task:
    task = db.get(Task, task_id)
    if task is None or (not user.is_superuser and task.owner_id != user.id):
        raise HTTPException(404)
    return task

def owned(user: User):
    return Task.owner_id == user.id

@app.get("/tasks/{task_id}")
def task(task_id: int, db: Db, me: Me):
    return mine(db, task_id, me)

@app.delete("/tasks/{task_id}")
def delete_task(task_id: int, db: Db, me: Me):
    db.exec(delete(Task).where(Task.id == task_id, owned(me)))

@app.get("/all")
def all_tasks(db: Db, me: Me):
    if me.is_superuser:
        return db.exec(select(Task)).all()
    conditions = [Task.owner_id == me.id]
    return db.exec(select(Task).where(*conditions)).all()

@app.get("/tasks/{task_id}/notes")
def notes(task_id: int, db: Db, me: Me):
    mine(db, task_id, me)
    return db.exec(select(Note).where(Note.task_id == task_id)).all()

@app.delete("/tasks/{task_id}/notes/{note_id}")
def delete_note(note_id: int, db: Db, me: Me):
    note = db.exec(
        select(Note).join(Task).where(Note.id == note_id, Task.owner_id == me.id)
    ).one()
    db.delete(note)
""",
    _SETUP
    + """
class Post(SQLModel, table=True):
    id: int = Field(primary_key=True)
    text: str
    author_id: int = Field(foreign_key="user.id")

@app.get("/posts")
def posts(db: Db):
    return db.exec(select(Post)).all()

@app.get("/posts/{post_id}")
def post(post_id: int, db: Db, me: Me):
    return db.get(Post, post_id)

@app.delete("/posts/{post_id}")
def delete_post(post_id: int, db: Db, me: Me):
    post = db.get(Post, post_id)
    if post.author_id != me.id:
        raise HTTPException(403)
    db.delete(post)
""",
)


@rule(severity="high", same_as=("cross-user-read", "cross-user-list", "cross-user-write"))
def unscoped_query(code: Code) -> Iterator[Finding]:
    ownership = ownership_of(code)
    accesses = ownership.accesses
    if ownership.is_enforced_elsewhere:
        accesses = tuple(one for one in accesses if one.unscoped)
    shown = {_model(one) for one in accesses if _is_open(one)}
    kept = {_model(one) for one in accesses if one.scoped and _reads(one)}
    compared = {_model(one) for one in accesses if one.scoped}
    found: dict[ast.AST, list[Access]] = {}
    for one in accesses:
        if one.scoped or one.handler.route.protection != "login":
            continue
        about = {_model(one), *(parent.cls.node for _, parent in one.owned.parents)}
        by_design = about & shown or not about & kept or not (_reads(one) or one.by_id)
        if one.kind == "read" and not one.unscoped and by_design:
            continue
        found.setdefault(one.site.node, []).append(one)
    told: set[tuple[object, ...]] = set()
    for node, several in found.items():
        also_fine = any(one.site.node is node and one.scoped for one in accesses)
        for group in [[one] for one in several] if also_fine else [several]:
            cause = (_model(group[0]), *(one.handler.function.node for one in group))
            if cause not in told:  # a route that loads and then deletes is one cause
                told.add(cause)
                certain = group[0].owned.strict or _model(group[0]) in compared
                yield _finding(group, also_fine, certain)


def _finding(group: list[Access], at_route: bool, certain: bool) -> Finding:
    first = group[0]
    name = first.owned.model.name
    does = f"shows any {name} to every signed-in user"
    if any(one.kind == "write" for one in group):
        does = f"lets every signed-in user change any {name}"
    whose = "whoever owns it" if first.owned.owner else f"whoever owns what the {name} belongs to"
    routes = list(dict.fromkeys(one.handler.route for one in group))
    route = routes[0]
    return unscoped_query.finding(
        _place(first, at_route),
        f"{route.method} {route.path} {does}, {whose}: nothing from the route to this query "
        "compares the owner. Add it to the statement, or answer 404 "
        "when the row is another's.",
        route=route if len(routes) == 1 else None,
        related=[where(one.at, one) for one in routes],
        severity="high" if certain else "medium",
    )


def _place(access: Access, at_route: bool) -> Place:
    """The query; of one that other routes use well, what the route does with it."""
    if at_route and access.way:
        return access.way[0].at
    return access.handler.function.at if at_route else access.site.at


def _model(access: Access) -> ast.AST:
    return access.owned.cls.node


def _reads(access: Access) -> bool:
    return access.handler.route.method in {"GET", "HEAD"}


def _is_open(access: Access) -> bool:
    """Whether it shows the rows to anybody."""
    return access.handler.route.protection == "none" and _reads(access) and not access.scoped
