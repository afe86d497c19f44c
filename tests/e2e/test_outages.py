"""What it rests on stops, and comes back: clear 503s in between, and no restart."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx2

from apiwright.kit import embedded, postgres_url
from tests.e2e.conftest import Backend
from tests.redis_server import RedisServer

ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def test_postgres_stops_under_load_and_starts(backend: Backend, postgres: tuple[Path, str]) -> None:
    folder, url = postgres
    backend.start(url)
    headers = {"Authorization": f"Bearer {backend.token()}"}
    stopped, healed, enough = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def ask(client: httpx2.AsyncClient, method: str, path: str, body: Any) -> set[int]:
        statuses: set[int] = set()
        while not enough.is_set():
            answer = await client.request(method, path, json=body)
            if answer.status_code >= 500:
                assert_says_so(answer)
                stopped.set()
            elif 503 in statuses:
                healed.set()
            statuses.add(answer.status_code)
        return statuses

    async def outage() -> list[set[int]]:
        async with httpx2.AsyncClient(
            base_url=f"{backend.address}/api/v1", headers=headers, timeout=30
        ) as client:
            asking = [
                asyncio.create_task(ask(client, *request))
                for request in [
                    ("GET", "/tasks", None),
                    ("POST", "/tasks", {"title": "Buy milk"}),
                    ("DELETE", "/auth/logins/00000000-0000-0000-0000-000000000000", None),
                    ("POST", "/auth/login", ADA),
                ]
            ]
            await asyncio.sleep(0.5)
            stop(folder)
            await stopped.wait()
            live = await client.get(f"{backend.address}/health/live")
            assert live.status_code == 200
            ready = await client.get(f"{backend.address}/health/ready")
            assert_says_so(ready)
            assert ready.json()["detail"] == "The database does not answer."
            with embedded.running(folder):
                async with asyncio.timeout(30):
                    await healed.wait()
                await asyncio.sleep(0.5)
                enough.set()
                answers = await asyncio.gather(*asking)
                ready = await client.get(f"{backend.address}/health/ready")
                assert ready.status_code == 200
                made = await client.post("/tasks", json={"title": "Buy bread"})
                assert made.status_code == 201
            return answers

    read, created, ended, logged_in = asyncio.run(outage())
    assert read == {200, 503}
    assert created == {201, 503}
    assert ended == {404, 503}
    assert logged_in <= {200, 503}


def test_redis_is_killed_where_limits_are_then_open(
    backend: Backend, postgres: tuple[Path, str], redis: RedisServer
) -> None:
    backend.start(postgres[1], REDIS_URL=redis.url, RATE_LIMIT="500/day")
    headers = {"Authorization": f"Bearer {backend.token()}"}
    with httpx2.Client(base_url=backend.address, headers=headers, timeout=30) as client:
        redis.kill()
        assert {client.get("/api/v1/tasks").status_code for _ in range(20)} == {200}
        assert client.post("/api/v1/auth/login", json=ADA).status_code == 200
        assert client.get("/health/ready").status_code == 200
        redis.start()
        wait_until_logged(backend, client, "Redis is back.")
    log = (backend.folder / "server.log").read_text()
    assert log.count("Redis is gone") == 1
    assert redis.url not in log


def test_redis_is_killed_where_limits_are_then_closed(
    backend: Backend, postgres: tuple[Path, str], redis: RedisServer
) -> None:
    variables = {"REDIS_URL": redis.url, "RATE_LIMIT": "500/day", "RATE_LIMIT_OPEN": "false"}
    backend.start(postgres[1], **variables)
    headers = {"Authorization": f"Bearer {backend.token()}"}
    with httpx2.Client(base_url=backend.address, headers=headers, timeout=30) as client:
        redis.kill()
        for answer in (
            *(client.get("/api/v1/tasks") for _ in range(5)),
            client.post("/api/v1/auth/login", json=ADA),
        ):
            assert_says_so(answer)
        assert client.get("/health/live").status_code == 200
        ready = client.get("/health/ready")
        assert_says_so(ready)
        assert ready.json()["detail"] == "Redis does not answer."
        redis.start()
        wait_until_logged(backend, client, "Redis is back.")
        assert client.get("/api/v1/tasks").status_code == 200
        assert client.get("/health/ready").status_code == 200


def test_the_only_connection_waits_for_a_lock(backend: Backend, postgres: tuple[Path, str]) -> None:
    backend.start(postgres[1], POOL_SIZE="1")
    headers = {"Authorization": f"Bearer {backend.token()}"}

    async def busy() -> None:
        async with httpx2.AsyncClient(
            base_url=f"{backend.address}/api/v1", headers=headers, timeout=40
        ) as client:
            locking = await postgres_url.connect(postgres[1])
            await locking.execute("BEGIN; LOCK TABLE tag")
            first = asyncio.create_task(client.get("/tags"))
            await asyncio.sleep(0.3)
            # has the connection when the first gives up, after ten seconds
            second = asyncio.create_task(client.get("/tags"))
            await asyncio.sleep(0.3)
            *refused, ready, live = await asyncio.gather(
                client.get("/tasks"),
                client.post("/tasks", json={"title": "Buy milk"}),
                client.post("/auth/register", json=ADA | {"email": "bob@example.com"}),
                client.get(f"{backend.address}/health/ready"),
                client.get(f"{backend.address}/health/live"),
            )
            await locking.close()
            for answer in refused:
                assert_says_so(answer)
                assert answer.json()["detail"] == "Too much is going on here."
            assert_says_so(ready)
            assert live.status_code == 200
            assert_says_so(await first)
            assert (await second).status_code == 200
            assert (await client.get("/tasks")).json()["items"] == []
            assert (await client.get(f"{backend.address}/health/ready")).status_code == 200

    asyncio.run(busy())


def assert_says_so(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["title"] == "Service Unavailable"
    assert answer.json()["detail"]


def stop(folder: Path) -> None:
    """As an administrator does for maintenance: a fast shutdown."""
    pid = int((folder / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGINT)
    while (folder / "postmaster.pid").exists():
        time.sleep(0.02)


def wait_until_logged(backend: Backend, client: httpx2.Client, words: str) -> None:
    deadline = time.monotonic() + 20
    while words not in (backend.folder / "server.log").read_text():
        assert time.monotonic() < deadline, words
        client.get("/api/v1/tasks")
        time.sleep(0.1)
