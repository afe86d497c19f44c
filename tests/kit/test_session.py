import asyncio
import pickle
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import joinedload, load_only, selectinload
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlmodel import col, delete, func, insert, or_, select, update

from apiwright.kit.database import Database
from apiwright.kit.pagination import PageQuery
from apiwright.kit.problems import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from apiwright.kit.session import Session
from tests.kit.conftest import TwoUsers
from tests.kit.models import Project, Tag, Task, TaskTag, User

pytestmark = pytest.mark.anyio


@pytest.fixture
async def session(database: Database, users: TwoUsers) -> AsyncIterator[Session]:
    """Ada's."""
    async with database.session(users.ada) as session:
        yield session


async def test_the_role_of_a_session_cannot_bypass_row_security(session: Session) -> None:
    plain = (
        "SELECT FROM pg_roles WHERE rolname = 'kit_tests_user' AND NOT (rolsuper OR rolbypassrls)"
    )
    everyone = session.unscoped(reason="a look at the roles")
    assert (await everyone.exec(select(text(f"EXISTS ({plain})")))).one() is True
    assert (await session.exec(select(text("current_user")))).one() == "kit_tests_user"


async def test_what_one_adds_the_other_does_not_see(database: Database, users: TwoUsers) -> None:
    async with database.session(users.ada) as session:
        task = await session.add(Task(title="Buy milk"))
        assert task.owner_id == users.ada
    async with database.session(users.ada) as session:
        assert (await session.exec(select(Task))).all() == [task]
        assert await session.get_one(Task, task.id) == task
    async with database.session(users.bob) as session:
        assert (await session.exec(select(Task))).all() == []
        assert await session.get(Task, task.id) is None
        with pytest.raises(NotFound):
            await session.get_one(Task, task.id)
        tasks = await session.exec(select(Task).where(col(Task.id) == task.id))
        assert tasks.first() is None


async def test_nobody_signed_in_sees_nothing_and_adds_nothing(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        await session.add(Task(title="Ada's"))
    with pytest.raises(Unauthorized):
        async with database.session(None) as session:
            assert (await session.exec(select(Task))).all() == []
            await session.add(Task(title="nobody's"))


# adding


async def test_add_brings_back_what_the_database_filled_in(session: Session) -> None:
    task = Task(title="Buy milk")
    assert await session.add(task) is task
    assert task.owner_id == session.user_id
    assert task.created_at.utcoffset() is not None
    assert task.done is False


async def test_add_writes_the_changed_columns_of_a_loaded_row_and_no_others(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        task = await session.add(Task(title="Buy milk", points=3))
        mine = await session.get_one(Task, task.id)
        task.points = 5
        await session.add(task)
        mine.title = "Buy bread"
        mine = await session.add(mine)
    assert (mine.title, mine.points) == ("Buy bread", 5)
    assert mine.updated_at > mine.created_at or mine.updated_at == task.updated_at


async def test_adding_what_did_not_change_writes_nothing(session: Session) -> None:
    task = await session.add(Task(title="Buy milk"))
    before = task.updated_at
    assert (await session.add(task)).updated_at == before


async def test_a_column_may_be_set_to_an_expression(session: Session) -> None:
    task = await session.add(Task(title="Buy milk", points=3))
    task.points = Task.points + 1  # type: ignore[operator]  # a column here
    assert (await session.add(task)).points == 4


async def test_a_column_may_be_set_to_null(session: Session) -> None:
    task = await session.add(Task(title="Buy milk", points=3))
    task.points = None
    assert (await session.add(task)).points is None


async def test_a_row_that_is_gone_is_not_found(session: Session) -> None:
    task = await session.add(Task(title="Buy milk"))
    await session.delete(task)
    task.title = "Buy bread"
    with pytest.raises(NotFound):
        await session.add(task)


async def test_what_exists_already_is_a_conflict(database: Database, users: TwoUsers) -> None:
    with pytest.raises(Conflict):
        async with database.session(users.ada) as session:
            await session.add(Tag(label="home"))
            await session.add(Tag(label="home"))


async def test_two_owners_may_use_the_same_unique_value(
    database: Database, users: TwoUsers
) -> None:
    for user in (users.ada, users.bob):
        async with database.session(user) as session:
            await session.add(Tag(label="home"))


async def test_a_child_cannot_hang_under_a_strangers_parent(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        project = await session.add(Project(name="Ada's"))
    with pytest.raises(Conflict):
        async with database.session(users.bob) as session:
            await session.add(Task(title="Bob's", project_id=project.id))


async def test_nobody_gives_a_row_to_somebody_else(database: Database, users: TwoUsers) -> None:
    with pytest.raises(Forbidden):
        async with database.session(users.ada) as session:
            await session.add(Task(title="Ada's", owner_id=users.bob))
    async with database.session(users.ada) as session:
        task = await session.add(Task(title="Ada's"))
    with pytest.raises(Forbidden):
        async with database.session(users.ada) as session:
            task.owner_id = users.bob
            await session.add(task)


async def test_a_value_that_the_database_cannot_store_is_invalid(session: Session) -> None:
    async with session.transaction():
        await session.add(Task(title="before"))
    for unfit in ({"title": "x" * 201}, {"title": "NUL \0"}, {"title": "a", "points": 2**40}):
        with pytest.raises(Invalid):
            async with session.transaction():
                await session.add(Task(**unfit))
    assert len((await session.exec(select(Task))).all()) == 1


async def test_refresh_reads_the_columns_again(session: Session) -> None:
    task = await session.add(Task(title="Buy milk"))
    await session.exec(update(Task).values(title="Buy bread"))
    await session.refresh(task)
    assert task.title == "Buy bread"


# rows


async def test_rows_are_model_instances(session: Session) -> None:
    class TaskPublic(BaseModel):
        title: str
        done: bool

    await session.add(Task(title="Buy milk"))
    task = (await session.exec(select(Task))).one()
    assert task.model_dump(include={"title", "done"}) == {"title": "Buy milk", "done": False}
    assert task.model_fields_set == set(Task.model_fields)
    assert TaskPublic.model_validate(task, from_attributes=True).title == "Buy milk"
    assert pickle.loads(pickle.dumps(task)) == task  # noqa: S301  # our own bytes
    assert Task.model_validate(task.model_dump()) == task
    task.sqlmodel_update({"title": "Buy bread"})
    assert (await session.add(task)).title == "Buy bread"


async def test_one_of_nothing_counted_is_none(session: Session) -> None:
    assert (await session.exec(select(func.max(Task.points)))).one() is None


async def test_first_one_and_one_or_none(session: Session) -> None:
    none = await session.exec(select(Task))
    assert none.first() is none.one_or_none() is None
    with pytest.raises(NoResultFound):
        none.one()
    await session.add(Task(title="a"))
    await session.add(Task(title="b"))
    two = await session.exec(select(Task).order_by(col(Task.title)))
    first = two.first()
    assert first is not None
    assert first.title == "a"
    assert [task.title for task in two] == ["a", "b"]
    with pytest.raises(MultipleResultsFound):
        two.one_or_none()


async def test_several_entities_and_columns_come_as_named_rows(session: Session) -> None:
    project = await session.add(Project(name="Home"))
    await session.add(Task(title="Paint", project_id=project.id))
    statement = select(Task, Project).join(Project)
    ((task, its_project),) = (await session.exec(statement)).all()
    assert (task.title, its_project.name) == ("Paint", "Home")
    row: Any = (await session.exec(select(Task.title, col(Task.done).label("finished")))).one()
    assert row == ("Paint", False)
    assert row.finished is False
    counted = await session.exec(select(func.count()).select_from(Task))
    assert counted.one() == 1


async def test_in_takes_lists_of_any_length(session: Session) -> None:
    for title in "abc":
        await session.add(Task(title=title))
    for wanted in ([], ["a"], ["a", "c"]):
        tasks = await session.exec(select(Task).where(col(Task.title).in_(wanted)))
        assert sorted(task.title for task in tasks) == wanted


async def test_updates_deletes_and_inserts_of_many(session: Session) -> None:
    await session.exec(insert(Task).values([{"title": "a"}, {"title": "b"}]))
    done = await session.exec(update(Task).where(col(Task.title) == "a").values(done=True))
    assert done.rowcount == 1
    gone = await session.exec(delete(Task).where(or_(col(Task.done), False)).returning(Task))
    assert [row.Task.title for row in gone] == ["a"]
    assert [task.title for task in await session.exec(select(Task))] == ["b"]


# relationships


async def test_selectinload_loads_relationships_at_any_depth(session: Session) -> None:
    home = await session.add(Project(name="Home"))
    await session.add(Project(name="Empty"))
    task = await session.add(Task(title="Paint", project_id=home.id))
    alone = await session.add(Task(title="Alone"))
    for label in ("wall", "blue"):
        tag = await session.add(Tag(label=label))
        await session.add(TaskTag(task_id=task.id, tag_id=tag.id))
    tags = selectinload(Project.tasks).selectinload(Task.tags)  # type: ignore[arg-type]
    statement = select(Project).options(tags).order_by(col(Project.name))
    empty, full = (await session.exec(statement)).all()
    assert (empty.tasks, [task.title for task in full.tasks]) == ([], ["Paint"])
    assert [tag.label for tag in full.tasks[0].tags] == ["blue", "wall"]

    project = selectinload(Task.project)  # type: ignore[arg-type]
    found = {task.id: task for task in await session.exec(select(Task).options(project))}
    assert found[task.id].project == home
    assert found[alone.id].project is None


async def test_what_was_not_loaded_says_how_to_load_it(session: Session) -> None:
    await session.add(Task(title="Paint"))
    task = (await session.exec(select(Task))).one()
    with pytest.raises(DetachedInstanceError, match=r"options\(selectinload\(Task\.project\)\)"):
        _ = task.project
    stored = await session.add(Task(title="Alone"))
    with pytest.raises(DetachedInstanceError, match=r"selectinload\(Task\.tags\)"):
        _ = stored.tags


@pytest.mark.parametrize("option", [joinedload(Task.project), load_only(Task.title)])  # type: ignore[arg-type]
async def test_other_loader_options_name_the_replacement(session: Session, option: Any) -> None:
    with pytest.raises(TypeError, match=r"selectinload\(\)"):
        await session.exec(select(Task).options(option))


async def test_related_rows_are_added_by_themselves(session: Session) -> None:
    with pytest.raises(TypeError, match="set the foreign key"):
        await session.add(Task(title="Paint", project=Project(name="Home")))


# pages


async def test_pages_follow_each_other(session: Session) -> None:
    created = [(await session.add(Task(title=str(n)))).id for n in range(5)]
    seen, cursor = [], None
    while True:
        page = await session.page(select(Task), PageQuery(limit=2, cursor=cursor))
        seen += [task.id for task in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == created[::-1]


async def test_a_strange_cursor_is_invalid(session: Session) -> None:
    with pytest.raises(Invalid):
        await session.page(select(Task), PageQuery(cursor="x-OR-true"))


@pytest.mark.parametrize(
    "query",
    [select(Task).order_by(func.lower(Task.title)), select(Task).limit(3), select(Task.title)],
)
async def test_a_query_that_cannot_be_paged_says_so(session: Session, query: Any) -> None:
    with pytest.raises(TypeError, match="A page"):
        await session.page(query, PageQuery())


# parts that fail alone


async def test_a_failing_part_is_undone_alone(database: Database, users: TwoUsers) -> None:
    async with database.session(users.ada) as session:
        await session.add(Tag(label="before"))
        with pytest.raises(Conflict):
            async with session.transaction():
                await session.add(Tag(label="within"))
                await session.add(Tag(label="before"))
        async with session.transaction(), session.transaction():
            await session.add(Tag(label="nested"))
    async with database.session(users.ada) as session:
        labels = sorted(tag.label for tag in await session.exec(select(Tag)))
    assert labels == ["before", "nested"]


async def test_after_an_error_nothing_is_kept_and_it_says_so(
    database: Database, users: TwoUsers
) -> None:
    with pytest.raises(RuntimeError, match="nothing of this request is kept"):
        async with database.session(users.ada) as session:
            await session.add(Tag(label="kept?"))
            with pytest.raises(Conflict):
                await session.add(Tag(label="kept?"))
            with pytest.raises(RuntimeError, match=r"session\.transaction\(\)"):
                await session.exec(select(Tag))
    async with database.session(users.ada) as session:
        assert (await session.exec(select(Tag))).all() == []


# what is said instead of doing the wrong thing


async def test_two_tasks_cannot_use_one_session_at_once(session: Session) -> None:
    calls = [session.exec(select(Task)), session.exec(select(Task))]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    (refusal,) = [answer for answer in answers if isinstance(answer, BaseException)]
    assert "give each a session of its own" in str(refusal)


async def test_a_row_that_was_changed_and_never_added_is_an_error_in_development(
    database: Database, users: TwoUsers
) -> None:
    with pytest.raises(RuntimeError, match=r"A Task was changed \(title\) and never added"):
        async with database.session(users.ada) as session:
            await session.add(Task(title="Buy milk"))
            task = (await session.exec(select(Task))).one()
            task.title = "Buy bread"


async def test_a_forgotten_await_is_an_error_in_words(database: Database, users: TwoUsers) -> None:
    with pytest.raises(RuntimeError, match=r"Write `await session\.add\(…\)`"):
        async with database.session(users.ada) as session:
            session.add(Task(title="Buy milk"))
    async with database.session(users.ada) as session:
        assert (await session.exec(select(Task))).all() == []


async def test_using_what_was_not_awaited_says_so(database: Database, users: TwoUsers) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Python's own, of the same mistake
        session = Session(None, database.scope(users.ada), [])  # type: ignore[arg-type]  # unused
        for use in (
            lambda: session.exec(select(Task)).all(),  # type: ignore[attr-defined]
            lambda: list(session.exec(select(Task))),  # type: ignore[call-overload]
            lambda: not session.get(Task, 1),
        ):
            with pytest.raises((AttributeError, TypeError), match="`await` is missing"):
                use()


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("execute", "session.exec"),
        ("query", r"select\(Model\)"),
        ("commit", "nothing to commit"),
        ("rollback", r"session\.transaction\(\)"),
        ("flush", "session.add"),
        ("scalars", "session.exec"),
        ("connection", "bound by nothing"),
        ("frobnicate", "no 'frobnicate'"),
    ],
)
async def test_the_usual_names_name_ours(session: Session, name: str, instead: str) -> None:
    with pytest.raises(AttributeError, match=instead):
        getattr(session, name)


async def test_text_statements_are_refused(session: Session) -> None:
    with pytest.raises(TypeError, match="not a TextClause"):
        await session.exec(text("SELECT * FROM task"))  # type: ignore[call-overload]


async def test_a_statement_cannot_say_who_is_asking(session: Session) -> None:
    for function in (func.set_config("role", "none", True), func.query_to_xml("…", 1, 1, "")):
        with pytest.raises(TypeError, match="who is asking"):
            await session.exec(select(function))


async def test_an_ended_session_says_what_to_do(database: Database, users: TwoUsers) -> None:
    async with database.session(users.ada) as session:
        pass
    with pytest.raises(RuntimeError, match=r"database\.session"):
        await session.exec(select(Task))


async def test_a_deactivated_account_is_unauthorized_at_once(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(None) as session:
        everyone = session.unscoped(reason="an administrator deactivates Ada")
        ada = await everyone.get_one(User, users.ada)
        ada.is_active = False
        await everyone.add(ada)
    with pytest.raises(Unauthorized):
        async with database.session(users.ada) as session:
            await session.exec(select(Task))
