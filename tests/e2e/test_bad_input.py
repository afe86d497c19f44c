"""Whatever a client sends to a new project in production: no 5xx, nothing hangs, no memory is kept,
and the next request is answered.

`--bad-requests=100000` makes up so many; a few thousand otherwise.
"""

import asyncio
import json
import random
import re
import socket
import string
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from apiwright.generators import new
from tests.e2e.conftest import APIWRIGHT, environment, wait_until_ready
from tests.postgres import new_database

USER = {"email": "ada@example.com", "password": "correct horse battery"}
DOCS = ("docs", "reader of the docs")
MOST_KEPT = 100_000  # kilobytes


@dataclass(frozen=True)
class Backend:
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path
    client: httpx2.Client
    """Signed in."""
    document: dict[str, Any]
    memory: int

    @property
    def authorization(self) -> bytes:
        return self.client.headers["Authorization"].encode()


@pytest.fixture(scope="module")
def backend(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder = new.write("shop", tmp_path_factory.mktemp("bad-input")).folder
    with socket.socket() as free, new_database(server) as url:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        variables = {"DATABASE_URL": url, "SECRET_KEY": "k" * 32, "RATE_LIMIT": "off"}
        environ = environment(**variables, DOCS_PASSWORD=DOCS[1])
        upgrade = [*APIWRIGHT, "db", "upgrade"]
        subprocess.run(upgrade, cwd=folder, env=environ, check=True, capture_output=True)
        log = folder / "server.log"
        command = [*APIWRIGHT, "run", "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=folder, env=environ, stdout=output, stderr=output
            )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_until_ready(address, process, log)
            with httpx2.Client(base_url=address, timeout=20) as client:
                client.post("/api/v1/auth/register", json=USER)
                token = client.post("/api/v1/auth/login", json=USER).json()["access_token"]
                client.headers["Authorization"] = f"Bearer {token}"
                document = client.get("/openapi.json", auth=DOCS).json()
                for _ in range(200):
                    client.get("/api/v1/tasks")
                yield Backend(port, process, log, client, document, memory_of(process.pid))
        finally:
            process.terminate()
            process.wait(30)


def memory_of(pid: int) -> int:
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(autouse=True)
def it_serves_on(backend: Backend) -> Iterator[None]:
    yield
    assert backend.client.get("/api/v1/tasks").status_code == 200
    assert memory_of(backend.process.pid) < backend.memory + MOST_KEPT
    errors = [line for line in backend.log.read_text().splitlines() if '"level": "error"' in line]
    assert errors == []


# bodies and parameters

DEEP = "[" * 100_000
BODIES = {
    "nothing": b"",
    "half": b'{"title": "a',
    "two": b'{"title": "a"}{"title": "b"}',
    "deep list": DEEP.encode(),
    "deep list that ends": (DEEP + "]" * 100_000).encode(),
    "deep object": ('{"title":' * 100_000).encode(),
    "deep in a field": ('{"title":' + "[" * 100_000 + "]" * 100_000 + "}").encode(),
    "no UTF-8": b'{"title": "\xff\xfe"}',
    "UTF-16": '{"title": "a"}'.encode("utf-16"),
    "a mark": b'\xef\xbb\xbf{"title": "a"}',
    "NaN": b'{"title": NaN}',
    "large float": b'{"title": "a", "done": 1e400}',
    "large integer": b'{"title": "a", "done": ' + b"9" * 100_000 + b"}",
    "large project": b'{"title": "a", "project_id": ' + b"9" * 4000 + b"}",
    "list": b"[]",
    "null": b"null",
    "many keys": json.dumps({f"k{n}": n for n in range(50_000)}).encode(),
    "keys that collide": json.dumps({"title": "x", **{"\0" * n: 1 for n in range(500)}}).encode(),
    "one long string": json.dumps({"title": "x" * 900_000}).encode(),
    "large": b'{"title": "' + b"x" * 3_000_000 + b'"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", ""])
def test_a_bad_body_is_read_or_a_problem(backend: Backend, body: bytes, kind: str) -> None:
    headers = {"Content-Type": kind}
    for path in ("/api/v1/tasks", "/api/v1/auth/login", "/api/v1/auth/token"):
        answer = backend.client.post(path, content=body, headers=headers)
        assert answer.status_code in {201, 400, 401, 413, 422}, answer.text
        if answer.status_code != 201:  # UTF-16, and unknown keys, can be read
            assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_last_of_two_keys_counts(backend: Backend) -> None:
    body = b'{"title": "first", "title": "second"}'
    headers = {"Content-Type": "application/json"}
    answer = backend.client.post("/api/v1/tasks", content=body, headers=headers)
    assert answer.json()["title"] == "second"


BAD_TEXTS = ["\\u0000", "a\\ud800", "\\uffff\\u202e", "x" * 5000]


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_bad_text_in_every_field(backend: Backend, text: str) -> None:
    for method, path, fields in text_fields(backend.document):
        for bad in fields:
            values = dict.fromkeys(fields, "a@example.com")
            body = json.dumps(values | {bad: "?"}).replace('"?"', f'"{text}"')
            headers = {"Content-Type": "application/json"}
            answer = backend.client.request(method, path, content=body.encode(), headers=headers)
            assert answer.status_code < 500, (path, bad, answer.text)


def text_fields(document: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
            if reference:
                fields = schemas[reference.rpartition("/")[2]]["properties"]
                names = [name for name, field in fields.items() if "string" in json.dumps(field)]
                yield method, re.sub(r"{\w+}", str(UNKNOWN), path), names


UNKNOWN = "01a2117a-4c83-72e8-b524-592c2af2713a"
BAD_VALUES = ["%00", "%", "%zz", "%ff%fe", "%ed%a0%80", "%u0000", "..%2f..%2f", "9" * 400, "1e400"]


@pytest.mark.parametrize("value", [*BAD_VALUES, "NaN", "-1", "%0d%0aX-Injected:%201", "x" * 20_000])
def test_bad_values_in_every_parameter(backend: Backend, value: str) -> None:
    for path, operations in backend.document["paths"].items():
        for method, operation in operations.items():
            if method == "delete":
                continue
            for parameter in operation.get("parameters", ()):
                filled = re.sub(r"{\w+}", value if parameter["in"] == "path" else UNKNOWN, path)
                target = f"{filled}?{parameter['name']}={value}"
                answer = exchange(backend, head(method.upper(), target, backend) + b"\r\n")
                assert all(status < 500 for status in statuses(answer)), answer
                assert b"x-injected" not in answer.lower().partition(b"\r\n\r\n")[0]


# HTTP


def head(method: str, target: str, backend: Backend) -> bytes:
    line = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    return line + b"Authorization: " + backend.authorization + b"\r\n"


def exchange(backend: Backend, *parts: bytes, ends: bool = False) -> bytes:
    """What comes back until the server closes, or has said something and says no more."""
    answer = b""
    with socket.create_connection(("127.0.0.1", backend.port), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(100_000):
                answer += part
                connection.settimeout(0.2)
        except TimeoutError:
            assert answer, "it hangs"
        except OSError:
            pass  # it does not listen to the rest
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/v1/auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

NOT_HTTP = {
    "garbage": b"\x00\xff\xfe garbage\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300,
    "HTTP/9.9": b"GET /health/live HTTP/9.9\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower case": b"get /health/live HTTP/1.1\r\n\r\n",
    "unknown method": b"FOO /health/live HTTP/1.1\r\n\r\n",
    "no colon": LIVE + b"nothing\r\n\r\n",
    "space before the colon": LIVE + b"X : y\r\n\r\n",
    "NUL in a header": LIVE + b"X: a\x00b\r\n\r\n",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "too large a length": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "CL.TE": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + LIVE,
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + LIVE,
    "TE.TE": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + LIVE,
    "another encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + LIVE,
    "chunk too short": CHUNKED + b"9\r\n{}\r\n0\r\n\r\n",
    "chunk too long": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "chunk of no size": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "negative chunk": CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n",
    "endless chunk": CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "long target": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "10 000 headers": LIVE + b"".join(b"X-%d: value\r\n" % n for n in range(10_000)) + b"\r\n",
    "a header of 1 MB": LIVE + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_refused_and_nothing_in_it_is_served(
    backend: Backend, sent: bytes
) -> None:
    answer = exchange(backend, sent, ends=True)
    assert statuses(answer) in ([], [400], [404], [431]), answer
    assert b'"status":"ok"' not in answer.replace(b" ", b"")


UNUSUAL = {
    "no host": (b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n", [200]),
    "HTTP/0.9": (b"GET /health/live\r\n\r\n", [200]),
    "HTTP/1.0": (b"GET /health/live HTTP/1.0\r\n\r\n", [200]),
    "HEAD": (b"HEAD /api/v1/tasks HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    "OPTIONS": (b"OPTIONS /api/v1/tasks HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", [404]),
    "TRACE": (b"TRACE /api/v1/tasks HTTP/1.1\r\nHost: x\r\nSecret: y\r\n\r\n", [405]),
    "PURGE": (b"PURGE /api/v1/tasks HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    "absolute": (b"GET http://evil.example/health/live HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "pipelined": ((LIVE + b"\r\n") * 20, [200] * 20),
    "more than its length": (POST + b"Content-Length: 2\r\n\r\n{}garbage\r\n\r\n", [422]),
    "100-continue": (POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", [100, 422]),
    "too large, expected": (
        POST + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n",
        [413],
    ),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: x\r\n\r\n", [422]),
    "WebSocket": (LIVE + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", [400]),
}


@pytest.mark.parametrize(("sent", "expected"), UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_is_answered(backend: Backend, sent: bytes, expected: list[int]) -> None:
    assert statuses(exchange(backend, sent)) == expected


def test_a_client_that_stops_in_its_middle_is_left(backend: Backend) -> None:
    for part in (LIVE, POST + b"Content-Length: 9\r\n\r\n{", CHUNKED + b"9\r\n{"):
        answer = exchange(backend, part, ends=True)
        assert all(status < 500 for status in statuses(answer))


def test_clients_of_one_byte_a_second_delay_nobody(backend: Backend) -> None:
    sent = [LIVE, POST + b"Content-Length: 900\r\n\r\n" + b" " * 900, CHUNKED + b"1\r\n \r\n" * 99]
    with ExitStack() as stack:
        slow = []
        for number in range(50):
            connection = socket.create_connection(("127.0.0.1", backend.port))
            slow.append((stack.enter_context(connection), sent[number % len(sent)]))
            connection.sendall(sent[number % len(sent)][:-20])
        for second in range(3):
            for connection, part in slow:
                connection.sendall(part[second - 20 : second - 19])
            for _ in range(50):
                assert backend.client.get("/api/v1/tasks", timeout=5).status_code == 200


# made up


def test_made_up_requests(backend: Backend, request: pytest.FixtureRequest) -> None:
    many = int(request.config.getoption("--bad-requests"))
    seen = asyncio.run(ask_all(backend, many))
    assert sum(seen.values()) == many
    assert all(status < 500 for status in seen), seen


async def ask_all(backend: Backend, many: int) -> dict[int, int]:
    seen: dict[int, int] = {}
    await asyncio.gather(*(ask(backend, seed, many // 8, seen) for seed in range(8)))
    return seen


async def ask(backend: Backend, seed: int, many: int, seen: dict[int, int]) -> None:
    """One connection after the other: 0 counts those that were closed without an answer."""
    maker = Maker(backend, random.Random(seed))  # noqa: S311  # the same requests each time
    reader, writer = await asyncio.open_connection("127.0.0.1", backend.port)
    for _ in range(many):
        try:
            writer.write(maker.request())
            async with asyncio.timeout(20):
                status, closes = await answered(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            status, closes = 0, True
        seen[status] = seen.get(status, 0) + 1
        if closes:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", backend.port)
    writer.close()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bool]:
    start = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(start.split(b" ", 2)[1])
    if length := re.search(rb"content-length: (\d+)", start):
        await reader.readexactly(int(length[1]))
    return status, b"connection: close" in start


class Maker:
    """Requests that are nearly right."""

    def __init__(self, backend: Backend, chance: random.Random) -> None:
        self.chance = chance
        self.authorization = backend.authorization
        self.targets = [
            (method.upper(), path, [each["name"] for each in operation.get("parameters", ())])
            for path, operations in backend.document["paths"].items()
            for method, operation in operations.items()
            # these hash passwords, which takes its time, or end the login
            if not re.search(r"auth/(login|logout|register|token|deactivate|password)", path)
        ]
        self.names = sorted(
            name
            for schema in backend.document["components"]["schemas"].values()
            for name in schema.get("properties", ())
        )

    def request(self) -> bytes:
        chance = self.chance
        method, path, names = chance.choice(self.targets)
        target = re.sub(r"{\w+}", lambda _: self.word() if chance.random() < 0.5 else UNKNOWN, path)
        query = "&".join(f"{chance.choice(names)}={self.word()}" for _ in names) if names else ""
        body = json.dumps(self.value(3)).encode(errors="surrogatepass")
        if chance.random() < 0.2:
            place = chance.randrange(len(body))
            body = (
                body[:place] + chance.choice([b"\xff", b"\0", b"[", b'"', b""]) + body[place + 1 :]
            )
        lines = [
            f"{method} {target}?{query} HTTP/1.1".encode(),
            b"Host: x",
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(body),
        ]
        if chance.random() < 0.9:
            lines.append(b"Authorization: " + self.authorization)
        if chance.random() < 0.2:
            bad = chance.choice(["Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"])
            lines.append(f"{bad}: {self.word()}".encode("latin-1", errors="replace"))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def word(self) -> str:
        chance = self.chance
        kinds = [
            string.ascii_letters,
            string.digits,
            "%0f+-_.~",
            '"\\*W/',
            "%00",
            string.punctuation,
        ]
        letters = chance.choice(kinds)
        return "".join(chance.choice(letters) for _ in range(chance.choice([0, 1, 5, 36, 300])))

    def value(self, depth: int) -> Any:
        chance = self.chance
        kind = chance.randrange(9 if depth else 6)
        if kind == 0:
            return chance.choice([None, True, False])
        if kind == 1:
            return chance.choice([0, -1, 2**31, 2**63, 10**400, 1.5, 1e308])
        if kind in (2, 3):
            return self.word()
        if kind == 4:
            return chance.choice(["\0", "\ud800", "🔋" * 300, UNKNOWN, "a@example.com", " "])
        if kind == 5:
            return "x" * chance.choice([1, 200, 201, 10_000])
        if kind == 6:
            return [self.value(depth - 1) for _ in range(chance.randrange(4))]
        return {chance.choice(self.names): self.value(depth - 1) for _ in range(6)}
