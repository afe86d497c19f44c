"""Values travel in and out exactly as in SQLAlchemy's own session on the same tables."""

import datetime as dt
import enum
import types
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import Column, Computed, Identity, Sequence, func, select
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

from apiwright.kit import postgres_url
from apiwright.kit.database import Database
from tests.kit.conftest import Settings
from tests.postgres import new_database

pytestmark = pytest.mark.anyio

UTC = dt.UTC
FIVE_EAST = dt.timezone(dt.timedelta(hours=5))


class Unowned(SQLModel, registry=registry()):
    """These tables are nobody's: here it is types that matter, not rows. A registry of their own
    keeps them out of the other tests' databases."""


class Color(enum.Enum):
    red = "r"
    blue = "b"


class Level(enum.IntEnum):
    low = 1
    high = 2


class Backwards(sa.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[::-1]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[::-1] + "!"


class NoneIsZero(sa.TypeDecorator[int]):
    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return 0 if value is None else value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return "none" if value is None else value


class LowerInside(sa.TypeDecorator[str]):
    """Converted by SQL, not by Python."""

    impl = sa.String
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        return func.lower(bindvalue)

    def column_expression(self, column: Any) -> Any:
        return func.upper(column)


class JSONText(sa.TypeDecorator[Any]):
    """Over JSON, as many projects have it."""

    impl = pg.JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else {"wrapped": value}

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value["wrapped"]


A_UUID = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
NEW_YEAR = dt.datetime(2026, 1, 1, 0, 0, 0, 5)  # noqa: DTZ001  # naive on purpose

TYPES: dict[str, tuple[Any, list[Any]]] = {
    "uuid": (sa.Uuid(), [A_UUID, str(A_UUID), None, "no uuid"]),
    "uuid as text": (sa.Uuid(as_uuid=False), [str(A_UUID), A_UUID, None]),
    "uuid not native": (sa.Uuid(native_uuid=False), [A_UUID, None]),
    "enum": (sa.Enum(Color, name="color"), [Color.red, "red", "r", None]),
    "enum by its values": (
        sa.Enum(
            Color,
            native_enum=False,
            length=9,
            values_callable=lambda members: [member.value for member in members],
        ),
        [Color.blue, "b", "blue", None],
    ),
    "enum not native": (sa.Enum(Color, native_enum=False), [Color.blue, None]),
    "enum of texts": (sa.Enum("x", "y", name="xy"), ["x", "z", None]),
    "enum of integers": (sa.Enum(Level, name="level"), [Level.high, None]),
    "json": (
        sa.JSON(),
        [{"a": [1, None, "é", {"b": {}}]}, [1], [], {}, None, sa.null(), "text", 1, 1.5, True],
    ),
    "json, none is null": (sa.JSON(none_as_null=True), [{"a": None}, None, sa.JSON.NULL]),
    "jsonb": (pg.JSONB(), [{"b": 1, "a": [1, {"c": None}]}, [], None, sa.null(), "text", 1.5]),
    "json or jsonb": (sa.JSON().with_variant(pg.JSONB(), "postgresql"), [{"z": 1}, None]),
    "json that is watched": (MutableDict.as_mutable(pg.JSONB()), [{"a": {"b": 1}}, None]),
    "list that is watched": (MutableList.as_mutable(pg.ARRAY(sa.Integer)), [[1, 2], None]),
    "array": (pg.ARRAY(sa.Integer), [[1, 2, None], [], None]),
    "array of texts": (sa.ARRAY(sa.String), [["a", "b'", '"', "{,}"], None]),
    "array of enums": (pg.ARRAY(sa.Enum(Color, name="color")), [[Color.red, Color.blue], None]),
    "array of arrays": (pg.ARRAY(sa.Integer, dimensions=2), [[[1, 2], [3, 4]], None]),
    "array of uuids": (pg.ARRAY(sa.Uuid()), [[A_UUID], [], None]),
    "array of decimals": (pg.ARRAY(sa.Numeric(8, 2)), [[Decimal("1.50"), None], None]),
    "array of json": (pg.ARRAY(pg.JSONB()), [[{"a": 1}, []], None]),
    "array of times": (pg.ARRAY(sa.DateTime(timezone=True)), [[NEW_YEAR.replace(tzinfo=UTC)]]),
    "array as a tuple": (pg.ARRAY(sa.Integer, as_tuple=True), [(1, 2), None]),
    "numeric": (sa.Numeric(12, 4), [Decimal("1.2300"), Decimal(-5), 3, 1.5, "7.5", None]),
    "numeric without scale": (sa.Numeric(), [Decimal("1e30"), Decimal("1.10"), Decimal("NaN")]),
    "numeric as float": (sa.Numeric(12, 4, asdecimal=False), [1.5, Decimal("1.5"), None]),
    "numeric too large": (sa.Numeric(4, 2), [Decimal("123.45")]),
    "float": (sa.Float(), [1.25, 1, float("inf"), None]),
    "double": (sa.Double(), [1e300, None]),
    "float as decimal": (sa.Float(asdecimal=True), [Decimal("1.5"), 2.5, None]),
    "real": (sa.REAL(), [1.1, None]),
    "utc datetime": (
        UTCDateTime(),
        [NEW_YEAR.replace(tzinfo=UTC), NEW_YEAR.replace(tzinfo=FIVE_EAST), NEW_YEAR, None],
    ),
    "datetime with zone": (
        sa.DateTime(timezone=True),
        [NEW_YEAR.replace(tzinfo=UTC), NEW_YEAR.replace(tzinfo=FIVE_EAST), NEW_YEAR, None],
    ),
    "datetime": (sa.DateTime(), [NEW_YEAR, NEW_YEAR.replace(tzinfo=UTC), None]),
    "datetime, far off": (sa.DateTime(), [dt.datetime.min, dt.datetime.max]),  # noqa: DTZ901
    "date": (sa.Date(), [dt.date(2026, 2, 3), "2026-02-03", NEW_YEAR, None]),
    "time": (sa.Time(), [dt.time(1, 2, 3, 4), None]),
    "time with zone": (sa.Time(timezone=True), [dt.time(1, 2, tzinfo=UTC), None]),
    "interval": (sa.Interval(), [dt.timedelta(days=3, seconds=1, microseconds=5), None]),
    "postgres interval": (pg.INTERVAL(), [dt.timedelta(hours=-5), None]),
    "bytes": (sa.LargeBinary(), [b"\x00\xff", b"", "text", None]),
    "boolean": (sa.Boolean(), [True, False, 1, 0, None, "yes"]),
    "small integer": (sa.SmallInteger(), [5, 2**15, None]),
    "integer": (sa.Integer(), [2**31 - 1, -(2**31), 2**31, "5", True, 1.5, None]),
    "big integer": (sa.BigInteger(), [2**63 - 1, -(2**63), 2**63, None]),
    "text": (sa.Text(), ["é\U0001f600", "", "a'b\"c\\d\n", None]),
    "string": (sa.String(), ["a\x00b", 5]),
    "string of a length": (sa.String(3), ["abc", "abcd"]),
    "char": (sa.CHAR(5), ["ab", None]),
    "decorated": (Backwards(), ["abc", "", None]),
    "decorated, none included": (NoneIsZero(), [5, None]),
    "decorated by sql": (LowerInside(), ["AbC", None]),
    "decorated json": (JSONText(), [["a"], "b", None]),
    "pickled": (sa.PickleType(), [{"a": {1}}, None]),
    "inet": (pg.INET(), ["10.0.0.1", "::1/64", None]),
    "cidr": (pg.CIDR(), ["10.0.0.0/8", None]),
    "macaddr": (pg.MACADDR(), ["08:00:2b:01:02:03", None]),
    "range of integers": (pg.INT4RANGE(), [pg.Range(1, 5), pg.Range(empty=True), None]),
    "range of dates": (pg.DATERANGE(), [pg.Range(dt.date(2026, 1, 1), None), None]),
    "range of times": (pg.TSTZRANGE(), [pg.Range(NEW_YEAR.replace(tzinfo=UTC), None)]),
    "ranges": (pg.INT4MULTIRANGE(), [[pg.Range(1, 5), pg.Range(7, 9)], [], None]),
    "bits": (pg.BIT(4), ["1010", None]),
    "text search": (pg.TSVECTOR(), ["'a':1", None]),
    "oid": (pg.OID(), [5, None]),
}


def model_of(name: str, kind: Any) -> Any:
    """A table with one column of a type."""

    def body(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = {"id": int | None, "value": Any}
        namespace["__module__"] = __name__
        namespace["__tablename__"] = "of_" + name.replace(" ", "_").replace(",", "")
        namespace["id"] = Field(
            default=None, sa_column=Column(sa.Integer, Identity(), primary_key=True)
        )
        namespace["value"] = Field(default=None, sa_column=Column(kind))

    return types.new_class(name.title().replace(" ", ""), (Unowned,), {"table": True}, body)


MODELS = {name: model_of(name, kind) for name, (kind, _) in TYPES.items()}


class Filled(Unowned, table=True):
    """Columns that something else fills."""

    id: int | None = Field(default=None, sa_column=Column(sa.Integer, Identity(), primary_key=True))
    name: str
    quantity: int = 1
    constant: int | None = Field(default=None, sa_column=Column(sa.Integer, default=7, onupdate=8))
    called: str | None = Field(
        default=None,
        sa_column=Column(sa.String, default=lambda: "made", onupdate=lambda: "made again"),
    )
    by_sql: str | None = Field(
        default=None,
        sa_column=Column(sa.String, default=func.upper("made"), onupdate=func.lower("AGAIN")),
    )
    by_server: str | None = Field(
        default=None, sa_column=Column(sa.String, server_default=sa.text("'server'"))
    )
    number: int | None = Field(
        default=None, sa_column=Column(sa.Integer, Sequence("number_seq", start=100))
    )
    double: int | None = Field(
        default=None, sa_column=Column(sa.Integer, Computed("quantity * 2", persisted=True))
    )
    typed: Decimal | None = Field(
        default=None, sa_column=Column(sa.Numeric(8, 3), default=Decimal("1.5"))
    )
    colored: Color | None = Field(
        default=None, sa_column=Column(sa.Enum(Color, name="color"), default=Color.blue)
    )
    listed: Any = Field(default=None, sa_column=Column(pg.JSONB, default=list))
    factory: UUID = Field(default_factory=lambda: A_UUID)
    renamed: str | None = Field(
        default=None, sa_column=Column("other_name", sa.String, default="r")
    )


class Told(Unowned, table=True):
    """A column that is filled from the others."""

    id: int | None = Field(default=None, sa_column=Column(sa.Integer, Identity(), primary_key=True))
    name: str
    told: str | None = Field(
        default=None,
        sa_column=Column(
            sa.String,
            default=lambda context: context.get_current_parameters()["name"] + "?",
            onupdate=lambda context: "!".join(sorted(context.get_current_parameters())),
        ),
    )


# ---------------------------------------------------------------------------------------------
# The two sessions


@dataclass(frozen=True)
class Two:
    ours: Database
    theirs: AsyncEngine
    raw: asyncpg.Connection

    async def write_ours(self, row: Any) -> Any:
        async with self.ours.session(None) as session:
            return await session.add(row)

    async def write_theirs(self, row: Any) -> Any:
        async with AsyncSession(self.theirs, expire_on_commit=False) as session:
            session.add(row)
            await session.commit()
            await session.refresh(row)
            return row

    async def rows_ours(self, statement: Any) -> list[Any]:
        async with self.ours.session(None) as session:
            rows: list[Any] = (await session.exec(statement)).all()
            return rows

    async def rows_theirs(self, statement: Any) -> list[Any]:
        async with AsyncSession(self.theirs, expire_on_commit=False) as session:
            result = await session.execute(statement)
            rows = list(result.all()) if getattr(result, "returns_rows", True) else []
            await session.commit()
            return rows

    async def stored(self, model: Any, *ids: int | None) -> list[dict[str, Any]]:
        """The rows as Postgres writes them."""
        table = model.__table__
        columns = ", ".join(f"{column.name}::text" for column in table.c if column.name != "id")
        query = f"SELECT {columns} FROM {table.name} WHERE id = ANY ($1) ORDER BY id"
        return [dict(row) for row in await self.raw.fetch(query, list(ids))]


@pytest.fixture(scope="module")
def typed_url(server: str, template: str) -> Iterator[str]:
    with new_database(server, template) as url:
        yield url


@pytest.fixture(scope="module")
async def two(typed_url: str) -> AsyncIterator[Two]:
    async def connect() -> asyncpg.Connection:
        return await postgres_url.connect(typed_url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    async with engine.begin() as connection:
        await connection.run_sync(Unowned.metadata.create_all)
        for kind in ("TABLES", "SEQUENCES"):
            grant = f"GRANT ALL ON ALL {kind} IN SCHEMA public TO kit_tests_user"
            await connection.exec_driver_sql(grant)
    configured = Settings(fastapi_env="development", database_url=SecretStr(typed_url))
    database = Database(typed_url, configured)
    raw = await connect()
    yield Two(database, engine, raw)
    await raw.close()
    await database.close()
    await engine.dispose()


# ---------------------------------------------------------------------------------------------
# Values


each_value = pytest.mark.parametrize(
    ("model", "value"),
    [
        pytest.param(MODELS[name], value, id=f"{name}: {value!r:.40}")
        for name, (_, values) in TYPES.items()
        for value in values
    ],
)


REFUSED = "refused"


async def attempt(work: Any) -> Any:
    try:
        return await work
    except Exception:
        return REFUSED


@each_value
async def test_a_value_is_written_and_read_as_sqlalchemy_does_it(
    two: Two, model: Any, value: Any
) -> None:
    theirs = await attempt(two.write_theirs(model(value=value)))
    ours = await attempt(two.write_ours(model(value=value)))
    if theirs == REFUSED:
        assert ours == REFUSED
        return
    assert ours != REFUSED
    ids = (theirs.id, ours.id)
    by_theirs, by_ours = await two.stored(model, *ids)
    assert by_ours == by_theirs
    wanted = repr(theirs.value)
    assert repr(ours.value) == wanted
    for row_id in ids:
        one = select(model).where(model.id == row_id)
        column = select(model.__table__.c.value).where(model.__table__.c.id == row_id)
        assert repr((await two.rows_theirs(one))[0][0].value) == wanted
        assert repr((await two.rows_ours(one))[0][0].value) == wanted
        assert repr((await two.rows_ours(column))[0][0]) == wanted
        async with two.ours.session(None) as session:
            assert repr((await session.get_one(model, row_id)).value) == wanted


@each_value
async def test_a_value_is_compared_as_sqlalchemy_does_it(two: Two, model: Any, value: Any) -> None:
    for condition in (
        model.value == value,
        model.value.in_([value]),
        model.value.is_distinct_from(value),
    ):
        statement = select(model.id).where(condition).order_by(model.id)
        theirs = await attempt(two.rows_theirs(statement))
        assert repr(await attempt(two.rows_ours(statement))) == repr(theirs)


@each_value
async def test_a_value_is_changed_and_returned_as_sqlalchemy_does_it(
    two: Two, model: Any, value: Any
) -> None:
    inserted = sa.insert(model).values(value=value).returning(model.id, model.value)
    theirs = await attempt(two.rows_theirs(inserted))
    ours = await attempt(two.rows_ours(inserted))
    if theirs == REFUSED:
        assert ours == REFUSED
        return
    assert repr(ours[0][1]) == repr(theirs[0][1])
    for rows, run in ((theirs, two.rows_theirs), (ours, two.rows_ours)):
        changed = sa.update(model).where(model.id == rows[0][0]).values(value=value)
        assert repr((await run(changed.returning(model.value)))[0][0]) == repr(theirs[0][1])
    by_theirs, by_ours = await two.stored(model, theirs[0][0], ours[0][0])
    assert by_ours == by_theirs


async def test_a_loaded_value_that_is_set_to_none_becomes_what_sqlalchemy_makes_of_it(
    two: Two,
) -> None:
    for name in ("json", "json, none is null", "jsonb", "decorated, none included", "array"):
        model = MODELS[name]
        first = TYPES[name][1][0]
        theirs = await two.write_theirs(model(value=first))
        async with AsyncSession(two.theirs) as session:
            row = await session.get_one(model, theirs.id)
            row.value = None
            await session.commit()
        ours = await two.write_ours(model(value=first))
        async with two.ours.session(None) as kits:
            row = await kits.get_one(model, ours.id)
            row.value = None
            await kits.add(row)
        by_theirs, by_ours = await two.stored(model, theirs.id, ours.id)
        assert (name, by_ours) == (name, by_theirs)


@pytest.mark.parametrize(
    ("name", "noticed"),
    [("json that is watched", True), ("list that is watched", True), ("jsonb", False)],
)
async def test_a_change_in_place_is_noticed_where_sqlalchemy_notices_it(
    two: Two, name: str, noticed: bool
) -> None:
    model = MODELS[name]
    value: Any = [1, 2] if "list" in name else {"a": 1}

    def change(row: Any) -> None:
        if "list" in name:
            row.value.append(3)
        else:
            row.value["b"] = 2

    theirs = await two.write_theirs(model(value=value))
    async with AsyncSession(two.theirs) as session:
        change(await session.get_one(model, theirs.id))
        await session.commit()
    ours = await two.write_ours(model(value=value))
    async with two.ours.session(None) as kits:
        row = await kits.get_one(model, ours.id)
        change(row)
        await kits.add(row)
    by_theirs, by_ours = await two.stored(model, theirs.id, ours.id)
    assert by_ours == by_theirs
    assert ("3" in str(by_ours) or "b" in by_ours["value"]) is noticed


# ---------------------------------------------------------------------------------------------
# Columns that something else fills

FILLED = {
    "nothing given": {},
    "a constant given": {"constant": 1},
    "a called one given": {"called": "given"},
    "one by sql given": {"by_sql": "given"},
    "one by the server given": {"by_server": "given"},
    "a number given": {"number": 1},
    "all given": {
        "quantity": 3,
        "constant": 1,
        "called": "c",
        "by_sql": "s",
        "by_server": "v",
        "number": 2,
        "typed": Decimal("2.5"),
        "colored": Color.red,
        "listed": [1],
        "renamed": "x",
    },
}


def without_numbers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A sequence goes on by one for each."""
    for row in rows:
        if row["number"] and int(row["number"]) >= 100:
            row["number"] = "the next"
    return rows


def seen(row: Filled) -> dict[str, Any]:
    (values,) = without_numbers([row.model_dump(exclude={"id"})])
    return values


@pytest.mark.parametrize("given", FILLED.values(), ids=FILLED)
async def test_a_new_row_is_filled_as_sqlalchemy_does_it(two: Two, given: dict[str, Any]) -> None:
    theirs = await two.write_theirs(Filled(name="n", **given))
    ours = await two.write_ours(Filled(name="n", **given))
    assert seen(ours) == seen(theirs)
    by_theirs, by_ours = without_numbers(await two.stored(Filled, theirs.id, ours.id))
    assert by_ours == by_theirs


@pytest.mark.parametrize("change", FILLED.values(), ids=FILLED)
async def test_a_changed_row_is_filled_as_sqlalchemy_does_it(
    two: Two, change: dict[str, Any]
) -> None:
    change = {"name": "changed", **change}
    theirs, ours = [await two.write_theirs(Filled(name="n")) for _ in range(2)]
    async with AsyncSession(two.theirs, expire_on_commit=False) as session:
        row = await session.get_one(Filled, theirs.id)
        row.sqlmodel_update(change)
        await session.commit()
        await session.refresh(row)
        theirs = row
    async with two.ours.session(None) as kits:
        row = await kits.get_one(Filled, ours.id)
        row.sqlmodel_update(change)
        ours = await kits.add(row)
    assert seen(ours) == seen(theirs)
    by_theirs, by_ours = without_numbers(await two.stored(Filled, theirs.id, ours.id))
    assert by_ours == by_theirs


async def test_a_default_that_looks_at_the_row_is_told_what_sqlalchemy_tells_it(two: Two) -> None:
    theirs = await two.write_theirs(Told(name="n"))
    ours = await two.write_ours(Told(name="n"))
    assert ours.told == theirs.told


filled_table = Unowned.metadata.tables["filled"]
filled = sa.insert(Filled)
upserted = pg.insert(Filled).values(id=1, name="n", quantity=1, factory=A_UUID)
MADE_BY_STATEMENTS: dict[str, Any] = {
    "insert": filled.values(name="n", quantity=1, factory=A_UUID),
    "insert, core": sa.insert(filled_table).values(name="n", quantity=1, factory=A_UUID),
    "insert of many": filled.values(
        [{"name": name, "quantity": 1, "factory": A_UUID} for name in ("one", "two", "three")]
    ),
    "insert from select": filled.from_select(
        ["name", "quantity", "factory"],
        select(sa.literal("n"), sa.literal(5), sa.literal(A_UUID)),
    ),
    "update": sa.update(Filled).values(quantity=9),
    "update, core": sa.update(filled_table).values(quantity=9),
    "update by an expression": sa.update(Filled).values(quantity=Filled.quantity + 1),
    "update of a called one": sa.update(Filled).values(called="given"),
    "upsert": upserted.on_conflict_do_update(index_elements=["id"], set_={"name": "upserted"}),
    "upsert, excluded": upserted.on_conflict_do_update(
        index_elements=["id"], set_={"called": upserted.excluded.called}
    ),
}


@pytest.mark.parametrize("statement", MADE_BY_STATEMENTS.values(), ids=MADE_BY_STATEMENTS)
@pytest.mark.parametrize("returning", [False, True], ids=["", "returning"])
async def test_a_statement_fills_rows_as_sqlalchemy_does_it(
    two: Two, statement: Any, returning: bool
) -> None:
    if returning:
        statement = statement.returning(*filled_table.c)
    answers = []
    for run in (two.rows_theirs, two.rows_ours):
        await two.raw.execute(
            "TRUNCATE filled RESTART IDENTITY; ALTER SEQUENCE number_seq RESTART;"
            "INSERT INTO filled (id, name, quantity, factory)"
            f" OVERRIDING SYSTEM VALUE VALUES (1, 'before', 2, '{A_UUID}');"
            "ALTER TABLE filled ALTER id RESTART WITH 50"
        )
        returned = [tuple(row) for row in await run(statement)]
        rows = [dict(row) for row in await two.raw.fetch("SELECT * FROM filled ORDER BY id")]
        answers.append((returned, rows))
    theirs, ours = answers
    assert ours == theirs
