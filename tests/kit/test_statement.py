"""What the kit takes from SQLAlchemy without its promise, as it was read in 2.1.9: a version that
differs fails here first, and by name."""

from uuid import UUID

import pytest
import sqlalchemy
from sqlalchemy import inspect, text
from sqlalchemy.orm import selectinload
from sqlmodel import SQLModel, col, delete, insert, select, update

from apiwright.kit.loading import loaders_of
from apiwright.kit.statement import DIALECT, Executable, _Execution, shape_of
from tests.kit.models import Project, Task

SELECTED = select(Task).where(col(Task.title) == "a").order_by(col(Task.id)).limit(1)


def test_this_is_the_series_that_was_read() -> None:
    assert sqlalchemy.__version__.startswith("2.1.")


def test_a_cache_key_tells_the_shape_and_brings_the_values_in_order() -> None:
    one, other = (
        select(Task).where(col(Task.title) == title)._generate_cache_key() for title in "ab"
    )
    assert one is not None
    assert other is not None
    assert one.key == other.key
    assert [bind.effective_value for bind in other.bindparams] == ["b"]
    assert insert(Task).values([{"title": "a"}])._generate_cache_key() is None


def test_a_statement_says_what_it_returns_and_what_was_asked_of_it() -> None:
    assert insert(Task).returning(Task)._returning[0]._annotations["parententity"] is inspect(Task)
    assert SELECTED._order_by_clauses
    assert SELECTED._has_row_limiting_clause
    assert not select(Task)._order_by_clauses
    assert not select(Task)._has_row_limiting_clause


def test_a_compiled_statement_says_the_types_of_its_columns_and_where_arguments_come_from() -> None:
    compiled = SELECTED.compile(dialect=DIALECT)
    assert [entry.keyname for entry in compiled._result_columns] == [
        attribute.key for attribute in inspect(Task).column_attrs
    ]
    assert compiled.positiontup == ["title_1", "param_1"]
    assert set(compiled.bind_names.values()) == {"title_1", "param_1"}
    written = insert(Task).values(title="a").compile(dialect=DIALECT)
    assert {column.key for column in written.insert_prefetch} == {"id", "done"}


def test_an_instance_reads_what_was_not_loaded_from_its_callables() -> None:
    task = Task(title="a")
    inspect(task).callables = {"project": lambda state, passive: (_ for _ in ()).throw(KeyError)}
    inspect(task).key = inspect(Task).identity_key_from_primary_key((task.id,))
    with pytest.raises(KeyError):
        _ = task.project


def test_a_committed_instance_has_no_changes() -> None:
    task = Task(title="a")
    assert "title" not in inspect(task).unmodified
    inspect(task)._commit_all(inspect(task).dict)
    assert inspect(task).unmodified >= {"title", "done"}
    assert not inspect(task).modified


def test_options_say_what_to_load_and_how() -> None:
    option = selectinload(Project.tasks).selectinload(Task.tags)  # type: ignore[arg-type]
    (loader,) = loaders_of(select(Project).options(option))
    assert loader.relationship is inspect(Project).relationships["tasks"]
    assert [below.relationship.key for below in loader.below] == ["tags"]


def test_the_registry_lists_the_models() -> None:
    assert Task in {mapper.class_ for mapper in SQLModel._sa_registry.mappers}


def test_the_owners_criteria_are_on_every_ordinary_statement_and_on_no_unscoped_one() -> None:
    statements: list[Executable] = [
        select(Task),
        select(Task, Project).join(Project),
        update(Task).values(done=True),
        delete(Task),
    ]
    for statement in statements:
        scoped, _ = shape_of(statement, scoped=True)
        unscoped, _ = shape_of(statement, scoped=False)
        assert "task.owner_id = $" in scoped.text
        assert "owner_id = $" not in unscoped.text


def test_one_shape_serves_two_users_with_their_own_values() -> None:
    (one, values), (other, _) = (shape_of(select(Task), scoped=True) for _ in range(2))
    assert one is other
    for user in (UUID(int=1), UUID(int=2)):
        assert one._bind(_Execution(one._arguments, values, user)) == (one.text, [user])


@pytest.mark.parametrize(
    "fragment",
    [
        "set_config('role', 'none', true) IS NULL",
        "Set_Config('apiwright.user_id', 'x', true) IS NULL",
        "U&\"\\0073et_config\"('role', 'none', true) IS NULL",
        "query_to_xml('RESET ROLE', true, true, '') IS NULL",
        "pg_advisory_lock(1) IS NULL",
        "ts_stat('select 1') IS NULL",
    ],
)
def test_fragments_that_could_change_who_asks_are_refused(fragment: str) -> None:
    with pytest.raises(TypeError, match="does not execute statements that contain"):
        shape_of(select(Task).where(text(fragment)), scoped=True)
