"""It sends the user wherever a link says.

## What it finds

Parameters and fields that say where to go on (`next`, `return_to`, `redirect_uri`, …), sent with
addresses of another website in the spellings that browsers follow. It is a finding when the answer
is a redirect there.

## Why it matters

A link to your own address that ends on somebody else's login page is what phishing needs. Go on to
paths of your own alone: one slash at the start, no second one and no backslash behind it.

## References

- https://cwe.mitre.org/data/definitions/601.html
- https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html
"""

import re
from collections.abc import Iterator

from apiwright.checks.app import Answer
from apiwright.checks.findings import Finding
from apiwright.checks.operations import Operation
from apiwright.checks.probe import probe
from apiwright.checks.world import World

_APP = """
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

app = FastAPI()

@app.get("/go")
def go(next: str = "/"):
    CHECK
    return RedirectResponse(next)
"""
BAD = (
    _APP.replace("CHECK", ""),
    _APP.replace("CHECK", 'next = next if next.startswith("/") else "/"'),
)
GOOD = _APP.replace("CHECK", 'next = next if next in ("/", "/home") else "/"')
_NAME = re.compile(
    r"next|url|uri|redirect|return|continue|target|dest|goto|go_?to|callback|success|back|ref",
    re.IGNORECASE,
)
_AWAY = (
    "https://attacker.example/",
    "//attacker.example/",
    "/\\attacker.example/",
    "https:attacker.example",
    "/\t/attacker.example/",
)
_GOES_AWAY = re.compile(r"[\s/\\]*(https?:)?[\s/\\]*attacker\.example", re.IGNORECASE)


@probe(severity="medium")
def open_redirect(world: World) -> Iterator[Finding]:
    for operation in world.operations:
        for name in _names(operation):
            answer = _away(world, operation, name)
            if answer is not None:
                yield open_redirect.finding(
                    operation.route.at,
                    f"It redirects to whatever website `{name}` names: go on to paths of your own"
                    " alone.",
                    evidence=f"{answer.request} -> {answer.status}, location:"
                    f" {answer.header('location')}",
                    curl=answer.request.curl,
                    route=operation.route,
                )
                break


def _names(operation: Operation) -> Iterator[str]:
    for one in operation.parameters:
        if one["in"] in ("query", "path") and _NAME.search(one["name"]):
            yield one["name"]
    yield from (name for name in operation.fields if _NAME.search(name))


def _away(world: World, operation: Operation, name: str) -> Answer | None:
    for user in (world.anonymous, world.a):
        for address in _AWAY if user is not None else ():
            answer = world.app.send(operation.request(user, {name: address}))
            location = answer.header("location") or ""
            if answer.status in (301, 302, 303, 307, 308) and _GOES_AWAY.match(location):
                return answer
    return None
