"""Pages in every order, against Postgres' own ORDER BY."""

import base64
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from apiwright.kit import postgres_url
from apiwright.kit.database import Database
from apiwright.kit.identifiers import uuid7
from apiwright.kit.ordering import Order
from apiwright.kit.pagination import InvalidCursor, PageQuery
from apiwright.kit.session import Session
from apiwright.kit.statement import _Execution, page_of
from tests.kit.conftest import TwoUsers
from tests.kit.models import Parcel, Project, Tag, Task, Urgency

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FOREVER = datetime.max.replace(tzinfo=UTC)  # asyncpg makes infinity of it
VALUES: dict[str, list[Any]] = {
    "name": ["", "a", "A", "ä", "Z", "z z", "%_\\'\"\n\t", "\x01" * 200, "日本", "🐘" * 200],
    "code": [None, "", "a", "B", "_", "é"],
    "urgency": list(Urgency),
    "is_sent": [False, True],
    "size": [None, 0, -1, 1, 2**31 - 1, -(2**31)],
    "weight": [*map(Decimal, ["0", "0.01", "-1.50", "99999999.99", "NaN"])],
    "price": [None, Decimal("1E-10"), Decimal("1.0000000001"), Decimal("-12345678901234567890")],
    "height": [0.0, -0.0, 0.1, 1e-300, -1e300, float("inf"), float("-inf"), float("nan")],
    "made_at": [NOON, NOON + MICROSECOND, NOON.replace(1), FOREVER, FOREVER - MICROSECOND],
    "opened_at": [None, *(at.replace(tzinfo=None) for at in (NOON, NOON + MICROSECOND, FOREVER))],
    "due_on": [None, date(1, 1, 1), date(2026, 2, 28), date.max],
    "alarm": [None, time(), time(12, 0, 0, 1), time(23, 59, 59, 999999)],
    "group_id": [None, UUID(int=0), UUID(int=1), UUID(int=2**128 - 1)],
}  # fmt: skip


@pytest.fixture
async def session(database: Database, users: TwoUsers) -> AsyncIterator[Session]:
    async with database.session(users.ada) as session:
        yield session


async def pages(session: Session, query: Any, limit: int, sort: str | None = None) -> list[UUID]:
    """The ids of all rows, page by page."""
    found: list[UUID] = []
    cursor = None
    while True:
        page = await session.page(query, asked(limit=limit, sort=sort, cursor=cursor))
        found += [row.id for row in page.items]
        assert len({*found}) == len(found)
        assert len(page.items) == limit or page.next_cursor is None
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


class Sorted(PageQuery):
    sort: str | None = None


def asked(**values: Any) -> Sorted:
    return Sorted(**values)


# one order after another

KEYS = st.tuples(
    st.sampled_from([*VALUES, "id"]), st.booleans(), st.sampled_from([None, "first", "last"])
)


def clause(key: tuple[str, bool, str | None]) -> Any:
    name, descending, nulls = key
    made = getattr(Parcel, name).desc() if descending else getattr(Parcel, name).asc()
    return made if nulls is None else getattr(made, f"nulls_{nulls}")()


@pytest.fixture
async def parcels(session: Session, users: TwoUsers, url: str) -> None:
    """Rows with values that are often the same."""
    for n in range(60):
        chosen = {name: ones[(n * 7 + n // len(ones)) % len(ones)] for name, ones in VALUES.items()}
        await session.add(Parcel(**chosen))


@pytest.mark.anyio
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(keys=st.lists(KEYS, max_size=3), limit=st.integers(3, 30), is_sent=st.booleans())
async def test_pages_are_the_list_as_postgres_sorts_it(
    session: Session, parcels: None, keys: list[Any], limit: int, is_sent: bool
) -> None:
    query = select(Parcel).where(col(Parcel.is_sent) == is_sent)
    if keys:
        query = query.order_by(*map(clause, keys))
    last = not keys or keys[-1][1]
    whole = query.order_by(clause(("id", last, None)))
    expected = [row.id for row in await session.exec(whole)]
    assert await pages(session, query, limit) == expected


@pytest.mark.anyio
async def test_the_sort_of_a_query_is_a_column_of_the_model(
    session: Session, parcels: None
) -> None:
    for name in [*VALUES, "folded"]:
        for descending in (False, True):
            by = [clause((one, descending, None)) for one in (name, "id")]
            expected = [row.id for row in await session.exec(select(Parcel).order_by(*by))]
            sort = f"-{name}" if descending else name
            assert await pages(session, select(Parcel), 7, sort) == expected, sort


@pytest.mark.anyio
async def test_rows_that_come_and_go_shift_nothing(session: Session) -> None:
    made = [await session.add(Task(title=title)) for title in "bdfhjl"]
    query = asked(limit=2, sort="title")
    first = await session.page(select(Task), query)
    await session.delete(first.items[-1])  # the row that the cursor names
    await session.delete(made[4])
    await session.add(Task(title="a"))
    later = await session.add(Task(title="e"))
    rest = await session.page(select(Task), asked(sort="title", cursor=first.next_cursor))
    assert [row.id for row in rest.items] == [later.id, made[2].id, made[3].id, made[5].id]


@pytest.mark.anyio
async def test_equal_rows_are_told_apart_by_their_ids(session: Session) -> None:
    made = [(await session.add(Task(title="the same"))).id for _ in range(7)]
    assert await pages(session, select(Task), 2, "title") == made
    assert await pages(session, select(Task), 2, "-title") == made[::-1]


@pytest.mark.anyio
async def test_an_alias_is_paged_as_its_model_is(session: Session) -> None:
    made = [(await session.add(Task(title=title))).id for title in "cab"]
    other = aliased(Task)
    query = select(other).order_by(col(other.title))
    assert await pages(session, query, 1) == [made[1], made[2], made[0]]


@pytest.mark.anyio
async def test_oldest_first_is_by_the_id_too(session: Session) -> None:
    made = [(await session.add(Task(title="x"))).id for _ in range(3)]
    assert await pages(session, select(Task), 1, "id") == made
    assert await pages(session, select(Task), 1, "-id") == made[::-1]


@pytest.mark.parametrize(
    ("query", "sort", "says"),
    [
        (select(Task), "titel", "Task has no column to sort by 'titel'"),
        (select(Task), "--title", "has no column"),
        (select(Task), "project", "has no column"),
        (select(Task).order_by(col(Task.title)), "title", "one order"),
        (select(Task).order_by(func.lower(Task.title)), None, "is none"),
        (select(Task).join(Project).order_by(col(Project.name)), None, "columns of its model"),
        (select(Task).order_by(aliased(Task).title), None, "columns of its model"),
        (select(Task).order_by("title"), None, "columns of its model"),
        (select(Parcel), "note", "600 characters"),
    ],
)
def test_what_a_page_cannot_be_sorted_by_says_so_on_the_first_page(
    query: Any, sort: str | None, says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        page_of(query, asked(sort=sort), scoped=True)


# cursors


def parcel(**given: Any) -> Parcel:
    return Parcel(**({name: ones[-1] for name, ones in VALUES.items()} | {"id": uuid7()} | given))


def orders() -> list[Order]:
    signed = [sign + name for name in VALUES for sign in ("", "-")]
    return [
        *(Order(select(Parcel), sort) for sort in (*signed, "id", None)),
        Order(select(Parcel).order_by(col(Parcel.size).nulls_first()), None),
        Order(select(Parcel).order_by(col(Parcel.size), col(Parcel.name)), None),
        Order(select(Task), "title"),
        Order(select(Tag), "id"),
    ]


def test_a_cursor_is_of_one_list_in_one_order() -> None:
    every = orders()
    for one in every[:-2]:
        cursor = one.cursor(parcel())
        for other in every:
            if other is not one:
                with pytest.raises(InvalidCursor) as problem:
                    other.values(cursor)
                assert problem.value.status_code == 422


def test_a_cursor_fits_into_an_address() -> None:
    order = Order(select(Parcel).order_by(col(Parcel.name), col(Parcel.price)), None)
    row = parcel(name="\x01" * 200, price=Decimal("-12345678901234567890.1234567890"))
    assert Sorted(cursor=order.cursor(row)).cursor == order.cursor(row)
    assert len(order.cursor(parcel(name="🐘" * 200))) < 1200


@given(st.data())
def test_a_cursor_with_a_slip_is_none(data: st.DataObject) -> None:
    order = Order(select(Parcel), "name")
    cursor = order.cursor(parcel())
    at = data.draw(st.integers(0, len(cursor) - 1))
    slips = [cursor[:at], cursor[:at] + cursor[at + 1 :], cursor + cursor[at], cursor + "="]
    slips += [cursor[:at] + other + cursor[at + 1 :] for other in "Aw_-é\0" if other != cursor[at]]
    for slip in slips:
        with pytest.raises(InvalidCursor):
            order.values(slip)


def forged(order: Order, values: bytes) -> str:
    """A cursor of the right form with other values."""
    mark = zlib.crc32(values, order._seed).to_bytes(4)
    return base64.urlsafe_b64encode(mark + values).rstrip(b"=").decode()


SOME = str(UUID(int=7))


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("name", "a\0b"), ("name", None), ("name", 1), ("name", ["a"]), ("name", {}),
        ("urgency", "HIGH"), ("urgency", ""), ("is_sent", 1), ("is_sent", "yes"), ("is_sent", None),
        ("size", 2**31), ("size", -(2**31) - 1), ("size", 10**400), ("size", "1"), ("size", 1.0),
        ("weight", "1E+999999999"), ("weight", "1E-999999999"), ("weight", 1), ("weight", "x"),
        ("weight", "123456789.00"), ("weight", "1.001"), ("weight", "Infinity"), ("weight", "sNaN"),
        ("height", "1.0"), ("height", 10**400), ("height", None),
        ("made_at", "2026-01-31T12:00:00"), ("made_at", "2026-01-31T12:00:00+01:00"),
        ("made_at", "0001-01-01T00:00:00+14:00"), ("made_at", 0), ("made_at", "infinity"),
        ("opened_at", "2026-01-31T12:00:00Z"), ("due_on", "2026-02-30"), ("due_on", "now"),
        ("alarm", "12:00:00Z"), ("alarm", "24:00:00"), ("group_id", "7"), ("group_id", SOME[:-1]),
    ],
)  # fmt: skip
def test_what_a_column_cannot_hold_is_no_cursor(sort: str, value: Any) -> None:
    cursor = forged(Order(select(Parcel), sort), compact([value, SOME]))
    with pytest.raises(InvalidCursor):
        page_of(select(Parcel), asked(sort=sort, cursor=cursor), scoped=True)


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda below: st.lists(below, max_size=3),
    max_leaves=4,
)
WORDS = "high 1.5 NaN Infinity -0 1E+999 1E-999 9999-12-31 23:59:59 0001-01-01T00:00:00"
FITTING = (
    st.sampled_from([*WORDS.split(), SOME])
    | st.datetimes().map(lambda at: at.isoformat())
    | st.datetimes().map(lambda at: at.isoformat() + "Z")
    | st.dates().map(str)
    | st.decimals().map(str)
    | st.decimals(-(10**8), 10**8, places=2).map(str)
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats()
    | st.text()
    | st.booleans()
    | st.none()
)


@pytest.mark.anyio
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sort=st.sampled_from([*VALUES]), values=st.tuples(FITTING, st.just(SOME)) | JSON)
async def test_whatever_passes_for_a_cursor_is_a_proper_question(
    session: Session, sort: str, values: Any
) -> None:
    order = Order(select(Parcel), sort)
    raw = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    for written in (compact(values), raw):
        cursor = forged(order, written)
        with suppress(InvalidCursor):
            assert (await session.page(select(Parcel), asked(sort=sort, cursor=cursor))).items == []


# what Postgres does


async def plan(
    connection: asyncpg.Connection, database: Database, user: UUID, query: Any, page: PageQuery
) -> list[dict[str, Any]]:
    """The nodes of the plan, from the top, of a statement that Postgres has executed."""
    shape, values = page_of(query, page, scoped=True)
    text, arguments = shape._bind(_Execution(shape._arguments, values, user))
    await connection.execute(database.scope(user).begin)
    said = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", *arguments)
    await connection.execute("ROLLBACK")
    nodes = [json.loads(said)[0]["Plan"]]
    while "Plans" in nodes[-1]:
        nodes.append(nodes[-1]["Plans"][0])
    return nodes


SENT = select(Parcel).where(col(Parcel.is_sent).is_(True))
SEARCHED = select(Parcel).where(col(Parcel.name).icontains("9", autoescape=True))
INDEXED = [
    (select(Parcel), "name", "ix_parcel_owner_id_name_id"),
    (select(Parcel), "-name", "ix_parcel_owner_id_name_id"),
    (select(Parcel), "urgency", "ix_parcel_owner_id_urgency_id"),
    (select(Parcel), "-size", "ix_parcel_owner_id_size_id"),
    (SENT, "name", "ix_parcel_owner_id_is_sent_name_id"),
    (SEARCHED, "-name", "ix_parcel_owner_id_name_id"),
]  # fmt: skip


@pytest.mark.anyio
async def test_a_page_far_down_is_one_range_of_its_index(
    database: Database, users: TwoUsers, url: str
) -> None:
    connection = await postgres_url.connect(url)
    await connection.execute(
        "INSERT INTO parcel (id, owner_id, name, urgency, is_sent, size, weight, height)"
        f" SELECT lpad(to_hex(i), 32, '0')::uuid, '{users.ada}', 'number ' || i * 7919 % 100000,"
        " (ARRAY['high', 'low', 'none'])[1 + i % 3], i % 2 = 0, i * 7919 % 1000, 0, 0"
        " FROM generate_series(1, 100000) i"
    )
    await connection.execute("VACUUM ANALYZE parcel")
    async with database.session(users.ada) as session:
        for query, sort, index in INDEXED:
            order = Order(query, sort)
            far = query.order_by(*order.clauses).offset(30_000).limit(1)
            found = (await session.exec(far)).first() or (await session.exec(query)).first()
            for cursor in (None, order.cursor(found)):
                page = asked(sort=sort, cursor=cursor)
                nodes = await plan(connection, database, users.ada, query, page)
                assert [node["Node Type"] for node in nodes] == ["Limit", "Result", "Index Scan"]
                assert nodes[-1]["Index Name"] == index
                assert nodes[-1].get("Rows Removed by Filter", 0) < 1000
                assert cursor is None or "ROW(" in nodes[-1]["Index Cond"]
        mixed = select(Parcel).order_by(col(Parcel.urgency), col(Parcel.name).desc())
        page = asked(cursor=Order(mixed, None).cursor(found))
        nodes = await plan(connection, database, users.ada, mixed, page)
        assert ">=" in nodes[-1]["Index Cond"]
    await connection.close()
