import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.testclient import TestClient
from pydantic import SecretStr
from redis import Redis

from apiwright.errors import ApiwrightError
from apiwright.kit import health, limits, logins, problems
from apiwright.kit.identifiers import uuid7
from apiwright.kit.limits import Attempts, Limit, LoginAttempts, LoginLimit, _Window
from apiwright.kit.problems import Unauthorized, Unavailable
from tests.kit.conftest import Settings
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

# Windows begin with the clock: those of tests are long, so that none ends in the middle of one.
HOME, OFFICE = ("192.0.2.1", 1000), ("198.51.100.1", 1000)
RIGHT, WRONG = "correct horse battery", "hunter22"


def settings(rate_limit: str = "off", **more: Any) -> Settings:  # Any: as pydantic's own
    return Settings(
        fastapi_env="development",
        secret_key=SecretStr("k" * 32),
        rate_limit=rate_limit,
        **more,
    )


def app_of(configured: Settings) -> FastAPI:
    app = FastAPI()
    problems.install(app)
    logins.install(app, configured)
    limits.install(app, configured)
    app.include_router(health.router)

    @app.get("/")
    async def root() -> str:
        return "here"

    return app


def client_of(app: FastAPI, client: tuple[str, int] = HOME, **more: Any) -> TestClient:
    return TestClient(app, client=client, **more)


def statuses(client: TestClient, times: int, path: str = "/", **more: Any) -> list[int]:
    return [client.get(path, **more).status_code for _ in range(times)]


# every request


def test_every_answer_says_what_is_left() -> None:
    client = client_of(app_of(settings("3/day")))
    for left in (2, 1, 0):
        earliest = int(time.time())
        answer = client.get("/")
        latest = int(time.time())
        assert answer.headers["RateLimit-Policy"] == '"default";q=3;w=86400'
        state, _, wait = answer.headers["RateLimit"].partition(";t=")
        assert state == f'"default";r={left}'
        assert 86400 - latest % 86400 <= int(wait) <= 86400 - earliest % 86400, "till midnight"


def test_one_too_many_is_a_problem_that_says_when_to_come_again() -> None:
    client = client_of(app_of(settings("1/day")))
    client.get("/")
    refused = client.get("/")
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == problems.MEDIA_TYPE
    assert refused.json()["title"] == "Too Many Requests"
    assert refused.headers["RateLimit"].startswith('"default";r=0;t=')
    assert refused.headers["Retry-After"] == refused.headers["RateLimit"].partition(";t=")[2]


def test_the_document_says_that_there_may_be_too_many() -> None:
    paths = client_of(app_of(settings())).get("/openapi.json").json()["paths"]
    assert "429" in paths["/"]["get"]["responses"]


def test_a_window_ends() -> None:
    client = client_of(app_of(settings("1/second")))
    while client.get("/").status_code == 200:
        pass
    time.sleep(1)  # which is what Retry-After said
    assert client.get("/").status_code == 200


def test_unknown_paths_are_counted_too() -> None:
    assert statuses(client_of(app_of(settings("1/day"))), 2, "/nowhere") == [404, 429]


def test_health_is_not_limited() -> None:
    client = client_of(app_of(settings("1/day")))
    assert statuses(client, 3, "/health/live") == [200, 200, 200]
    assert "RateLimit" not in client.get("/health/live").headers


def test_headers_of_a_response_that_is_sent_twice_stand_once_in_each() -> None:
    app = app_of(settings("9/day"))
    ready = Response("ready")

    @app.get("/ready")
    async def made_before() -> Response:
        return ready

    client = client_of(app)
    client.get("/ready")
    assert len(client.get("/ready").headers.get_list("RateLimit")) == 1


def test_addresses_are_counted_apart() -> None:
    app = app_of(settings("1/day"))
    assert statuses(client_of(app, HOME), 2) == [200, 429]
    assert statuses(client_of(app, OFFICE), 2) == [200, 429]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_a_forged_address_changes_nothing(header: str) -> None:
    client = client_of(app_of(settings("1/day")))
    client.get("/")
    for forged in ("203.0.113.7", "for=203.0.113.7", "127.0.0.1"):
        assert client.get("/", headers={header: forged}).status_code == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no:address", "no:address", True),
        ("", "192.0.2.1", False),
    ],
)
def test_who_has_one_ipv6_address_has_its_64(one: str, other: str, same: bool) -> None:
    app = app_of(settings("1/day"))
    client_of(app, (one, 1)).get("/")
    assert client_of(app, (other, 2)).get("/").status_code == (429 if same else 200)


def token_of(app: FastAPI, user: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {app.state.tokens.issue(user).access_token}"}


def test_two_users_behind_one_proxy_are_counted_apart() -> None:
    app = app_of(settings("2/day"))
    client = client_of(app)
    for user in (uuid7(), uuid7()):
        assert statuses(client, 3, headers=token_of(app, user)) == [200, 200, 429]
    assert client.get("/").status_code == 200, "nobody, from the same address"


def test_a_user_with_two_tokens_and_two_addresses_is_one_user() -> None:
    app, ada = app_of(settings("1/day")), uuid7()
    assert client_of(app, HOME).get("/", headers=token_of(app, ada)).status_code == 200
    assert client_of(app, OFFICE).get("/", headers=token_of(app, ada)).status_code == 429


def test_a_bad_token_does_not_make_a_user() -> None:
    client = client_of(app_of(settings("1/day")))
    client.get("/")
    for token in ("x", "y"):
        assert client.get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 429


def test_an_app_without_logins_is_limited_by_address() -> None:
    app = FastAPI()
    limits.install(app, settings("1/day"))
    client = client_of(app, headers={"Authorization": "Bearer x"})
    assert statuses(client, 2) == [404, 429]


@pytest.mark.parametrize("off", ["off", "OFF", ""])
def test_off_is_no_limit(off: str) -> None:
    client = client_of(app_of(settings(off)))
    assert "RateLimit" not in client.get("/").headers


@pytest.mark.parametrize("wrong", ["many", "5", "5/fortnight", "0/day", "1/second;5/day", "-1/day"])
def test_what_is_no_limit_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(ApiwrightError, match="RATE_LIMIT is not a limit"):
        app_of(settings(wrong))
    with pytest.raises(ValueError, match=r"."):
        Limit(wrong)


async def test_no_task_is_left_behind() -> None:
    app = app_of(settings("9/day"))
    before = asyncio.all_tasks()
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://t"
    ) as client:
        await client.get("/")
    assert asyncio.all_tasks() == before


def test_a_million_addresses_do_not_fill_the_memory() -> None:
    window = _Window()
    for number in range(1_000_000):
        window.add(f"address:{number}", 1)
    assert len(window._counts) + len(window._older) <= 100_000
    window.add("address:1", 2)
    assert len(window._counts) + len(window._older) == 1, "nothing stays from the last window"


def test_who_keeps_coming_is_not_forgotten_for_others() -> None:
    window = _Window()
    for number in range(300_000):
        window.add(f"address:{number}", 1)
        if number % 10_000 == 0:
            count = window.add("address:ada", 1)
    assert count == 30


# one route


def test_a_limited_route_is_counted_by_itself_and_both_limits_hold() -> None:
    app = app_of(settings("4/day"))

    @app.get("/report", dependencies=[Depends(Limit("2 per day"))])
    async def report() -> None: ...

    client = client_of(app)
    first = client.get("/report")
    assert first.headers["RateLimit-Policy"] == '"default";q=4;w=86400, "2perday";q=2;w=86400'
    assert [part.partition(";t=")[0] for part in first.headers["RateLimit"].split(", ")] == [
        '"default";r=3',
        '"2perday";r=1',
    ]
    assert statuses(client, 2, "/report") == [200, 429]
    assert statuses(client, 2) == [200, 429]


def test_each_route_of_a_limited_router_is_counted_by_itself() -> None:
    app = app_of(settings())
    router = APIRouter(dependencies=[Depends(Limit("1/day"))])

    @router.get("/one/{number}")
    async def one(number: int) -> None: ...

    @router.get("/two")
    async def two() -> None: ...

    app.include_router(router, prefix="/api")
    client = client_of(app)
    assert [client.get(f"/api/one/{number}").status_code for number in (1, 2)] == [200, 429]
    assert statuses(client, 2, "/api/two") == [200, 429]


def test_a_limit_per_address_is_not_stretched_by_many_users() -> None:
    app = app_of(settings())

    @app.get("/per-user", dependencies=[Depends(Limit("1/day"))])
    async def per_user() -> None: ...

    @app.get("/per-address", dependencies=[Depends(Limit("1/day", per="address"))])
    async def per_address() -> None: ...

    client, users = client_of(app), [token_of(app, uuid7()) for _ in range(2)]
    assert [client.get("/per-user", headers=user).status_code for user in users] == [200, 200]
    assert [client.get("/per-address", headers=user).status_code for user in users] == [200, 429]


def test_a_limited_route_in_an_app_that_is_not_says_so() -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(Limit("1/day"))])
    async def root() -> None: ...

    with pytest.raises(RuntimeError, match=r"call `limits.install\(app, settings\)`"):
        TestClient(app).get("/")


# logins


class Door:
    """An app with a login; `tried` counts how often a password was compared."""

    def __init__(self, configured: Settings | None = None) -> None:
        self.app = app_of(configured or settings())
        self.tried = 0

        @self.app.post("/login")
        async def login(account: str, password: str, attempts: LoginAttempts) -> None:
            await self.compare(account, password, attempts)

        @self.app.post("/strict")
        async def strict(
            account: str,
            password: str,
            attempts: Annotated[Attempts, Depends(LoginLimit("2/day", "3/day"))],
        ) -> None:
            await self.compare(account, password, attempts)

    async def compare(self, account: str, password: str, attempts: Attempts) -> None:
        async with attempts.of(account):
            self.tried += 1
            await asyncio.sleep(0.01)  # as hashing would take
            if password == "database gone":
                raise Unavailable()
            if password != RIGHT:
                raise Unauthorized()

    def enter(
        self, account: str, password: str, client: tuple[str, int] = HOME, path: str = "/login"
    ) -> int:
        asked = {"account": account, "password": password}
        return client_of(self.app, client).post(path, params=asked).status_code


def test_who_guesses_is_stopped_and_whose_account_it_is_gets_in() -> None:
    door = Door()
    guesses = [door.enter("ada@example.com", WRONG, OFFICE) for _ in range(12)]
    assert guesses == [401] * 10 + [429] * 2
    assert door.enter("ada@example.com", RIGHT, OFFICE) == 429, "the attacker's guess is right"
    assert door.tried == 10
    assert door.enter("ada@example.com", RIGHT, HOME) == 200
    assert door.enter("bob@example.com", RIGHT, OFFICE) == 200


def test_a_hundred_guesses_at_once_are_no_way_around() -> None:
    door = Door()

    async def storm() -> list[int]:
        transport = httpx2.ASGITransport(door.app, client=OFFICE)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            asked = {"account": "ada@example.com", "password": WRONG}
            answers = [client.post("/login", params=asked) for _ in range(100)]
            return [answer.status_code for answer in await asyncio.gather(*answers)]

    assert sorted(asyncio.run(storm())) == [401] * 10 + [429] * 90
    assert door.tried == 10


def test_an_account_is_one_however_its_name_is_spelled() -> None:
    door = Door()
    for name in ("ada@example.com", "ADA@example.com"):
        assert door.enter(name, WRONG, path="/strict") == 401
    assert door.enter("Ada@Example.com", RIGHT, path="/strict") == 429


def test_an_address_that_tries_many_accounts_waits() -> None:
    door = Door()
    for account in ("ada", "bob", "eve"):
        assert door.enter(account, WRONG, OFFICE, "/strict") == 401
    assert door.enter("joe", RIGHT, OFFICE, "/strict") == 429
    assert door.enter("joe", RIGHT, HOME, "/strict") == 200


def test_what_succeeds_is_not_counted() -> None:
    door = Door()
    assert [door.enter("ada", RIGHT, path="/strict") for _ in range(5)] == [200] * 5


def test_logging_in_does_not_make_up_for_failed_attempts() -> None:
    door = Door()
    attempts = [WRONG, RIGHT, WRONG, RIGHT]
    assert [door.enter("ada", one, path="/strict") for one in attempts] == [401, 200, 401, 429]


def test_attempts_that_are_refused_do_not_close_the_address_for_others() -> None:
    door = Door()
    for _ in range(9):
        door.enter("a mail program with an old password", WRONG, path="/strict")
    assert door.enter("ada", RIGHT, path="/strict") == 200


def test_attempts_that_the_database_did_not_answer_are_not_counted() -> None:
    door = Door()
    for _ in range(5):
        assert door.enter("ada", "database gone", path="/strict") == 503
    assert door.enter("ada", RIGHT, path="/strict") == 200


def test_a_refused_login_says_when_to_come_again() -> None:
    client = client_of(Door().app)
    for _ in range(3):
        refused = client.post("/strict", params={"account": "ada", "password": WRONG})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 86400
    assert refused.headers["RateLimit"].startswith('"login";r=0;t=')


# Redis


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def serve(app: FastAPI, opened: AsyncExitStack) -> httpx2.AsyncClient:
    opened.push_async_callback(app.state.limits.close)
    transport = httpx2.ASGITransport(app, client=HOME)
    return await opened.enter_async_context(
        httpx2.AsyncClient(transport=transport, base_url="http://t")
    )


def shared(redis: RedisServer, rate_limit: str = "3/day", **more: Any) -> Settings:
    return settings(rate_limit, redis_url=SecretStr(redis.url), **more)


async def get(client: httpx2.AsyncClient, times: int) -> list[int]:
    return [(await client.get("/")).status_code for _ in range(times)]


async def test_two_instances_count_together(redis: RedisServer, opened: AsyncExitStack) -> None:
    one = await serve(app_of(shared(redis)), opened)
    two = await serve(app_of(shared(redis)), opened)
    assert await get(one, 2) == [200, 200]
    assert await get(two, 2) == [200, 429]
    assert (await one.get("/")).headers["RateLimit"].startswith('"default";r=0;t=')


async def test_a_storm_on_two_instances_lets_exactly_the_quota_through(
    redis: RedisServer, opened: AsyncExitStack
) -> None:
    both = [await serve(app_of(shared(redis, "30/day")), opened) for _ in range(2)]
    answers = await asyncio.gather(*(client.get("/") for client in both for _ in range(40)))
    assert [answer.status_code for answer in answers].count(200) == 30


def test_what_is_in_redis_ends_and_does_not_name_accounts(redis: RedisServer) -> None:
    door = Door(shared(redis))
    with client_of(door.app) as client:
        client.post("/login", params={"account": "ada@example.com", "password": WRONG})
    names = redis.keys()
    assert len(names) == 3
    assert not any("ada" in name or "example" in name for name in names)
    assert all(name.startswith("kit_tests:limits:fixed:") for name in names)
    with Redis(port=redis.port) as client:
        assert all(client.ttl(name) > 0 for name in names)


def test_logins_that_succeed_are_taken_back_from_redis(redis: RedisServer) -> None:
    door = Door(shared(redis, "off"))
    with client_of(door.app) as client:
        asked = [{"account": "ada", "password": one} for one in (RIGHT, RIGHT, RIGHT, WRONG)]
        assert [client.post("/strict", params=one).status_code for one in asked] == [200] * 3 + [
            401
        ]
        assert client.post("/strict", params=asked[0]).status_code == 200


def test_logins_that_succeed_while_redis_is_gone_are_taken_back_too(redis: RedisServer) -> None:
    door = Door(shared(redis, "off"))
    with client_of(door.app) as client:
        redis.kill()
        asked = {"account": "ada", "password": RIGHT}
        assert [client.post("/strict", params=asked).status_code for _ in range(5)] == [200] * 5


def test_the_connections_end_with_the_app(redis: RedisServer) -> None:
    with client_of(app_of(shared(redis))) as client:
        client.get("/")
        assert redis.clients() == 1
    assert redis.clients() == 0


async def healed(client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    until = time.monotonic() + 10
    while "Redis is back" not in caplog.text:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
        await client.get("/")


async def test_without_redis_each_process_counts_by_itself_until_it_is_back(
    redis: RedisServer,
    opened: AsyncExitStack,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "_PAUSE", 0.05)  # so that it is asked several times
    client = await serve(app_of(shared(redis, "20/day")), opened)
    assert (await get(client, 21))[-1] == 429
    redis.kill()
    together = await asyncio.gather(*(client.get("/") for _ in range(10)))
    assert [answer.status_code for answer in together] == [200] * 10
    await asyncio.sleep(0.1)
    assert await get(client, 9) == [200] * 9
    redis.start()  # it has forgotten
    await healed(client, caplog)
    assert (await client.get("/")).headers["RateLimit"].startswith('"default";r=18;')
    levels = [record.levelno for record in caplog.records if record.name == "apiwright.limits"]
    assert levels == [logging.ERROR, logging.WARNING], "once when it goes, once when it comes"
    assert "Redis is gone: Error " in caplog.text
    assert "Requests are counted by each process." in caplog.text


async def test_while_redis_is_gone_not_every_request_asks_it(
    redis: RedisServer, opened: AsyncExitStack
) -> None:
    client = await serve(app_of(shared(redis, "99/day")), opened)
    redis.kill()
    asked = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", redis.port):
        assert await get(client, 50) == [200] * 50
    assert 0 < asked < 10


async def test_without_redis_requests_are_refused_where_limits_must_hold(
    redis: RedisServer, opened: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve(app_of(shared(redis, "99/day", rate_limit_open=False)), opened)
    assert await get(client, 1) == [200]
    redis.kill()
    refused = await client.get("/")
    assert refused.status_code == 503
    assert refused.headers["Content-Type"] == problems.MEDIA_TYPE
    assert int(refused.headers["Retry-After"]) > 0
    assert await get(client, 5) == [503] * 5
    assert (await client.get("/health/live")).status_code == 200
    redis.start()
    await healed(client, caplog)
    assert await get(client, 1) == [200]
    assert caplog.text.count("Redis is gone") == 1
    assert "Requests are refused." in caplog.text


async def test_a_redis_that_hangs_holds_up_one_request_at_a_time(
    redis: RedisServer,
    opened: AsyncExitStack,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "_PATIENCE", 0.2)
    client = await serve(app_of(shared(redis, "99/day")), opened)
    await client.get("/")
    redis.process.send_signal(signal.SIGSTOP)
    assert await get(client, 20) == [200] * 20
    assert "Redis is gone: no answer in time" in caplog.text
    redis.process.send_signal(signal.SIGCONT)
    await healed(client, caplog)
    before, after = [(await client.get("/")).headers["RateLimit"] for _ in range(2)]
    left = [int(text.split(";")[1].removeprefix("r=")) for text in (before, after)]
    assert left[0] - left[1] == 1, "an answer belongs to its own question"


async def test_a_restart_between_two_requests_is_not_noticed(
    redis: RedisServer, opened: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve(app_of(shared(redis)), opened)
    await client.get("/")
    redis.kill()
    redis.start()
    assert await get(client, 1) == [200]
    assert "Redis" not in caplog.text


def test_an_app_starts_while_redis_is_away(redis: RedisServer) -> None:
    redis.kill()
    with client_of(app_of(shared(redis))) as client:
        assert statuses(client, 4) == [200, 200, 200, 429]


def test_redis_without_its_package_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ApiwrightError, match=r"Install apiwright\[redis\]"):
        app_of(settings(redis_url=SecretStr("redis://127.0.0.1")))


@pytest.mark.parametrize(
    "url", ["127.0.0.1:6379", "http://127.0.0.1", "redis://h:port", "redis://h?secret=hunter22"]
)
def test_what_is_no_redis_is_refused_at_start_without_repeating_it(url: str) -> None:
    with pytest.raises(ApiwrightError, match="REDIS_URL is not the URL of a Redis") as refused:
        app_of(settings(redis_url=SecretStr(url)))
    assert url not in str(refused.value)
    assert WRONG not in str(refused.value)
