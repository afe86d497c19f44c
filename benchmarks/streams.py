"""`python -m benchmarks.streams`: 200 answers of the assistant, streamed at once by one worker,
again and again: the memory they take, and the database connections they hold."""

import asyncio
import os
import subprocess
import sys
from statistics import mean

import httpx2

from apiwright.generators import agent, new
from apiwright.kit import postgres_url
from benchmarks import processes
from benchmarks.run import postgres_server, say, scratch_folder
from tests.openai_server import Step, openai_server

STREAMS, ROUNDS, WORDS, PAUSE = 200, 5, 40, 0.25
_HELD = (
    "SELECT count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def main() -> None:
    with scratch_folder() as folder, postgres_server(folder) as (url, _), openai_server() as openai:
        project = new.write("streams", folder, bare=True, parts={"agents": agent.plan}).folder
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "SECRET_KEY": "k" * 32,
            "OPENAI_BASE_URL": openai.url,
            "RATE_LIMIT": "off",
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "apiwright"]
        subprocess.run([*command, "db", "upgrade"], cwd=project, env=environment, check=True)
        run = [*command, "run", "--host", "127.0.0.1", "--port", "8765"]
        server = subprocess.Popen(run, cwd=project, env=environment)
        openai.steps = [Step("word " * WORDS, pause=PAUSE)] * (STREAMS * ROUNDS)
        try:
            asyncio.run(measure(server.pid, url))
        finally:
            server.terminate()
            server.wait(30)


async def measure(pid: int, url: str) -> None:
    limits = httpx2.Limits(max_connections=None)
    address = "http://127.0.0.1:8765"
    async with httpx2.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        await _ready(client)
        threads = [await _thread(client, number) for number in range(STREAMS)]
        watching = await postgres_url.connect(url)
        for number in range(ROUNDS):
            held: list[int] = []
            streams = [asyncio.create_task(_stream(client, *thread)) for thread in threads]
            await asyncio.sleep(WORDS * PAUSE / 2)  # all of them are being answered
            for _ in range(10):
                held.append(await watching.fetchval(_HELD))
                await asyncio.sleep(0.1)
            memory = processes.memory_mb(pid)
            done = await asyncio.gather(*streams)
            say(f"round {number + 1} of {ROUNDS}")
            print(
                f"{sum(done)} of {STREAMS} answers whole; {memory:.0f} MB; database connections"
                f" in use meanwhile: {mean(held):.1f} on average, {max(held)} at most"
            )
        await watching.close()


async def _ready(client: httpx2.AsyncClient) -> None:
    for _ in range(100):
        try:
            if (await client.get("/health/ready")).status_code == 200:
                return
        except httpx2.TransportError:
            await asyncio.sleep(0.1)
    raise SystemExit("the server did not start")


async def _thread(client: httpx2.AsyncClient, number: int) -> tuple[str, dict[str, str]]:
    """A user's thread, and his token."""
    user = {"email": f"user{number}@example.com", "password": "correct horse battery"}
    await client.post("/api/v1/auth/register", json=user)
    login = (await client.post("/api/v1/auth/login", json=user)).json()
    headers = {"Authorization": f"Bearer {login['access_token']}"}
    thread = (await client.post("/api/v1/threads", json={}, headers=headers)).json()
    return thread["id"], headers


async def _stream(client: httpx2.AsyncClient, thread: str, headers: dict[str, str]) -> bool:
    path, said = f"/api/v1/threads/{thread}/messages", {"text": "Go on."}
    async with client.stream("POST", path, json=said, headers=headers) as answer:
        text = "".join([piece async for piece in answer.aiter_text()])
    return answer.status_code == 200 and "event: done" in text


if __name__ == "__main__":
    main()
