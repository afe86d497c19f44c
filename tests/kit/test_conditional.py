import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from sqlmodel import SQLModel, col, select

from apiwright.kit import conditional, idempotency, logins, postgres_url, problems, safety
from apiwright.kit import database as databases
from apiwright.kit.conditional import Match
from apiwright.kit.database import Database
from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.session import Session
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import Tag, Task, TaskTag
from tests.kit.test_transactions import eventually

pytestmark = pytest.mark.anyio


class TaskUpdate(SQLModel):
    title: str | None = None
    done: bool | None = None


class TaskPublic(SQLModel):
    id: UUID
    title: str
    done: bool


async def changed(session: Session, task_id: UUID, data: TaskUpdate) -> Task:
    task = await session.get_one(Task, task_id)
    task.sqlmodel_update(data.model_dump(exclude_unset=True))
    return await session.add(task)


async def create_task(session: UserSession, title: str, match: Match) -> Task:
    return match.tag(await session.add(Task(title=title)))


async def list_tasks(session: UserSession, page: PageParams) -> Page[Task]:
    return await session.page(select(Task), page)


async def get_task(session: UserSession, task_id: UUID, match: Match) -> Task:
    return match.tag(await session.get_one(Task, task_id))


async def update_task(session: UserSession, task_id: UUID, data: TaskUpdate, match: Match) -> Task:
    await match.check(session, Task, task_id)
    return match.tag(await changed(session, task_id, data))


async def delete_task(session: UserSession, task_id: UUID, match: Match) -> None:
    await match.check(session, Task, task_id)
    await session.delete(await session.get_one(Task, task_id))


async def with_its_own_tag() -> Response:
    return Response("own", headers={"ETag": '"own"'})


async def secret() -> Response:
    return Response("secret", headers={"Cache-Control": "no-store"})


async def streamed() -> StreamingResponse:
    return StreamingResponse(iter(["a"]))


async def much() -> Response:
    return Response(b"x" * 1_000_001)


async def failing() -> Response:
    return Response("no", 404)


@pytest.fixture
def app(configured: Settings, database: Database) -> FastAPI:
    app = FastAPI()
    conditional.install(app)
    idempotency.install(app)
    databases.install(app)
    problems.install(app)
    safety.install(app, configured)
    logins.install(app, configured)
    app.get("/tasks", response_model=Page[TaskPublic])(list_tasks)
    app.post("/tasks", response_model=TaskPublic, status_code=201)(create_task)
    app.get("/tasks/{task_id}", response_model=TaskPublic)(get_task)
    app.patch("/tasks/{task_id}", response_model=TaskPublic)(update_task)
    app.delete("/tasks/{task_id}", status_code=204)(delete_task)
    for route in NOT_TAGGED:
        app.get(f"/{route.__name__}")(route)
    app.state.database = database
    return app


NOT_TAGGED: list[Callable[..., Any]] = [with_its_own_tag, secret, streamed, much, failing]


@pytest.fixture
async def client(app: FastAPI, users: TwoUsers) -> AsyncIterator[httpx2.AsyncClient]:
    """Ada's."""
    transport = httpx2.ASGITransport(app)
    headers = {"Authorization": f"Bearer {app.state.tokens.issue(users.ada).access_token}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as client:
        yield client


@pytest.fixture
async def task(client: httpx2.AsyncClient) -> str:
    """Where it is."""
    created = await client.post("/tasks", params={"title": "pay"})
    return f"/tasks/{created.json()['id']}"


async def title(client: httpx2.AsyncClient, task: str) -> str:
    said: str = (await client.get(task)).json()["title"]
    return said


def refused(answer: httpx2.Response) -> None:
    assert answer.status_code == 412, answer.text
    assert answer.headers["Content-Type"] == problems.MEDIA_TYPE
    assert "ETag" not in answer.headers


# reads


@pytest.mark.parametrize("path", ["/tasks", "task"])
async def test_what_has_not_changed_is_not_sent_again(
    client: httpx2.AsyncClient, task: str, path: str
) -> None:
    path = task if path == "task" else path
    first = await client.get(path)
    assert first.status_code == 200
    tag = first.headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag.removeprefix('W/')}", "*"):
        again = await client.get(path, headers={"If-None-Match": known})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["ETag"] == tag
        assert again.headers["Cache-Control"] == "private, no-cache"
        assert not {"content-type", "content-length"} & again.headers.keys()
    await client.patch(task, json={"title": "paid"})
    for known in (tag, '"other"', "x"):
        answer = await client.get(path, headers={"If-None-Match": known})
        assert answer.status_code == 200
        assert "paid" in answer.text
        assert answer.headers["ETag"] != tag


async def test_a_tag_that_no_row_stands_behind_is_weak(
    client: httpx2.AsyncClient, task: str
) -> None:
    assert re.fullmatch(r'W/"\w{24}"', (await client.get("/tasks")).headers["ETag"])
    assert re.fullmatch(r'"\w{24}-\w{24}"', (await client.get(task)).headers["ETag"])


async def test_an_answer_that_shows_more_than_its_row_is_sent_again_when_that_changes(
    app: FastAPI, client: httpx2.AsyncClient, task: str
) -> None:
    tags: list[str] = []

    @app.get("/tasks/{task_id}/tags")
    async def with_tags(session: UserSession, task_id: UUID, match: Match) -> list[str]:
        match.tag(await session.get_one(Task, task_id))
        return tags

    first = await client.get(f"{task}/tags")
    tags.append("urgent")
    again = await client.get(f"{task}/tags", headers={"If-None-Match": first.headers["ETag"]})
    assert again.json() == ["urgent"]
    # and yet the row is as it was
    same = {"If-Match": first.headers["ETag"]}
    assert (await client.patch(task, json={"done": True}, headers=same)).status_code == 200


@pytest.mark.parametrize("route", NOT_TAGGED)
async def test_what_is_not_for_the_client_to_keep_has_no_tag_of_ours(
    client: httpx2.AsyncClient, route: Callable[..., Any]
) -> None:
    answer = await client.get(f"/{route.__name__}", headers={"If-None-Match": "*"})
    assert answer.status_code in (200, 404)
    assert answer.content
    assert answer.headers.get("ETag") in (None, '"own"')


async def test_a_stream_begins_before_its_first_word(app: FastAPI, database: Database) -> None:
    begun = asyncio.Event()

    @app.get("/slow")
    async def slow() -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            await begun.wait()
            yield "a"

        return StreamingResponse(body())

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.set()

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/slow",
        "query_string": b"",
        "headers": [],
    }
    scope |= {"http_version": "1.1", "scheme": "http", "asgi": {"spec_version": "2.4"}}
    async with asyncio.timeout(5):
        await app(scope, receive, send)


# writes


async def test_a_row_that_is_as_the_client_knows_it_is_changed(
    client: httpx2.AsyncClient, task: str
) -> None:
    tag = (await client.get(task)).headers["ETag"]
    for number in range(3):  # each answer's tag is good for the next
        headers = {"If-Match": f'"another-one", {tag}'}
        answer = await client.patch(task, json={"title": f"{number}"}, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["ETag"] != tag
        tag = answer.headers["ETag"]
    assert (await client.get(task)).headers["ETag"] == tag
    assert (await client.delete(task, headers={"If-Match": tag})).status_code == 204


async def test_the_tag_of_what_was_created_is_the_tag_of_what_is_read(
    client: httpx2.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "k"}
    created = await client.post("/tasks", params={"title": "x"}, headers=key)
    again = await client.post("/tasks", params={"title": "x"}, headers=key)
    read = await client.get(f"/tasks/{created.json()['id']}")
    assert created.headers["ETag"] == again.headers["ETag"] == read.headers["ETag"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_row_that_was_changed_meanwhile_is_a_412_problem(
    client: httpx2.AsyncClient, task: str, method: str
) -> None:
    seen = {"If-Match": (await client.get(task)).headers["ETag"]}
    await client.patch(task, json={"title": "theirs"})
    refused(await client.request(method, task, json={"title": "mine"}, headers=seen))
    assert await title(client, task) == "theirs"


async def test_a_change_back_and_forth_is_a_change(client: httpx2.AsyncClient, task: str) -> None:
    seen = {"If-Match": (await client.get(task)).headers["ETag"]}
    for said in ("theirs", "pay"):
        await client.patch(task, json={"title": said})
    refused(await client.patch(task, json={"title": "mine"}, headers=seen))


async def test_a_change_of_what_the_answer_does_not_show_is_a_change(
    client: httpx2.AsyncClient, task: str, url: str
) -> None:
    seen = {"If-Match": (await client.get(task)).headers["ETag"]}
    connection = await postgres_url.connect(url)
    await connection.execute("UPDATE task SET points = 7")  # not even updated_at tells
    await connection.close()
    refused(await client.patch(task, json={"title": "mine"}, headers=seen))


@pytest.mark.parametrize("wrong", ["W/{}", "{}x", '"x"', "x", "weak", '"-"', '"a-b-c"'])
async def test_a_tag_that_is_weak_or_another_does_not_match(
    client: httpx2.AsyncClient, task: str, wrong: str
) -> None:
    tag = (await client.get(task)).headers["ETag"]
    if wrong == "weak":
        tag = wrong = (await client.get("/tasks")).headers["ETag"]
    sent = wrong.format(tag)
    if sent == f"{tag}x":
        sent = tag[:-1] + 'x-"'
    refused(await client.patch(task, json={"title": "mine"}, headers={"If-Match": sent}))
    assert await title(client, task) == "pay"


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
async def test_who_does_not_say_what_was_seen_changes_the_row_anyway(
    client: httpx2.AsyncClient, task: str, headers: dict[str, str]
) -> None:
    await client.patch(task, json={"title": "theirs"})
    answer = await client.patch(task, json={"title": "mine"}, headers=headers)
    assert answer.json()["title"] == "mine"


async def test_a_row_that_is_gone_or_anothers_is_not_there(
    app: FastAPI, client: httpx2.AsyncClient, task: str, users: TwoUsers
) -> None:
    seen = {"If-Match": (await client.get(task)).headers["ETag"]}
    bob = {"Authorization": f"Bearer {app.state.tokens.issue(users.bob).access_token}"}
    for headers in (seen | bob, {"If-Match": '"a-b"'} | bob):
        assert (await client.patch(task, json={}, headers=headers)).status_code == 404
    await client.delete(task)
    assert (await client.patch(task, json={}, headers=seen)).status_code == 404


async def test_of_many_who_saw_the_same_one_changes_it(
    client: httpx2.AsyncClient, task: str
) -> None:
    seen = {"If-Match": (await client.get(task)).headers["ETag"]}
    answers = await asyncio.gather(
        *(client.patch(task, json={"title": f"{n}"}, headers=seen) for n in range(20))
    )
    (changed,) = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} == {200, 412}
    assert await title(client, task) == changed.json()["title"]


async def test_between_the_check_and_the_change_nobody_else_changes_the_row(
    app: FastAPI, client: httpx2.AsyncClient, task: str, url: str
) -> None:
    superuser = await postgres_url.connect(url)
    theirs: list[asyncio.Task[str]] = []

    @app.put("/tasks/{task_id}", response_model=TaskPublic)
    async def slow(session: UserSession, task_id: UUID, match: Match) -> Task:
        await match.check(session, Task, task_id)
        update = superuser.execute("UPDATE task SET title = 'theirs'")
        theirs.append(asyncio.create_task(update))
        assert await eventually(lambda: is_waiting(url))
        return await changed(session, task_id, TaskUpdate(title="mine"))

    seen = {"If-Match": (await client.get(task)).headers["ETag"]}
    assert (await client.put(task, headers=seen)).json()["title"] == "mine"
    assert await theirs[0] == "UPDATE 1"
    assert await title(client, task) == "theirs"
    await superuser.close()


async def is_waiting(url: str) -> bool:
    connection: asyncpg.Connection = await postgres_url.connect(url)
    waiting = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
    await connection.close()
    return bool(waiting)


async def test_rows_with_a_key_of_two_columns_are_checked_too(
    app: FastAPI, client: httpx2.AsyncClient, database: Database, users: TwoUsers, task: str
) -> None:
    task_id = UUID(task.rpartition("/")[2])
    async with database.session(users.ada) as session:
        tag = await session.add(Tag(label="urgent"))
        await session.add(TaskTag(task_id=task_id, tag_id=tag.id))

    @app.delete("/links/{task_id}/{tag_id}", status_code=204)
    async def untag(session: UserSession, task_id: UUID, tag_id: UUID, match: Match) -> None:
        await match.check(session, TaskTag, (task_id, tag_id))
        ours = select(TaskTag).where(col(TaskTag.tag_id) == tag_id)
        await session.delete((await session.exec(ours)).one())

    link = f"/links/{task_id}/{tag.id}"
    refused(await client.delete(link, headers={"If-Match": '"a-b"'}))
    assert (await client.delete(link)).status_code == 204


# installed


async def test_the_document_declares_412_where_a_row_is_changed(app: FastAPI) -> None:
    declared = {
        (path, method)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if "412" in operation["responses"]
    }
    assert declared == {("/tasks/{task_id}", "patch"), ("/tasks/{task_id}", "delete")}


def test_a_route_whose_app_is_not_installed_says_so() -> None:
    app = FastAPI()

    @app.get("/")
    async def get(match: Match) -> None: ...

    with pytest.raises(RuntimeError, match=r"conditional\.install\(app\)"):
        TestClient(app).get("/")


def test_it_works_in_any_app() -> None:
    app = FastAPI()
    conditional.install(app)
    app.get("/")(lambda: "here")
    client = TestClient(app)
    tag = client.get("/").headers["ETag"]
    assert client.get("/", headers={"If-None-Match": tag}).status_code == 304
