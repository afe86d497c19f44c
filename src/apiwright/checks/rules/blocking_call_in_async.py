"""A call that waits, in code that the event loop runs.

## What it finds

An `async def` route, a dependency or a middleware that calls something which waits without giving
the event loop back: `requests`, `httpx.Client`, `time.sleep`, `subprocess.run`, a synchronous
database driver, the hashing of a password, reading or writing a file. The call is followed through
the project's own functions and methods at any depth, and reported where it stands, once, with the
routes that lead to it.

Routes that are plain `def` run in a thread and may wait; so may what is handed to
`run_in_threadpool`, `asyncio.to_thread` or an executor. A synchronous SQLAlchemy session is
`sync-session-in-async-route`.

## Why it matters

One event loop serves all requests of a process. While it waits for this call, no other request gets
on: a password hash of 250 ms means four requests a second, whatever else the machine could do.

## References

- https://fastapi.tiangolo.com/async/
- https://docs.python.org/3/library/asyncio-dev.html#running-blocking-code
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.event_loop import InLoop, calls_in_loop, counted, routes_of
from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.project.code import Code

_VERBS = r"(get|post|put|patch|delete|head|options|request|send|stream)"
_BLOCKING: dict[str, str] = {
    rf"(requests|requests\.Session|httpx|httpx\.Client|httpx2|httpx2\.Client)\.{_VERBS}":
        "an HTTP request with a synchronous client",
    r"urllib\.request\.(urlopen|urlretrieve)|urllib3\.(request|PoolManager\.(request|urlopen))":
        "an HTTP request with a synchronous client",
    r"time\.sleep": "a sleep",
    r"subprocess\.(run|call|check_call|check_output|getoutput|getstatusoutput)"
    r"|subprocess\.Popen\.(wait|communicate)|os\.(system|popen|wait|waitpid)":
        "another process",
    r"socket\.(create_connection|gethostbyname|getaddrinfo)"
    r"|socket\.socket\.(connect|recv|recvfrom|accept|send|sendall)": "the network",
    r"open|io\.open|pathlib\.Path\.(open|read_text|read_bytes|write_text|write_bytes)"
    r"|shutil\.(copy|copy2|copyfile|copyfileobj|copytree|move|rmtree|make_archive)|os\.walk"
    r"|fastapi\.UploadFile\.file\.(read|readlines|write)": "a file",
    r"(psycopg2|psycopg|sqlite3|pymysql|MySQLdb|mysql\.connector|pyodbc|cx_Oracle|oracledb)\.connect"
    r"|(psycopg2|psycopg|pymysql|MySQLdb|mysql\.connector|pyodbc|sqlite3)\.[\w.()\[\]]*"
    r"(execute|executemany|executescript|fetchone|fetchall|fetchmany|commit)":
        "a database with a synchronous driver",
    r"pymongo\.MongoClient\.[\w.()\[\]]*(find|find_one|insert_one|insert_many|update_one|update_many"
    r"|delete_one|delete_many|replace_one|aggregate|count_documents|find_one_and_update"
    r"|find_one_and_delete)": "a database with a synchronous driver",
    r"redis\.Redis\.(?!pipeline$|pubsub$|close$)\w+": "Redis with a synchronous client",
    r"bcrypt\.(hashpw|checkpw|kdf)|passlib\.context\.CryptContext\.(hash|verify|encrypt"
    r"|verify_and_update|hash_password)|passlib\.hash\.[\w.()]*(hash|verify|encrypt)"
    r"|argon2\.(\w+\.)?(PasswordHasher\.(hash|verify)|hash_password)"
    r"|pwdlib\.([\w.()]*\.)?(hash|verify|verify_and_update)|hashlib\.(pbkdf2_hmac|scrypt)"
    r"|werkzeug\.security\.(generate_password_hash|check_password_hash)":
        "the hashing of a password",
    r"smtplib\.(SMTP|SMTP_SSL)(\.(sendmail|send_message|login|starttls))?": "a mail server",
    r"(boto3|botocore)\.(client|resource|Session\.client)\(\)\..+"
    r"|google\.cloud\.[\w.()]+\.(upload_\w+|download_\w+|publish|query)"
    r"|(openai\.(OpenAI|AzureOpenAI)|anthropic\.Anthropic|groq\.Groq|cohere\.Client(V2)?"
    r"|twilio\.rest\.Client)\.([\w.]+\.)?(create|chat|parse|stream|generate|embed)"
    r"|google\.generativeai\.GenerativeModel\.generate_content"
    r"|stripe\.\w+(\.\w+)*\.(create|retrieve|modify|list)|supabase\.create_client\(\)[\w.()]*\.execute"
    r"|elasticsearch\.Elasticsearch\.\w+": "a service, with a synchronous client",
    r"threading\.(Event|Condition)\.wait|threading\.Thread\.join|queue\.Queue\.get"
    r"|[\w.]*Executor\.submit\(\)\.result|input": "another thread",
}  # fmt: skip
_PATTERNS = [(re.compile(pattern), what) for pattern, what in _BLOCKING.items()]

BAD = (
    """
from fastapi import FastAPI
import requests

app = FastAPI()

@app.get("/rate")
async def rate():
    return requests.get("https://rates.example").json()
""",
    """
from fastapi import Depends, FastAPI
from passlib.context import CryptContext

app = FastAPI()

class Passwords:
    def __init__(self):
        self.context = CryptContext(schemes=["bcrypt"])
    def matches(self, plain: str, hashed: str) -> bool:
        return self.context.verify(plain, hashed)

class Logins:
    def __init__(self, passwords: Passwords):
        self.passwords = passwords
    async def login(self, plain: str):
        return self.passwords.matches(plain, "")

def logins() -> Logins:
    return Logins(Passwords())

@app.post("/login")
async def login(password: str, service: Logins = Depends(logins)):
    return await service.login(password)
""",
    """
import time
from fastapi import Depends, FastAPI
app = FastAPI()

async def slow():
    time.sleep(1)

@app.get("/")
def index(slow=Depends(slow)): ...
""",
    """
import subprocess
from fastapi import FastAPI
app = FastAPI()

@app.middleware("http")
async def versioned(request, call_next):
    version = subprocess.check_output(["git", "describe"])
    return await call_next(request)
""",
    """
import boto3
from fastapi import BackgroundTasks, FastAPI
app = FastAPI()
s3 = boto3.client("s3")

async def upload(name):
    s3.upload_file(name, "bucket", name)

@app.post("/")
async def create(tasks: BackgroundTasks):
    tasks.add_task(upload, "x")
""",
)
GOOD = (
    """
import asyncio
import requests
import httpx
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

app = FastAPI()

def load():
    return requests.get("https://rates.example").json()

@app.get("/a")
async def a():
    return await run_in_threadpool(load)

@app.get("/b")
async def b():
    await asyncio.sleep(1)
    return await asyncio.to_thread(lambda: requests.get("https://rates.example"))

@app.get("/c")
async def c():
    async with httpx.AsyncClient() as client:
        return (await client.get("https://rates.example")).json()

@app.get("/d")
def d():
    return load()
""",
    """
import time
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

@asynccontextmanager
async def lifespan(app):
    time.sleep(1)
    with open("model.bin") as file:
        app.state.model = file.read()
    yield

app = FastAPI(lifespan=lifespan)

def lines():
    while True:
        time.sleep(1)
        yield "."

@app.get("/")
async def stream(tasks: BackgroundTasks):
    tasks.add_task(time.sleep, 1)
    return StreamingResponse(lines())

@lru_cache
def settings():
    return open("settings.json").read()

model = None

def loaded():
    global model
    if model is None:
        model = Path("model.bin").read_bytes()
    return model

@app.get("/model")
async def cached():
    return settings(), loaded()
""",
)


@rule(severity="medium")
def blocking_call_in_async(code: Code) -> Iterator[Finding]:
    found: dict[tuple[ast.AST, str], list[InLoop]] = {}
    for call in calls_in_loop(code):
        what = _waits_for(call.site.name or "")
        if what is not None and not call.site.awaited:
            found.setdefault((call.function.node, what), []).append(call)
    for (_, what), calls in found.items():
        first = min(calls, key=lambda one: (one.site.at.line, len(one.way)))
        yield blocking_call_in_async.finding(
            first.site.at,
            f"`{first.site.name}`, {what}, holds up the event loop, and with it {counted(calls)} "
            f"and all other requests: {first.told}. Hand it to a thread "
            "(`await run_in_threadpool(…)`), use an async client, or make the route a plain `def`.",
            related=routes_of(calls),
        )


def _waits_for(name: str) -> str | None:
    return next((what for pattern, what in _PATTERNS if pattern.fullmatch(name)), None)
