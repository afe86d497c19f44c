import base64
from contextlib import suppress
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import FastAPI, Query
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, ValidationError
from sqlalchemy.orm import selectinload
from sqlmodel import col, insert, select

from apiwright.kit import problems
from apiwright.kit.database import Database
from apiwright.kit.pagination import Page, PageParams, PageQuery, decode_cursor, encode_cursor
from apiwright.kit.problems import Invalid
from tests.kit.conftest import TwoUsers
from tests.kit.models import Task

SOME = UUID("0193a0c2-7b1e-7abc-8def-0123456789ab")

app = FastAPI()
problems.install(app)


@app.get("/rows")
async def list_rows(page: PageParams) -> Page[int]:
    if page.cursor is not None:
        decode_cursor(page.cursor, UUID)
    return Page(items=list(range(page.limit)))


class RowsQuery(PageQuery):
    done: bool | None = None
    search: Annotated[str | None, StringConstraints(max_length=5)] = None
    sort: Literal["title", "-title"] = "-title"


@app.get("/filtered")
async def list_filtered(query: Annotated[RowsQuery, Query()]) -> Page[str]:
    return Page(items=[f"{query.done} {query.search} {query.sort}"])


client = TestClient(app)


@given(st.uuids())
def test_a_cursor_leads_back_to_its_row(last: UUID) -> None:
    assert decode_cursor(encode_cursor(last), UUID) == last


@given(st.integers(-(2**63), 2**63 - 1))
def test_so_does_one_of_a_table_with_numbers(last: int) -> None:
    assert decode_cursor(encode_cursor(last), int) == last


def test_a_cursor_of_the_other_kind_is_none() -> None:
    with pytest.raises(Invalid):
        decode_cursor(encode_cursor(5), UUID)
    with pytest.raises(Invalid):
        decode_cursor(encode_cursor(SOME), int)


@given(st.uuids())
def test_a_cursor_needs_no_escaping_in_a_url(last: UUID) -> None:
    assert encode_cursor(last).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "made up",
        "日本" * 11,
        "\ud800",
        "A" * 1_000_000,
        str(SOME),
        f" {encode_cursor(SOME)}",
        f"{encode_cursor(SOME)}==",
        f"!?{encode_cursor(SOME)}",  # base64 skips these
        f"{encode_cursor(SOME)[:-1]}t",  # the same bytes, other bits left over
        base64.b64encode(b"\xff\xfe" * 8).decode().rstrip("="),  # / and + in place of _ and -
    ],
)
def test_nothing_else_is_a_cursor(text: str) -> None:
    with pytest.raises(Invalid) as problem:
        decode_cursor(text, UUID)
    assert problem.value.errors is not None
    assert [error.field for error in problem.value.errors] == ["query.cursor"]


@given(st.text("AZaz09-_=+/ ", min_size=21, max_size=24) | st.text())
def test_what_is_read_as_a_cursor_is_one(text: str) -> None:
    with suppress(Invalid):
        assert encode_cursor(decode_cursor(text, UUID)) == text


def test_a_cursor_that_is_none_is_a_problem_that_does_not_repeat_it() -> None:
    answer = client.get("/rows", params={"cursor": "O'); DROP TABLE task"})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "DROP" not in answer.text


def test_twenty_rows_unless_asked_otherwise() -> None:
    assert len(client.get("/rows").json()["items"]) == 20
    assert len(client.get("/rows", params={"limit": 3}).json()["items"]) == 3


@pytest.mark.parametrize("limit", ["1", "100"])
def test_from_one_row_to_a_hundred(limit: str) -> None:
    assert len(client.get("/rows", params={"limit": limit}).json()["items"]) == int(limit)


@pytest.mark.parametrize("limit", ["0", "-1", "101", "9" * 5000, "1.5", "1e1", "ten", "", "NaN"])
def test_no_other_number_of_rows(limit: str) -> None:
    answer = client.get("/rows", params={"limit": limit})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["query.limit"]


def test_the_last_page_says_so_and_nothing_of_a_total_that_nobody_asked_for() -> None:
    assert client.get("/rows", params={"limit": 1}).json() == {"items": [0], "next_cursor": None}


def test_filters_and_the_order_stand_in_a_model_of_the_list() -> None:
    asked: dict[str, Any] = {
        "done": True,
        "search": "a",
        "sort": "title",
        "limit": 3,
        "count": False,
    }
    assert client.get("/filtered", params=asked).json()["items"] == ["True a title"]
    assert client.get("/filtered").json()["items"] == ["None None -title"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"doen": True}, "*"),
        ({"done": "maybe"}, "done"),
        ({"done": ""}, "done"),
        ({"search": "longer"}, "search"),
        ({"sort": "owner_id"}, "sort"),
        ({"sort": "-title, id"}, "sort"),
        ({"count": "all"}, "count"),
        ({"cursor": "A" * 6001}, "cursor"),
    ],
)
def test_what_the_model_does_not_say_is_a_problem(asked: dict[str, Any], field: str) -> None:
    answer = client.get("/filtered", params=asked)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [f"query.{field}"]


def test_a_list_without_filters_ignores_none_either() -> None:
    assert client.get("/rows", params={"done": True}).status_code == 422
    with pytest.raises(ValidationError):
        PageQuery(limt=3)  # type: ignore[call-arg]  # the mistake


def test_the_document_names_the_parameters_and_the_rows_type() -> None:
    document = client.get("/openapi.json").json()

    def parameters(path: str) -> dict[str, Any]:
        named = document["paths"][path]["get"]["parameters"]
        return {p["name"]: {**p["schema"], "required": p["required"]} for p in named}

    assert parameters("/rows").keys() == {"limit", "cursor", "count"}
    assert parameters("/rows")["limit"]["maximum"] == 100
    assert parameters("/filtered").keys() == {"limit", "cursor", "count", "done", "search", "sort"}
    assert parameters("/filtered")["sort"]["enum"] == ["title", "-title"]
    assert not any(parameter["required"] for parameter in parameters("/filtered").values())
    page = document["components"]["schemas"]["Page_int_"]["properties"]
    assert page["items"]["items"] == {"type": "integer"}
    assert page.keys() == {"items", "next_cursor", "total", "total_is_capped"}


@pytest.mark.anyio
async def test_pages_hold_every_row_once_though_rows_come_and_go(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(users.ada) as session:
        made = [await session.add(Task(title=f"{n}")) for n in range(7)]
    async with database.session(users.ada) as session:
        first = await session.page(select(Task), PageQuery(limit=3))
        assert first.items == made[:3:-1]
        await session.delete(first.items[-1])  # the row that the cursor names
        await session.add(Task(title="newer"))
        second = await session.page(select(Task), PageQuery(limit=3, cursor=first.next_cursor))
        third = await session.page(select(Task), PageQuery(limit=3, cursor=second.next_cursor))
    assert second.items + third.items == made[3::-1]
    assert third.next_cursor is None


@pytest.mark.anyio
async def test_a_full_last_page_has_no_next_one(database: Database, users: TwoUsers) -> None:
    async with database.session(users.ada) as session:
        for n in range(4):
            await session.add(Task(title=f"{n}"))
        first = await session.page(select(Task), PageQuery(limit=2))
        last = await session.page(select(Task), PageQuery(limit=2, cursor=first.next_cursor))
        assert (len(last.items), last.next_cursor) == (2, None)
        beyond = PageQuery(cursor=encode_cursor(last.items[-1].id))
        assert (await session.page(select(Task), beyond)).items == []


@pytest.mark.anyio
async def test_the_second_page_keeps_the_filter(database: Database, users: TwoUsers) -> None:
    done: Any = select(Task).where(col(Task.done))
    async with database.session(users.ada) as session:
        for n in range(6):
            await session.add(Task(title=f"{n}", done=n % 2 == 0))
        first = await session.page(done, PageQuery(limit=2))
        second = await session.page(done, PageQuery(limit=2, cursor=first.next_cursor))
    assert [task.title for task in first.items + second.items] == ["4", "2", "0"]


@pytest.mark.anyio
async def test_somebody_elses_cursor_shows_ones_own_rows(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(users.bob) as session:
        bobs = await session.add(Task(title="Bob's"))
    async with database.session(users.ada) as session:
        adas = [await session.add(Task(title="Ada's")) for _ in range(2)]
    async with database.session(users.bob) as session:
        page = await session.page(select(Task), PageQuery(cursor=encode_cursor(adas[1].id)))
    assert page.items == [bobs]


@pytest.mark.anyio
async def test_a_total_when_asked_for_is_of_the_whole_list(
    database: Database, users: TwoUsers
) -> None:
    async with database.session(users.bob) as session:
        await session.add(Task(title="Bob's"))
    query: Any = (
        select(Task).where(col(Task.done).is_(False)).options(selectinload(Task.tags))  # type: ignore[arg-type]  # SQLModel's relationships are not typed
    )
    async with database.session(users.ada) as session:
        for n in range(6):
            await session.add(Task(title=f"{n}", done=n == 0))
        first = await session.page(query, PageQuery(limit=2, count=True))
        second = await session.page(query, PageQuery(limit=2, count=True, cursor=first.next_cursor))
        assert (await session.page(query, PageQuery(limit=2))).total is None
    for page in (first, second):
        assert (len(page.items), page.total, page.total_is_capped) == (2, 5, False)


@pytest.mark.anyio
@pytest.mark.parametrize(("rows", "is_capped"), [(10_000, False), (10_001, True)])
async def test_counting_stops(
    database: Database, users: TwoUsers, rows: int, is_capped: bool
) -> None:
    async with database.session(users.ada) as session:
        await session.exec(insert(Task).values([{"title": "one of many"}] * rows))
        page = await session.page(select(Task), PageQuery(limit=1, count=True))
    assert (page.total, page.total_is_capped) == (10_000, is_capped)
    assert page.model_dump(exclude={"items", "next_cursor"}) == {
        "total": 10_000,
        "total_is_capped": is_capped,
    }
