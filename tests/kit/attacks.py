"""What Ada sends to get at Bob's rows: statements by name. tests/kit/test_attacks.py runs them.

Each is dangerous: run by a superuser, whom row level security does not bind, it shows, counts,
changes or hints at what is Bob's.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import (
    bindparam,
    column,
    delete,
    exists,
    false,
    func,
    insert,
    lateral,
    literal,
    literal_column,
    quoted_name,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import aliased, load_only, with_loader_criteria
from sqlalchemy.types import UserDefinedType
from sqlmodel import SQLModel

from tests.kit import models

# a type checker would not let most of these statements pass
select: Any = sa.select
User: Any = models.User
Project: Any = models.Project
Task: Any = models.Task
Tag: Any = models.Tag
TaskTag: Any = models.TaskTag
Country: Any = models.Country
Notice: Any = models.Notice

tables = SQLModel.metadata.tables
user, project, task, tag = tables["user"], tables["project"], tables["task"], tables["tag"]
tasktag, country, notice = tables["tasktag"], tables["country"], tables["notice"]

ADA = UUID("ada00000-0000-7000-8000-000000000000")
ADAS_PROJECT = UUID("ada00000-0000-7000-8000-000000000001")
ADAS_TASK = UUID("ada00000-0000-7000-8000-000000000002")
ADAS_LOOSE_TASK = UUID("ada00000-0000-7000-8000-000000000003")  # in no project
ADAS_TAG = UUID("ada00000-0000-7000-8000-000000000004")
NEW = UUID("ada00000-0000-7000-8000-000000000009")  # for what Ada adds

BOB = UUID("b0b00000-0000-7000-8000-000000000000")
BOBS_PROJECT = UUID("b0b00000-0000-7000-8000-000000000001")
BOBS_TASK = UUID("b0b00000-0000-7000-8000-000000000002")
BOBS_LOOSE_TASK = UUID("b0b00000-0000-7000-8000-000000000003")
BOBS_TAG = UUID("b0b00000-0000-7000-8000-000000000004")

CANARIES = ("SECRET", "77001", "77002")
"""What is written in Bob's rows, and nowhere else."""

EMPTY = """
DELETE FROM "user"; DELETE FROM country; DELETE FROM notice;
"""
ADAS_ROWS = f"""
INSERT INTO country (code, name) VALUES ('NZ', 'New Zealand');
INSERT INTO "user" (id, email) VALUES ('{ADA}', 'ada@example.com');
INSERT INTO project (id, owner_id, name) VALUES ('{ADAS_PROJECT}', '{ADA}', 'Garden');
INSERT INTO task (id, owner_id, project_id, title, done, points) VALUES
    ('{ADAS_TASK}', '{ADA}', '{ADAS_PROJECT}', 'Dig', false, 1),
    ('{ADAS_LOOSE_TASK}', '{ADA}', NULL, 'Sow', true, 2);
INSERT INTO tag (id, owner_id, label) VALUES ('{ADAS_TAG}', '{ADA}', 'green');
INSERT INTO tasktag (owner_id, task_id, tag_id) VALUES ('{ADA}', '{ADAS_TASK}', '{ADAS_TAG}');
"""
BOBS_ROWS = f"""
INSERT INTO notice (id, note) VALUES (1, 'SECRET notice');
INSERT INTO "user" (id, email) VALUES ('{BOB}', 'SECRET@example.com');
INSERT INTO project (id, owner_id, name) VALUES ('{BOBS_PROJECT}', '{BOB}', 'SECRET project');
INSERT INTO task (id, owner_id, project_id, title, done, points) VALUES
    ('{BOBS_TASK}', '{BOB}', '{BOBS_PROJECT}', 'SECRET task', false, 77001),
    ('{BOBS_LOOSE_TASK}', '{BOB}', NULL, 'SECRET loose task', true, 77002);
INSERT INTO tag (id, owner_id, label) VALUES ('{BOBS_TAG}', '{BOB}', 'blue');
INSERT INTO tasktag (owner_id, task_id, tag_id) VALUES ('{BOB}', '{BOBS_TASK}', '{BOBS_TAG}');
"""

# ---------------------------------------------------------------------------------------------
# Pieces

Other = aliased(Task)  # the same model twice in one statement
other = task.alias("other")  # the same table twice in one statement

as_u: Any = task.alias("u")
undeclared: Any = sa.table(
    "task", column("id"), column("title"), column("owner_id"), column("points")
)
elsewhere = sa.Table(
    "task", sa.MetaData(), sa.Column("id", sa.Uuid), sa.Column("title"), sa.Column("points")
)
qualified = sa.Table(
    "task", sa.MetaData(), sa.Column("id", sa.Uuid), sa.Column("title"), schema="public"
)
ALL_TITLES = "(SELECT string_agg(title, ',') FROM task)"


def in_quotes_of_our_own(name: str) -> sa.TableClause:
    """A table whose name is written into the statement as it stands."""
    return sa.table(quoted_name(name, quote=False), column("title"))


def all_titles() -> Any:
    return select(func.string_agg(task.c.title, ",")).scalar_subquery()


def bobs_title() -> Any:
    return select(task.c.title).where(task.c.id == BOBS_TASK).scalar_subquery()


def not_mine() -> Any:
    """The title of a task, null for Ada's."""
    return func.nullif(func.nullif(Task.title, "Dig"), "Sow")


def bobs_task_exists() -> Any:
    return exists(select(literal(1)).select_from(task).where(task.c.id == BOBS_TASK))


def reachable_tasks() -> Any:
    """From Ada's task to every other one, by recursion."""
    start = select(Task.id, Task.title).where(Task.id == ADAS_TASK).cte("start", recursive=True)
    return start.union(select(Other.id, Other.title).join(start, Other.id != start.c.id))


def reachable_rows() -> Any:
    start = select(task.c.id, task.c.title).where(task.c.id == ADAS_TASK).cte(recursive=True)
    return start.union(select(other.c.id, other.c.title).join(start, other.c.id != start.c.id))


def listed(*ids: UUID) -> Any:
    return sa.values(column("id", sa.Uuid), name="listed").data([(id_,) for id_ in ids])


class WritesTheRest(UserDefinedType[Any]):
    """A column type that closes the cast and goes on."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "text), (SELECT string_agg(title, ',') FROM task"


# ---------------------------------------------------------------------------------------------
# Reads

everyones_titles_lateral = select(task.c.title).where(task.c.id != ADAS_TASK).lateral("l")
joined_tables = task.outerjoin(project, task.c.project_id == project.c.id)

READS: list[tuple[str, Any]] = [
    # a model
    ("model", select(Task)),
    ("model by a foreign id", select(Task).where(Task.id == BOBS_TASK)),
    ("model of the foreign owner", select(Task).where(Task.owner_id == BOB)),
    ("model not of mine", select(Task).where(Task.owner_id != ADA)),
    ("model not(mine)", select(Task).where(sa.not_(Task.owner_id == ADA))),
    ("model or true", select(Task).where(sa.or_(Task.id == ADAS_TASK, true()))),
    ("model mine or foreign", select(Task).where((Task.owner_id == ADA) | (Task.owner_id == BOB))),
    ("model in a list of ids", select(Task).where(Task.id.in_([ADAS_TASK, BOBS_TASK]))),
    ("model in an empty list", select(Task).where(Task.id.not_in([]))),
    ("model not in a list", select(Task).where(Task.id.not_in([ADAS_TASK]))),
    ("model in tuples", select(Task).where(tuple_(Task.id, Task.points).in_([(BOBS_TASK, 77001)]))),
    ("model in values", select(Task).where(Task.id.in_(select(listed(ADAS_TASK, BOBS_TASK).c.id)))),
    (
        "model = any",
        select(Task).where(Task.id == sa.any_(literal([BOBS_TASK], pg.ARRAY(sa.Uuid)))),
    ),
    (
        "model <> all",
        select(Task).where(Task.id != sa.all_(literal([ADAS_TASK], pg.ARRAY(sa.Uuid)))),
    ),
    ("model by regular expression", select(Task).where(Task.title.regexp_match("SEC"))),
    ("model by like", select(Task).where(Task.title.like("SECRET%"))),
    ("model by range of ids", select(Task).where(Task.id > ADAS_LOOSE_TASK)),
    ("model as a page", select(Task).order_by(Task.id.desc()).limit(1)),
    ("model by offset", select(Task).order_by(Task.id).offset(2)),
    ("model fetch with ties", select(Task).order_by(Task.done).fetch(3, with_ties=True)),
    ("model distinct on", select(Task).ext(pg.distinct_on(Task.points)).order_by(Task.points)),
    ("model load only", select(Task).options(load_only(Task.title))),
    ("model with criteria of our own", select(Task).options(with_loader_criteria(Task, true()))),
    ("model with execution options", select(Task).execution_options(unscoped=True, scope=None)),
    (
        "model with a translated schema",
        select(Task).execution_options(schema_translate_map={None: "public"}),
    ),
    ("model with only another column", select(Task).with_only_columns(task.c.title)),
    (
        "model with only an alias, froms kept",
        select(Task).with_only_columns(other.c.title, maintain_column_froms=True),
    ),
    ("model for update", select(Task).with_for_update()),
    ("model for share, skipping locked", select(Task).with_for_update(read=True, skip_locked=True)),
    ("columns", select(Task.id, Task.title)),
    ("count", select(func.count()).select_from(Task)),
    ("count of a column", select(func.count(Task.id))),
    ("count over a subquery", select(func.count()).select_from(select(Task).subquery())),
    ("max", select(func.max(Task.points))),
    ("titles in one string", select(func.string_agg(Task.title, ","))),
    ("array of titles", select(func.array_agg(Task.title))),
    ("aggregate with a filter", select(func.count(Task.id).filter(Task.owner_id != ADA))),
    ("group by", select(Task.done, func.count()).group_by(Task.done)),
    ("group by with having", select(Task.done).group_by(Task.done).having(func.count() > 1)),
    ("having without group", select(func.max(Task.title)).having(func.count() > 2)),
    ("grouping sets", select(Task.done, func.count()).group_by(func.rollup(Task.done))),
    ("case", select(sa.case((Task.owner_id == BOB, "his"), else_="mine")).select_from(Task)),
    ("extract from a column", select(sa.extract("year", Task.created_at))),
    ("label with a quote in it", select(Task.title.label('x"; SELECT'))),
    ("users", select(User)),
    ("another user's address", select(User.email).where(User.id == BOB)),
    ("internal table", select(Notice)),
    ("internal table, count", select(func.count()).select_from(notice)),
    # windows
    ("window count", select(Task.title, func.count().over())),
    ("window lag", select(func.lag(Task.title).over(order_by=Task.id.desc()))),
    ("window first value", select(func.first_value(Task.title).over(order_by=Task.id.desc()))),
    ("window rank", select(func.rank().over(order_by=Task.points.desc()))),
    ("window in a core table", select(func.sum(task.c.points).over(partition_by=task.c.done))),
    # joins
    ("join", select(Task, Project).join(Project, Project.id == Task.project_id)),
    ("join on true", select(Task, Project).join(Project, true())),
    ("outer join", select(Task, Project).outerjoin(Project, Project.id == Task.project_id)),
    ("outer join on true", select(Project, Task).outerjoin(Task, true())),
    ("outer join on the foreign id", select(Country, Task).outerjoin(Task, Task.id == BOBS_TASK)),
    ("full join on false", select(Task.title, Project.name).join(Project, false(), full=True)),
    (
        "full join",
        select(Task.title, Project.name).join(Project, Project.id == Task.project_id, full=True),
    ),
    ("cartesian product", select(Task.title, Project.name)),
    ("join of a core table", select(Project.name, other.c.title).join(other, true())),
    ("join of its own core table", select(Task.title, other.c.title).join(other, true())),
    ("model beside another's core table", select(Project.name, task.c.title)),
    (
        "outer join of a join",
        select(Country.name, project.c.name, task.c.title)
        .select_from(country)
        .outerjoin(sa.join(project, task, true()), true()),
    ),
    (
        "outer join of an outer join",
        select(project.c.name, task.c.title).select_from(
            country.outerjoin(project.outerjoin(task, true()), true())
        ),
    ),
    (
        "outer join of a full join",
        select(project.c.name, task.c.title).select_from(
            country.outerjoin(project.join(task, false(), full=True), true())
        ),
    ),
    ("join of an alias", select(User, Other).join(Other, true())),
    ("outer join of an alias", select(Country.name, Other.title).outerjoin(Other, true())),
    ("self join", select(Task.title, Other.title).join(Other, true())),
    ("self join by owner", select(Other.title).join(Task, Task.owner_id != Other.owner_id)),
    ("self join of core tables", select(task.c.title, other.c.title).join(other, true())),
    ("self join, criteria on one", select(Other).join(Task, true()).where(Task.owner_id == ADA)),
    (
        "join through the link",
        select(Task.title, Tag.label)
        .join(TaskTag, TaskTag.task_id == Task.id)
        .join(Tag, Tag.id == TaskTag.tag_id),
    ),
    ("join of the link alone", select(Tag.label).join(TaskTag, TaskTag.tag_id == Tag.id)),
    ("link", select(TaskTag)),
    ("link as a core table", select(tasktag)),
    ("link by outer join", select(Country.name, TaskTag.task_id).outerjoin(TaskTag, true())),
    (
        "group by a primary key",
        select(Project, func.count(Task.id)).join(Task, true()).group_by(Project),
    ),
    (
        "join of listed ids",
        select(Task.title).join(listed(BOBS_TASK), true()),
    ),
    # aliases
    ("alias", select(Other)),
    ("alias of a core table", select(other)),
    ("alias named like another table", select(task.alias("country"))),
    ("alias of a subquery", select(select(task).subquery("zz"))),
    ("alias of a subquery as a model", select(aliased(Task, select(task).subquery()))),
    ("flat alias", select(aliased(Task, flat=True))),
    ("alias of a sample", select(aliased(Task, sa.tablesample(Task, 100)).title)),
    ("sample of a core table", select(task.tablesample(100).c.title)),
    # subqueries
    ("exists", select(Country.name).where(exists().where(Task.id == BOBS_TASK))),
    ("exists of a core table", select(Country.name).where(bobs_task_exists())),
    ("exists as a column", select(bobs_task_exists())),
    ("exists of what is correlated", select(User).where(exists().where(Task.owner_id != User.id))),
    ("not exists", select(Country.name).where(~exists().where(Task.owner_id == BOB))),
    ("in a subquery", select(Country.name).where(literal(BOBS_TASK).in_(select(Task.id)))),
    ("in a core subquery", select(Country.name).where(literal(BOBS_TASK).in_(select(task.c.id)))),
    (
        "= any of a subquery",
        select(literal(BOBS_TASK) == sa.any_(select(task.c.id).scalar_subquery())),
    ),
    ("scalar subquery", select(select(func.string_agg(Task.title, ",")).scalar_subquery())),
    ("scalar subquery of a core table", select(all_titles())),
    (
        "correlated subquery",
        select(
            Project.name,
            select(func.string_agg(task.c.title, ","))
            .where(task.c.project_id.is_distinct_from(project.c.id))
            .correlate(project)
            .scalar_subquery(),
        ),
    ),
    (
        "subquery in the limit",
        select(func.generate_series(1, 9)).limit(
            select(func.count()).select_from(task).scalar_subquery()
        ),
    ),
    (
        "subquery in the order",
        select(Task.points).order_by(bobs_task_exists()).where(Task.points > 9),
    ),
    ("subquery in a case", select(sa.case((bobs_task_exists(), "there"), else_="not there"))),
    ("subquery of a subquery", select(select(select(task.c.title).subquery()).subquery())),
    ("from a subquery", select(select(Task.title).subquery())),
    ("from a core subquery", select(task.select().subquery())),
    # common table expressions
    ("cte", select(select(Task.title).cte("x"))),
    ("cte of a core table", select(select(task.c.title).cte("x"))),
    ("cte named like the table", select(select(task.c.title).cte("task"))),
    ("cte nested", select(select(task.c.title).cte("x", nesting=True))),
    ("cte materialized", select(select(task.c.title).cte("x").prefix_with("MATERIALIZED"))),
    ("cte of a cte", select(select(select(Task.title).cte("a")).cte("b"))),
    ("cte as a model", select(aliased(Task, select(Task).cte("x")))),
    ("recursive cte", select(reachable_tasks().c.title)),
    ("recursive cte of core tables", select(reachable_rows().c.title)),
    # unions
    ("union", select(Task.title).union(select(Project.name))),
    ("union as a subquery", select(select(Task.title).union(select(Project.name)).subquery())),
    ("union with a core table", select(Task.title).union_all(select(task.c.title))),
    (
        "union of core tables",
        select(select(task.c.title).union_all(select(tag.c.label)).subquery()),
    ),
    ("union as a model", select(aliased(Task, select(Task).union(select(Task)).subquery()))),
    ("union in a cte", select(select(Task.title).union(select(Project.name)).cte())),
    ("except", select(task.c.title).except_(select(Task.title).where(Task.owner_id == ADA))),
    (
        "except as a subquery",
        select(
            select(task.c.title).except_(select(Task.title).where(Task.owner_id == ADA)).subquery()
        ),
    ),
    ("intersect", select(select(task.c.title).intersect(select(elsewhere.c.title)).subquery())),
    # laterals
    (
        "lateral",
        select(Country.name, everyones_titles_lateral.c.title).join(
            everyones_titles_lateral, true()
        ),
    ),
    (
        "lateral that refers to its left",
        select(User.id, lateral(select(Task.title).where(Task.owner_id != User.id), "l").c.title),
    ),
    (
        "lateral of an outer join",
        select(User.id, everyones_titles_lateral.c.title).outerjoin(
            everyones_titles_lateral, true()
        ),
    ),
    # core tables and tables that are not ours
    ("core table", select(task)),
    ("core table, all rows but mine", select(task).where(task.c.owner_id != ADA)),
    ("core count", select(func.count()).select_from(task)),
    ("core outer join", select(task.c.title, project.c.name).select_from(joined_tables)),
    (
        "core full join",
        select(task.c.title, project.c.name).select_from(task.join(project, false(), full=True)),
    ),
    ("the same table of another MetaData", select(elsewhere.c.title)),
    ("the same table with its schema", select(qualified.c.title)),
    ("lightweight table", select(undeclared.c.title)),
    # functions over tables
    ("row_to_json of a table", select(func.row_to_json(task.table_valued()))),
    ("to_jsonb of a table", select(func.to_jsonb(sa.inspect(Task).local_table.table_valued()))),
    ("json_agg", select(func.json_agg(task.table_valued()))),
    ("array of a subquery", select(func.array(select(task.c.title).scalar_subquery()))),
    (
        "unnest of a subquery",
        select(
            func.unnest(func.array(select(task.c.title).scalar_subquery())).column_valued("titles")
        ),
    ),
    # errors that tell
    ("cast that fails on a title", select(Task).where(sa.cast(not_mine(), sa.Integer) == 0)),
    ("division by zero on points", select(Task).where(100 / (Task.points - 77001) > 0)),
    (
        "division by zero in a join",
        select(User).join(Task, 1 / func.nullif(Task.points - 77001, 1) > 0),
    ),
    ("cast that fails in the order", select(Country.name).order_by(sa.cast(all_titles(), sa.Uuid))),
    ("more than one row", select(select(Task.title).where(Task.points > 1).scalar_subquery())),
    # parameters named like those that we may use
    *[
        (f"parameter named {name}", select(Task).where(Task.owner_id == bindparam(name, BOB)))
        for name in ("owner", "owner_id", "owner_id_1", "user_id", "key", "_key", "scope_owner")
    ],
    (
        "two parameters of one name",
        select(Task).where(bindparam("owner_id", BOB) == bindparam("owner_id", BOB)),
    ),
    (
        "literal parameter",
        select(Task).where(Task.owner_id == bindparam("x", BOB, literal_execute=True)),
    ),
    (
        "parameter that is called",
        select(Task).where(Task.owner_id == bindparam("x", callable_=lambda: BOB)),
    ),
    # writes inside of reads
    ("cte that deletes", select(delete(task).returning(task.c.title).cte("d"))),
    ("cte that updates", select(update(Task).values(points=0).returning(Task.title).cte("d"))),
    (
        "cte that inserts for the other",
        select(insert(Task).values(id=NEW, title="x", owner_id=BOB).returning(Task.id).cte("d")),
    ),
    ("cte that deletes, not used", select(Country.name).add_cte(delete(task).cte("d"))),
]

FRAGMENTS: list[tuple[str, Any]] = [
    ("text", text("SELECT title FROM task")),
    ("text with columns", text("SELECT title FROM task").columns(column("title"))),
    (
        "text as a subquery",
        select(text("SELECT title FROM task").columns(column("title")).subquery()),
    ),
    ("text as a cte", select(text("SELECT title FROM task").columns(column("title")).cte("x"))),
    ("from a text", select(text("title")).select_from(text("task"))),
    ("from a text with a comma", select(text("title")).select_from(text("country, task"))),
    ("from_statement of a text", select(Task).from_statement(text("SELECT * FROM task"))),
    ("from_statement of a core select", select(Task).from_statement(select(task))),
    ("literal column with a subquery", select(Country.name, literal_column(ALL_TITLES))),
    ("literal column of another table", select(literal_column("task.title")).select_from(task)),
    ("text where or", select(Task).where(text("false or true"))),
    ("text where or, core table", select(task).where(text("false or true"))),
    (
        "text closing the parenthesis",
        select(Task).where(Task.id.in_(select(literal(NEW)).where(text("true) or (true")))),
    ),
    ("text where with a comment", select(Task).where(text("1=1 --"))),
    (
        "text where with an open comment",
        select(Task).where(text("1=1 /*")).where(text("*/ or 1=1")),
    ),
    (
        "text where with a union",
        select(Task.title).where(text("1=1 UNION ALL SELECT title FROM task")),
    ),
    (
        "text where with an escape string",
        select(Task).where(text("E'\\'' = '' or true or ' '=' '")),
    ),
    ("text where with dollar quotes", select(Task).where(text("$$)$$=' ' or true or $$($$=''"))),
    ("text in the order", select(Country.name, Task.title).order_by(text(f"length({ALL_TITLES})"))),
    ("text in having", select(Task.title).group_by(Task.title).having(text("false or true"))),
    (
        "text in an outer join",
        select(Country.name, Task.title).outerjoin(Task, text("false or true")),
    ),
    ("text in a join", select(Project.name, Task.title).join(Task, text("false or true"))),
    (
        "text in an exists",
        select(Country.name).where(
            exists(select(literal(1)).select_from(task).where(text("points = 77001 or false")))
        ),
    ),
    (
        "text with a U& name",
        select(Country.name).where(text('exists(SELECT FROM U&"t\\0061sk" WHERE points > 9)')),
    ),
    ("literal column or", select(Task).where(literal_column("false or true"))),
    ("operator with or", select(Task).where(Task.points.op("> 0 or 1 =")(1))),
    (
        "operator closing the parenthesis",
        select(Task).where(
            Task.id.in_(select(literal(NEW)).where(Task.points.op("> 0) or (1 =")(1)))
        ),
    ),
    ("operator with a subquery", select(literal("").op(f"|| {ALL_TITLES} ||")(""))),
    (
        "function with a long name",
        select(sa.Function(quoted_name("concat(title) FROM task --", quote=False))),
    ),
    ("prefix", select(Country.name).prefix_with(text(f"{ALL_TITLES} ||"))),
    ("suffix", select(Country.name).suffix_with("UNION ALL SELECT title FROM task")),
    (
        "statement hint",
        select(Country.name).with_statement_hint("UNION ALL SELECT title FROM task"),
    ),
    (
        "extract of a long field",
        select(sa.extract(f"day from date '2026-01-01'), {ALL_TITLES}, (SELECT 1", func.now())),
    ),
    ("a type that writes the rest", select(sa.cast(Country.name, WritesTheRest()))),
    # names, which are fragments as well
    ("lightweight table, not quoted", select(in_quotes_of_our_own("public.task").c.title)),
    ("lightweight table in capitals", select(in_quotes_of_our_own("TASK").c.title)),
    (
        "lightweight table ONLY",
        select(literal_column("title")).select_from(in_quotes_of_our_own("ONLY task")),
    ),
    ("lightweight table with a second one", select(in_quotes_of_our_own("country, task").c.title)),
    ("a table with a U& name", select(in_quotes_of_our_own('U&"t\\0061sk"').c.title)),
    ("row_to_json of a model", select(func.row_to_json(literal_column("task"))).select_from(Task)),
    (
        "ts_stat",
        select(column("word")).select_from(func.ts_stat("SELECT to_tsvector(title) FROM task")),
    ),
]
"""Reads in which something is written by hand."""

# ---------------------------------------------------------------------------------------------
# Writes

insert_task = pg.insert(Task)
KEY = ["owner_id", "id"]
upsert_tag = pg.insert(Tag).values(id=NEW, label="blue")


def replaced(index_elements: list[str], statement: Any, **changes: Any) -> Any:
    return statement.on_conflict_do_update(index_elements=index_elements, set_=changes)


WRITES: list[tuple[str, Any]] = [
    # insert
    ("insert for the other", insert(Task).values(id=NEW, title="x", owner_id=BOB)),
    (
        "insert for the other, core",
        insert(task).values(id=NEW, title="x", done=False, owner_id=BOB),
    ),
    (
        "insert for the other by a fragment",
        insert(Task).values(id=NEW, title="x", owner_id=literal_column(f"'{BOB}'::uuid")),
    ),
    (
        "insert for the other by a subquery",
        insert(Task).values(
            id=NEW,
            title="x",
            owner_id=select(func.max(user.c.id.cast(sa.Text)).cast(sa.Uuid)).scalar_subquery(),
        ),
    ),
    ("insert in the order of columns", insert(tag).values((BOB, NEW, "x"))),
    (
        "insert of many, one for the other",
        insert(Tag).values(
            [
                {"id": NEW, "label": "x", "owner_id": ADA},
                {"id": UUID(int=7), "label": "y", "owner_id": BOB},
            ]
        ),
    ),
    (
        "insert of many, all for the other",
        insert(Tag).values(
            [
                {"id": NEW, "label": "x", "owner_id": BOB},
                {"id": UUID(int=7), "label": "y", "owner_id": BOB},
            ]
        ),
    ),
    (
        "insert from select",
        insert(Tag).from_select(["id", "label"], select(func.gen_random_uuid(), task.c.title)),
    ),
    (
        "insert from select of a model",
        insert(Tag).from_select(["id", "label"], select(func.gen_random_uuid(), Task.title)),
    ),
    (
        "insert from select with its owner",
        insert(Tag).from_select(
            ["id", "label", "owner_id"],
            select(func.gen_random_uuid(), task.c.title, task.c.owner_id),
        ),
    ),
    (
        "insert from select for the other",
        insert(Tag).from_select(
            ["id", "label", "owner_id"], select(literal(NEW), literal("x"), literal(BOB))
        ),
    ),
    ("insert of a foreign title", insert(Task).values(id=NEW, title=bobs_title())),
    (
        "insert of a foreign title, returned",
        insert(Tag).values(id=NEW, label=bobs_title()).returning(Tag.label),
    ),
    (
        "insert returning another table",
        insert(Task).values(id=NEW, title="x").returning(all_titles()),
    ),
    (
        "insert with an owner among the parameters",
        insert(Task).values(id=NEW, title=bindparam("owner_id", "x"), owner_id=bindparam("o", BOB)),
    ),
    ("insert of a user", insert(User).values(id=NEW, email="eve@example.com")),
    (
        "insert of a user with a taken address",
        insert(User).values(id=NEW, email="SECRET@example.com"),
    ),
    ("insert of an internal row", insert(Notice).values(id=1, note="x")),
    (
        "insert with a raw prefix",
        insert(Task).values(id=NEW, title="x", owner_id=BOB).prefix_with(text("/**/")),
    ),
    # update
    ("update all", update(Task).values(points=0)),
    ("update all, returned", update(Task).values(title=Task.title + "!").returning(Task)),
    ("update all, core", update(task).values(points=0)),
    ("update all by an alias", update(as_u).values(points=0)),
    ("update all by a lightweight table", update(undeclared).values(points=0)),
    ("update all by another MetaData", update(elsewhere).values(points=0)),
    ("update a foreign id", update(Task).where(Task.id == BOBS_TASK).values(points=0)),
    (
        "update a list of ids",
        update(Task).where(Task.id.in_([ADAS_TASK, BOBS_TASK])).values(points=0),
    ),
    (
        "update what a subquery finds",
        update(Task).where(Task.id.in_(select(task.c.id))).values(points=0),
    ),
    (
        "update what a cte finds",
        update(Task).where(Task.id.in_(select(select(task.c.id).cte("k").c.id))).values(points=0),
    ),
    ("update with a text condition", update(Task).where(text("false or true")).values(points=0)),
    (
        "update with an operator that says or",
        update(Task).where(Task.points.op("> 0 or 1 =")(1)).values(points=0),
    ),
    ("update where a foreign row exists", update(Task).where(bobs_task_exists()).values(points=0)),
    ("steal a row", update(Task).where(Task.id == BOBS_TASK).values(owner_id=ADA)),
    ("steal all rows", update(Task).values(owner_id=ADA)),
    ("give a row away", update(Task).where(Task.id == ADAS_LOOSE_TASK).values(owner_id=BOB)),
    (
        "give a row away, core",
        update(task).where(task.c.id == ADAS_LOOSE_TASK).values({task.c.owner_id: BOB}),
    ),
    (
        "give a row away, ordered",
        update(Task).where(Task.id == ADAS_LOOSE_TASK).ordered_values((Task.owner_id, BOB)),
    ),
    (
        "give a row away by a fragment",
        update(Task)
        .where(Task.id == ADAS_LOOSE_TASK)
        .values(title=text(f"'x', owner_id = '{BOB}'")),
    ),
    ("set to a foreign title", update(Task).where(Task.id == ADAS_TASK).values(title=bobs_title())),
    (
        "set to foreign titles, returned",
        update(Tag).values(label=func.coalesce(all_titles(), "x")).returning(Tag.label),
    ),
    (
        "update from another table",
        update(Tag).values(label=task.c.title).where(task.c.id == BOBS_TASK).returning(Tag.label),
    ),
    (
        "update from a model",
        update(Task).values(points=Other.points).where(Task.id == ADAS_TASK, Other.id == BOBS_TASK),
    ),
    (
        "update from, foreign rows on both sides",
        update(task).values(title="x").where(task.c.project_id == project.c.id),
    ),
    ("update returning another table", update(Task).values(points=1).returning(all_titles())),
    (
        "update returning a joined model",
        update(Tag)
        .values(label="x")
        .where(Tag.id == ADAS_TAG, Task.points > 9)
        .returning(Task.title),
    ),
    ("update a user", update(User).values(email="eve@example.com").where(User.id == BOB)),
    ("update all users", update(User).values(is_active=False)),
    ("update an internal row", update(Notice).values(note="x")),
    ("update a public row", update(Country).values(name=bobs_title())),
    ("steal a link", update(TaskTag).where(TaskTag.task_id == BOBS_TASK).values(owner_id=ADA)),
    (
        "a condition that fails on a foreign title",
        update(Task).where(sa.cast(not_mine(), sa.Integer) > 0).values(points=0),
    ),
    # delete
    ("delete all", delete(Task)),
    ("delete all, core", delete(task)),
    ("delete all, returned", delete(Task).returning(Task)),
    ("delete a foreign id", delete(Task).where(Task.id == BOBS_TASK)),
    ("delete of the foreign owner", delete(Tag).where(Tag.owner_id == BOB)),
    ("delete with a text condition", delete(Task).where(text("false or true"))),
    ("delete with a text condition, core", delete(task).where(text("false or true"))),
    (
        "delete using another model",
        delete(Task).where(Task.project_id == Project.id).returning(Project.name),
    ),
    ("delete using another table", delete(tag).where(task.c.points > 9)),
    ("delete where a foreign row exists", delete(Tag).where(bobs_task_exists())),
    ("delete of parents", delete(Project).where(Project.id == BOBS_PROJECT)),
    ("delete of links", delete(TaskTag)),
    ("delete of a user", delete(User).where(User.id == BOB)),
    ("delete of internal rows", delete(Notice)),
    (
        "delete what a cte deleted",
        delete(Tag).where(
            select(func.count())
            .select_from(delete(task).returning(task.c.id).cte("d"))
            .scalar_subquery()
            > 2
        ),
    ),
    # upsert
    (
        "upsert on a foreign id and owner",
        replaced(
            ["owner_id", "id"], insert_task.values(id=BOBS_TASK, title="x", owner_id=BOB), title="x"
        ),
    ),
    (
        "upsert of mine with a foreign title",
        replaced(KEY, insert_task.values(id=ADAS_TASK, title="x"), title=bobs_title()),
    ),
    (
        "upsert of mine, given away",
        replaced(KEY, insert_task.values(id=ADAS_LOOSE_TASK, title="x"), owner_id=BOB),
    ),
    (
        "upsert with a set of text",
        replaced(KEY, insert_task.values(id=ADAS_TASK, title="x"), title=text(ALL_TITLES)),
    ),
    (
        "upsert returning another table",
        replaced(KEY, insert_task.values(id=ADAS_TASK, title="x"), points=3).returning(
            all_titles()
        ),
    ),
    (
        "upsert from select",
        pg.insert(Tag)
        .from_select(["id", "label"], select(task.c.id, task.c.title))
        .on_conflict_do_nothing()
        .returning(Tag.label),
    ),
    # what only looks like a write
    ("lock foreign rows", select(task.c.title).with_for_update(nowait=True)),
    ("truncate", text("TRUNCATE task CASCADE")),
    (
        "insert as text",
        text(f"INSERT INTO tag (id, owner_id, label) VALUES ('{NEW}', '{BOB}', 'x')"),
    ),
    ("update as text", text("UPDATE task SET points = 0")),
    ("delete as text", text("DELETE FROM task")),
]

BELOW: list[tuple[str, Any]] = [
    (
        "cte that inserts below a foreign project",
        select(
            insert(task)
            .values(id=NEW, title="x", project_id=BOBS_PROJECT)
            .returning(task.c.id)
            .cte("d")
        ),
    ),
    (
        "insert below a foreign project",
        insert(Task).values(id=NEW, title="x", project_id=BOBS_PROJECT),
    ),
    (
        "insert below a foreign project, core",
        insert(task).values(id=NEW, title="x", done=False, project_id=BOBS_PROJECT),
    ),
    (
        "insert of many below a foreign project",
        insert(Task).values(
            [
                {"id": NEW, "title": "x", "project_id": ADAS_PROJECT},
                {"id": UUID(int=7), "title": "y", "project_id": BOBS_PROJECT},
            ]
        ),
    ),
    (
        "insert from select below a foreign project",
        insert(Task).from_select(
            ["id", "title", "done", "project_id"],
            select(literal(NEW), literal("x"), false(), literal(BOBS_PROJECT)),
        ),
    ),
    ("link to a foreign task", insert(TaskTag).values(task_id=BOBS_TASK, tag_id=ADAS_TAG)),
    ("link to a foreign tag", insert(TaskTag).values(task_id=ADAS_LOOSE_TASK, tag_id=BOBS_TAG)),
    ("link of two foreign rows", insert(TaskTag).values(task_id=BOBS_LOOSE_TASK, tag_id=BOBS_TAG)),
    (
        "move below a foreign project",
        update(Task).where(Task.id == ADAS_TASK).values(project_id=BOBS_PROJECT),
    ),
    (
        "move below a foreign project by a fragment",
        update(Task).where(Task.id == ADAS_TASK).values(project_id=text(f"'{BOBS_PROJECT}'")),
    ),
    (
        "move below what a subquery finds",
        update(Task).values(
            project_id=select(func.max(project.c.id.cast(sa.Text)).cast(sa.Uuid)).scalar_subquery()
        ),
    ),
    ("repoint a link", update(TaskTag).where(TaskTag.task_id == ADAS_TASK).values(tag_id=BOBS_TAG)),
    (
        "upsert of mine below a foreign project",
        replaced(KEY, insert_task.values(id=ADAS_TASK, title="x"), project_id=BOBS_PROJECT),
    ),
    (
        "upsert of mine below the excluded project",
        replaced(
            KEY,
            insert_task.values(id=ADAS_TASK, title="x", project_id=BOBS_PROJECT),
            project_id=insert_task.excluded.project_id,
        ),
    ),
]
"""Rows of Ada's below rows of Bob's. Foreign keys are blind to policies: these hold them off."""

NEED_XML: list[tuple[str, Any]] = [
    ("query_to_xml", select(func.query_to_xml("SELECT * FROM task", True, True, ""))),
    ("pg_catalog.query_to_xml", select(func.pg_catalog.query_to_xml("TABLE task", True, True, ""))),
    ("table_to_xml", select(func.table_to_xml("task", True, True, ""))),
    ("schema_to_xml", select(func.schema_to_xml("public", True, True, ""))),
]
"""For a Postgres built with libxml. Elsewhere they are refused, to superusers as well."""

UNIQUE: list[tuple[str, Any]] = [
    ("insert", insert(Tag).values(id=NEW, label="blue")),
    ("insert, core", insert(tag).values(id=NEW, label="blue")),
    ("insert of many", insert(Tag).values([{"id": NEW, "label": "blue"}])),
    ("update", update(Tag).values(label="blue")),
    ("do nothing", upsert_tag.on_conflict_do_nothing().returning(Tag.id)),
    ("upsert", replaced(["owner_id", "label"], upsert_tag, label="other").returning(Tag.label)),
    (
        "upsert without the owner",
        replaced(["label"], upsert_tag, label="other").returning(Tag.label),
    ),
]
"""A label that only Bob has is, for Ada, not taken."""

TAKEN: list[tuple[str, Any]] = [
    ("insert", insert(Task).values(id=BOBS_TASK, title="x")),
    ("insert, core", insert(task).values(id=BOBS_TASK, title="x", done=False)),
    ("update", update(Task).where(Task.id == ADAS_LOOSE_TASK).values(id=BOBS_TASK)),
    (
        "upsert on a foreign id",
        replaced(KEY, insert_task.values(id=BOBS_TASK, title="x"), title="x"),
    ),
    (
        "upsert on a foreign id, stealing it",
        replaced(KEY, insert_task.values(id=BOBS_TASK, title="x"), owner_id=ADA),
    ),
    (
        "upsert with a condition of text",
        insert_task.values(id=BOBS_TASK, title="x").on_conflict_do_update(
            index_elements=KEY, set_={"points": 0}, where=text("false or true")
        ),
    ),
    (
        "do nothing on a foreign id",
        insert_task.values(id=BOBS_TASK, title="x").on_conflict_do_nothing().returning(Task.title),
    ),
    ("link that is there already", insert(TaskTag).values(task_id=BOBS_TASK, tag_id=BOBS_TAG)),
]
"""An id that Bob has is, for Ada, not taken."""

RAW: list[tuple[str, str]] = [
    ("select", "SELECT * FROM task"),
    ("table", "TABLE task"),
    ("only", "SELECT * FROM ONLY public.task"),
    ("whole row", "SELECT t FROM task t"),
    ("row as text", "SELECT t::text FROM task t"),
    ("natural join", "SELECT title FROM task NATURAL JOIN (SELECT 77001 AS points) AS bobs"),
    ("join using", "SELECT title FROM task JOIN tasktag USING (owner_id)"),
    (
        "rows from",
        "SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY(SELECT title FROM task)))",
    ),
    ("values", f"VALUES ({ALL_TITLES})"),
    ("in an array", "SELECT ARRAY(SELECT title FROM task)"),
    ("row comparison", "SELECT * FROM task WHERE (owner_id, points) > (SELECT owner_id, 9)"),
    (
        "search of a recursive query",
        "WITH RECURSIVE t(id, n) AS (SELECT id, 0 FROM task UNION ALL"
        " SELECT task.id, n + 1 FROM t, task WHERE n < 2)"
        " SEARCH DEPTH FIRST BY id SET o SELECT * FROM t JOIN task USING (id)",
    ),
    ("cursor", "DECLARE c CURSOR FOR SELECT * FROM task"),
    ("copy out", "COPY (SELECT * FROM task) TO STDOUT"),
    ("copy of the table", "COPY task TO STDOUT"),
    ("copy in", "COPY task FROM STDIN"),
    ("temporary table", "CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT * FROM task"),
    ("select into", "SELECT * INTO TEMP mine FROM task"),
    ("temporary view", "CREATE TEMP VIEW mine AS SELECT * FROM task"),
    ("prepared", "PREPARE p AS DELETE FROM task"),
    (
        "explained",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) DELETE FROM task",
    ),
    (
        "merge: update",
        "MERGE INTO task USING project ON task.points > 9 WHEN MATCHED THEN UPDATE SET title = 'x'",
    ),
    ("merge: delete", "MERGE INTO task USING tag ON task.id <> tag.id WHEN MATCHED THEN DELETE"),
    (
        "merge: insert",
        "MERGE INTO tag USING task ON tag.label = task.title WHEN NOT MATCHED THEN"
        " INSERT (id, label) VALUES (gen_random_uuid(), task.title)",
    ),
    (
        "insert overriding",
        f"INSERT INTO tag (id, owner_id, label) OVERRIDING USER VALUE SELECT '{NEW}', '{BOB}', 'x'",
    ),
    ("insert default owner", f"INSERT INTO tag SELECT '{BOB}', '{NEW}', label FROM tag"),
    (
        "update with a whole row",
        "UPDATE task SET (title, points) ="
        " (SELECT title, points FROM task ORDER BY points DESC LIMIT 1)",
    ),
    ("delete using", "DELETE FROM task USING task AS t WHERE t.points > 9"),
    ("truncate", "TRUNCATE task CASCADE"),
    ("drop", "DROP TABLE tasktag"),
    ("lock", "LOCK TABLE task IN ACCESS EXCLUSIVE MODE"),
    ("disable the wall", "ALTER TABLE task DISABLE ROW LEVEL SECURITY"),
    ("drop the policy", "DROP POLICY visible ON task"),
    ("alter the policy", "ALTER POLICY visible ON task USING (true)"),
    ("one more policy", "CREATE POLICY mine ON task USING (true)"),
    ("grant", "GRANT ALL ON task TO PUBLIC"),
    ("rule", "CREATE RULE r AS ON UPDATE TO tag DO ALSO DELETE FROM task"),
    (
        "trigger",
        "CREATE TRIGGER t BEFORE UPDATE ON task"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ),
    ("view", "CREATE VIEW everything AS SELECT * FROM task"),
    (
        "function",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ TABLE task $$",
    ),
    ("schema", "CREATE SCHEMA mine"),
    ("alter the role", "ALTER ROLE CURRENT_USER BYPASSRLS"),
    (
        "statistics",
        "SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'task'",
    ),
    ("statistics of values", "SELECT stavalues1 FROM pg_statistic"),
    ("other people's queries", "SELECT query FROM pg_stat_activity WHERE query LIKE '%SECRET%'"),
    ("files of the server", "SELECT pg_read_file('PG_VERSION')"),
    ("a program of the server", "COPY tag FROM PROGRAM 'echo'"),
    (
        "leaky function in front of the policy",
        "SELECT count(*) FROM task WHERE 1 / (points - 77001) > 0",
    ),
    ("leaky cast in front of the policy", "SELECT count(*) FROM task WHERE title::uuid IS NULL"),
    ("leaky cast, ordered", "SELECT title::int FROM task ORDER BY points DESC"),
]
"""For the wall alone, one statement each: Postgres takes several only without parameters."""

# ---------------------------------------------------------------------------------------------
# Ways out of the wall: whoever can change the role or the user inside of a transaction is not
# bound any more, and no policy can help it. The door must not let such statements through.

IDENTITY = f"set_config('apiwright.user_id', '{BOB}', true)"


def become(setting: str, value: str) -> Any:
    return func.set_config(setting, value, True)


become_bob = become("apiwright.user_id", str(BOB))
becoming_bob = select(become_bob.label("who")).cte("becoming")


class BecomesBob(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return f"text) || {IDENTITY}::text || (''::text"


ESCAPES: list[tuple[str, Any]] = [
    # the user
    ("user", select(become_bob)),
    ("user, beside the rows", select(become_bob, task.c.title)),
    ("user, beside a model", select(Task, become_bob)),
    ("user, in a condition", select(Task).where(become_bob == str(BOB))),
    ("user, in a subquery", select(Task).where(select(become_bob).scalar_subquery() == str(BOB))),
    ("user, in an exists", select(Task).where(exists(select(literal(1)).where(become_bob != "")))),
    ("user, in a cte", select(Task.title, becoming_bob.c.who).join(becoming_bob, true())),
    (
        "user, in a cte that writes",
        select(task).add_cte(update(Tag).values(label="x").returning(become_bob).cte()),
    ),
    ("user, in a join", select(Country.name, Task.title).join(Task, become_bob == str(BOB))),
    ("user, in the order", select(Task).order_by(become_bob)),
    ("user, in a window", select(func.count(become_bob).over(), Task.title)),
    ("user, in a limit", select(Task).limit(func.length(become_bob))),
    ("user, in a group", select(func.count()).select_from(Task).group_by(become_bob)),
    ("user, in a having", select(Task.done).group_by(Task.done).having(become_bob == str(BOB))),
    ("user, in a case", select(Task, sa.case((become_bob == "", 1), else_=2))),
    ("user, in a cast", select(sa.cast(become_bob, sa.Uuid), Task.title)),
    ("user, in an aggregate", select(func.string_agg(become_bob, ",")).select_from(Task)),
    ("user, in a table function", select(func.unnest(pg.array([become_bob])).column_valued("who"))),
    (
        "user, as a table",
        select(
            task.c.title,
            become("apiwright.user_id", str(BOB)).table_valued("who").render_derived().c.who,
        ),
    ),
    ("user, in a lateral", select(Task.title, select(become_bob.label("x")).lateral("l").c.x)),
    (
        "user, in values",
        select(Task, sa.values(column("x", sa.String), name="v").data([(become_bob,)]).c.x),
    ),
    (
        "user, in a union",
        select(select(become_bob.label("x")).union_all(select(Task.title)).subquery()),
    ),
    ("user, for update", select(Task, become_bob).with_for_update(of=Task)),
    (
        "user, of pg_catalog",
        select(func.pg_catalog.set_config("apiwright.user_id", str(BOB), True)),
    ),
    ("user, in capitals", select(func.SET_CONFIG("apiwright.user_id", str(BOB), True))),
    (
        "user, by a quoted name",
        select(
            sa.Function(quoted_name("set_config", quote=True), "apiwright.user_id", str(BOB), True)
        ),
    ),
    (
        "user, for the whole connection",
        select(func.set_config("apiwright.user_id", str(BOB), False)),
    ),
    ("user, inserted with the owner", insert(Tag).values(id=NEW, label=become_bob, owner_id=BOB)),
    (
        "user, inserted by a select",
        insert(Tag).from_select(["id", "label"], select(literal(NEW), become_bob)),
    ),
    (
        "user, updated",
        update(Task).where(Task.id == ADAS_LOOSE_TASK).values(title=become_bob, owner_id=BOB),
    ),
    (
        "user, in the condition of an update",
        update(Task).where(Task.id == ADAS_LOOSE_TASK, become_bob == str(BOB)).values(owner_id=BOB),
    ),
    ("user, in the condition of a delete", delete(Task).where(become_bob == str(BOB))),
    ("user, returned by an update", update(Tag).values(label="x").returning(become_bob)),
    ("user, returned by a delete", delete(TaskTag).returning(become_bob)),
    (
        "user, in an upsert",
        replaced(
            KEY,
            insert_task.values(id=ADAS_LOOSE_TASK, title="x"),
            title=become_bob,
            owner_id=BOB,
        ),
    ),
    # the user, in a fragment
    ("fragment in a condition", select(Task).where(text(f"{IDENTITY} IS NOT NULL"))),
    ("fragment in the order", select(Task).order_by(text(IDENTITY))),
    ("fragment as a column", select(text(IDENTITY), task.c.title)),
    ("fragment as a literal column", select(literal_column(IDENTITY), task.c.title)),
    ("fragment as a table", select(text("1")).select_from(text(IDENTITY))),
    ("fragment in an operator", select(Task, literal("").op(f"|| {IDENTITY} ||")(""))),
    ("fragment in a prefix", select(task.c.title).prefix_with(text(f"{IDENTITY},"))),
    (
        "fragment in a suffix",
        select(task.c.title).suffix_with(text(f"OFFSET length({IDENTITY}) * 0")),
    ),
    (
        "fragment in a hint",
        select(task.c.title).with_statement_hint(f"OFFSET length({IDENTITY}) * 0"),
    ),
    ("fragment in a type", select(task.c.title, sa.cast("x", BecomesBob()))),
    (
        "fragment in a function's name",
        select(
            sa.Function(quoted_name(f"coalesce({IDENTITY}) || concat", quote=False), task.c.title)
        ),
    ),
    ("fragment in a table's name", select(in_quotes_of_our_own(f"{IDENTITY} AS x, task").c.title)),
    (
        "fragment in an extract",
        select(
            sa.extract(f"day from date '2026-01-01'), {IDENTITY}, (SELECT 1", func.now()),
            task.c.title,
        ),
    ),
    (
        "fragment in a set",
        update(Task)
        .where(Task.id == ADAS_LOOSE_TASK)
        .values(title=text(f"{IDENTITY}, owner_id = '{BOB}'")),
    ),
    (
        "fragment, cut by a comment",
        select(Task).where(text("set_config/**/('role', 'none', true) IS NOT NULL")),
    ),
    (
        "fragment, escaped",
        select(Task).where(text("U&\"set\\005fconfig\"('role', 'none', true) IS NOT NULL")),
    ),
    # the role
    ("role none", select(become("role", "none"))),
    ("role none, in a condition", select(Task).where(become("role", "none") == "none")),
    ("role of the system", select(become("role", "kit_tests_system"))),
    ("role of the login", select(become("role", "postgres"))),
    ("role, in capitals", select(become("ROLE", "none"))),
    ("session authorization", select(become("session_authorization", "postgres"))),
    # functions that run a statement which they are given
    (
        "ts_stat",
        select(column("word")).select_from(func.ts_stat(f"SELECT to_tsvector({IDENTITY})")),
    ),
    (
        "ts_rewrite",
        select(
            func.ts_rewrite(sa.cast("a", pg.TSQUERY), f"SELECT 'a'::tsquery, {IDENTITY}::tsquery")
        ),
    ),
    # a table that comes before ours
]

ESCAPES_BY_XML: list[tuple[str, Any]] = [
    ("query_to_xml", select(func.query_to_xml(f"SELECT {IDENTITY}", True, True, ""), task.c.title)),
    (
        "query_to_xml, first in a cte",
        select(
            func.query_to_xml(
                f"WITH w AS MATERIALIZED (SELECT {IDENTITY} AS x)"
                " SELECT title FROM w, task WHERE x <> ''",
                True,
                True,
                "",
            )
        ),
    ),
    (
        "query_to_xml, put together",
        select(
            func.query_to_xml(
                literal("SELECT set_con") + "fig('role', 'none', true)", True, True, ""
            )
        ),
    ),
    ("query_to_xmlschema", select(func.query_to_xmlschema(f"SELECT {IDENTITY}", True, True, ""))),
    (
        "query_to_xml_and_xmlschema",
        select(func.query_to_xml_and_xmlschema(f"SELECT {IDENTITY}", True, True, "")),
    ),
]
"""For a Postgres built with libxml."""

SECOND_STATEMENTS: list[tuple[str, Any]] = [
    (
        "second statement of a delete",
        delete(Task).where(text("false; RESET ROLE; DELETE FROM task")),
    ),
    (
        "second statement of an update",
        update(Task).values(title=text("title; RESET ROLE; UPDATE task SET title = 'x'")),
    ),
    (
        "second statement of an insert",
        insert(Tag).from_select(
            ["id", "label"],
            text("SELECT gen_random_uuid(), 'x'; RESET ROLE; DELETE FROM task").columns(
                column("id")
            ),
        ),
    ),
    ("second statement of a select", select(Task).where(text("true; RESET ROLE"))),
    (
        "second statement, transaction ended",
        delete(Task).where(text("false; COMMIT; DELETE FROM task")),
    ),
    ("second statement, other role", delete(Task).where(text("false; SET ROLE kit_tests_system"))),
    ("second statement, other user", delete(Task).where(text(f"false; SELECT {IDENTITY}"))),
]
"""Several statements in one: Postgres takes them when there are no parameters."""

settings_view = sa.table("pg_settings", column("name"), column("setting"))

LEFTOVERS: list[tuple[str, Any]] = [
    ("user", select(func.set_config("apiwright.user_id", str(BOB), False))),
    ("search path", select(func.set_config("search_path", "pg_catalog", False))),
    ("time limit", select(func.set_config("statement_timeout", "1", False))),
    ("read only", select(func.set_config("default_transaction_read_only", "on", False))),
    ("row security", select(func.set_config("row_security", "off", False))),
    ("advisory lock", select(func.pg_advisory_lock(7))),
    ("temporary table", select(literal_column("id INTO TEMP TABLE task")).select_from(country)),
    (
        "temporary table of users",
        select(literal_column("'' INTO TEMP TABLE \"user\"")).select_from(country),
    ),
    *[
        (
            f"{setting}, by the view of settings",
            update(settings_view).where(settings_view.c.name == setting).values(setting=value),
        )
        for setting, value in (
            ("search_path", "pg_catalog"),
            ("statement_timeout", "1"),
            ("default_transaction_read_only", "on"),
        )
    ],
    ("advisory lock, tried", select(func.pg_try_advisory_lock(7))),
    ("advisory lock, shared", select(func.pg_advisory_lock_shared(7))),
]
"""What would stay on a connection after its transaction."""

HINTS: list[tuple[str, Any]] = [
    (
        "estimated rows",
        select(column("reltuples"))
        .select_from(sa.table("pg_class", column("relname")))
        .where(column("relname") == "task"),
    ),
    ("size of the table", select(func.pg_relation_size("task"))),
    ("size of the table with its indexes", select(func.pg_total_relation_size("task"))),
    (
        "rows that statistics counted",
        select(column("n_live_tup"))
        .select_from(sa.table("pg_stat_user_tables", column("relname")))
        .where(column("relname") == "task"),
    ),
    (
        "statistics of a column",
        select(column("n_distinct"))
        .select_from(sa.table("pg_stats", column("tablename")))
        .where(column("tablename") == "task"),
    ),
]
"""What Postgres tells every role about whole tables."""
