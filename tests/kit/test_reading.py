"""What counts as a read: its transaction is not the request's."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import column, func, literal_column, text
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import aliased
from sqlmodel import col, delete, insert, select, update

from apiwright.kit.statement import shape_of
from tests.kit.models import Country, Parcel, Project, Task

other = aliased(Task)

READS: dict[str, Any] = {
    "entity": select(Task),
    "entity with generated columns": select(Parcel).where(col(Parcel.made_at) < func.now()),
    "in": select(Task).where(col(Task.title).in_(["a"])),
    "in a subquery": select(Task).where(col(Task.project_id).in_(select(Project.id))),
    "exists": select(Project).where(sa.exists().where(col(Task.project_id) == Project.id)),
    "join": select(Task, other).join(other, (col(other.id) == Task.id) | (Task.done & other.done)),
    "count": select(func.count()).select_from(Task),
    "count, filtered": select(func.count(col(Task.id)).filter(col(Task.done))),
    "window": select(func.rank().over(partition_by=col(Task.done), order_by=col(Task.points))),
    "functions": select(func.coalesce(func.lower(func.trim(Task.title)), "")),
    "cast": select(sa.cast(Task.points, sa.Numeric(10, 2)), sa.cast(Task.title, sa.String(3))),
    "case": select(sa.case((col(Task.done), sa.extract("year", col(Task.created_at))), else_=0)),
    "cte": select(select(Task.title).cte("found")),
    "lateral": select(select(func.max(Task.points)).lateral()),
    "union": select(Task).where(col(Task.id).in_(sa.union(select(Task.id), select(Project.id)))),
    "json": select(func.jsonb_build_object("a", func.array_agg(Task.title))),
    "search": select(
        func.to_tsvector("english", Task.title).op("@@")(func.websearch_to_tsquery("a"))
    ),
    "fragment": select(Task).where(text("length(title) > 3 AND (done OR points IN (1, 2))")),
    "within group": select(func.percentile_cont(0.5).within_group(col(Task.points))),
}

WRITES: dict[str, Any] = {
    "insert": insert(Task).values(title="a"),
    "update": update(Task).values(done=True),
    "delete": delete(Task),
    "lock": select(Task).with_for_update(),
    "shared lock": select(Task).with_for_update(read=True),
    "lock of keys": select(Task).with_for_update(key_share=True),
    "shared lock of keys": select(Task).with_for_update(read=True, key_share=True),
    "lock as a fragment": select(Task.title).suffix_with("FOR UPDATE"),
    "cte": sa.select(delete(Task).returning(col(Task.id)).cte()),
    "cte that nobody reads": select(Project).add_cte(delete(Task).cte()),
    "cte as a fragment": select(
        text("INSERT INTO task DEFAULT VALUES RETURNING id").columns(column("id")).cte()
    ),
    "cte below": select(Project).where(
        col(Project.id).in_(sa.select(delete(Task).returning(col(Task.id)).cte()))
    ),
    "into": select(text("name INTO TEMP TABLE names")).select_from(Country),
    "function": select(func.spend(1)),
    "function of a schema": select(func.shop.lower("a")),
    "function in quotes": select(func.Spend(1)),
    "function in a condition": select(Task).where(func.spend(Task.points) > 0),
    "function in the order": select(Task).order_by(func.spend(Task.points)),
    "function as a table": select(func.spend(1).table_valued("id")),
    "function in a harmless one": select(func.coalesce(func.spend(1), 0)),
    "function as a fragment": select(Task).where(text("spend (points) > 0")),
    "function behind a comment": select(literal_column("spend/**/(1)")),
    "function behind a line": select(literal_column("spend -- )\n (1)")),
    "function in quotes behind a space": select(literal_column('"spend" (1)')),
    "sequence": select(sa.Sequence("numbers").next_value()),
    "notification": select(func.pg_notify("a", "b")),
    "advisory lock": select(func.pg_advisory_xact_lock(1)),
    "array of functions": select(pg.array([func.spend(1)])),
}


@pytest.mark.parametrize("statement", READS.values(), ids=READS)
def test_what_changes_nothing_is_a_read(statement: Any) -> None:
    assert not shape_of(statement, scoped=False)[0].writes


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
def test_what_may_change_something_is_a_write(statement: Any) -> None:
    assert shape_of(statement, scoped=False)[0].writes
