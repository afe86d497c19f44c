"""The server calls an address that the client chooses.

## What it finds

URLs given to `httpx`, `requests`, `aiohttp`, `urllib` or `urllib3` whose host comes from the
request; also through variables and functions of the project. Silent where the host is fixed
(`f"https://api.example/{name}"`), where the host is looked up in a list first, and where a function
of yours with a name that says so has checked it.

## Why it matters

Your server stands where the client does not: it reaches the metadata service of the cloud with its
keys, the database's console, and everything else that trusts the inner network. Keep a list of the
hosts that may be called and compare with it; do not follow redirects; where any host must do,
resolve the name, refuse addresses that are not public, and connect to the address that was checked.

## References

- https://cwe.mitre.org/data/definitions/918.html
- https://owasp.org/API-Security/editions/2023/en/0xa7-server-side-request-forgery/
"""

import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.checks.taint import NOTHING, Reached, Taint, told
from apiwright.project.code import Code

BAD = (
    """
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.get("/preview")
async def preview(url: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).text
""",
    {
        "app/hooks.py": """
import requests

class Hooks:
    def __init__(self):
        self.http = requests.Session()

    def call(self, target, payload):
        return self.http.post("https://%s/hook" % target, json=payload).status_code
""",
        "app/main.py": """
from fastapi import FastAPI
from pydantic import BaseModel

from app.hooks import Hooks

app = FastAPI()

class Hook(BaseModel):
    host: str

@app.post("/hooks")
def test_hook(hook: Hook) -> int:
    return Hooks().call(hook.host, {})
""",
    },
    """
from urllib.request import urlopen
from fastapi import Body, FastAPI
from pydantic import HttpUrl

app = FastAPI()

@app.post("/avatar")
def avatar(url: HttpUrl = Body()) -> bytes:
    return urlopen(str(url)).read()
""",
)
GOOD = (
    """
from urllib.parse import quote, urlsplit
import httpx
from fastapi import FastAPI, HTTPException

app = FastAPI()
HOSTS = {"images.example"}
STOCK = "https://stock.example"

@app.get("/preview")
async def preview(url: str, name: str) -> str:
    parts = urlsplit(url)
    if parts.hostname not in HOSTS:
        raise HTTPException(422)
    async with httpx.AsyncClient(base_url=STOCK) as client:
        await client.get("/names", params={"name": name})
        await client.get(f"{STOCK}/names/{quote(name)}")
        return (await client.get(url)).text
""",
)
_CALLS = re.compile(
    r"^(httpx|requests|httpx2)\.((Async)?Client\.|[Ss]ession(\(\))?\.)?"
    r"(get|post|put|patch|delete|head|options|request|stream|send)$"
    r"|^aiohttp\.(ClientSession\.)?(get|post|put|patch|delete|head|options|request|ws_connect)$"
    r"|^urllib\.request\.(urlopen|urlretrieve)$|^urllib3\.(PoolManager\.|request$)(request|urlopen)?$"
    r"|^(websockets|websocket)\.(connect|create_connection)$"
)
_ENOUGH = {"member", "equal", "form", "function"}


@rule(severity="high")
def server_side_request_forgery(code: Code) -> Iterator[Finding]:
    for one in told(code, _url):
        full = any(
            check.startswith("startswith http") and check.count("/") >= 3 for check in one.checks
        )
        if one.checks & _ENOUGH or full:
            continue
        yield server_side_request_forgery.finding(
            one.at,
            f"The server calls the address in {one.sent}, which the client sends: he reaches"
            " what only the server can. Compare the host with a list of those that may be called.",
            route=one.route,
            related=one.routes,
        )


def _url(call: Reached) -> Taint:
    if not _CALLS.match(call.name):
        return NOTHING
    with_method = call.name.endswith((".request", ".stream"))
    taint = call.taint(1 if with_method else 0, "url", "uri")[1]
    return taint.leading()
