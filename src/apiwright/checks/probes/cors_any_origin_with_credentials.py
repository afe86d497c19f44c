"""Every website may read what the user's browser is answered, cookies included.

## What it finds

Answers to a request and to a preflight from a website of another name that allow this name
(`Access-Control-Allow-Origin`) together with credentials.

## Why it matters

Any page that a user visits can then call the app as the user and read the answer. Name the
websites that may: `allow_origins=["https://app.example.com"]`.

## References

- https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS
- https://cwe.mitre.org/data/definitions/942.html
"""

from collections.abc import Iterator

from apiwright.checks.app import Answer
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.rules import cors_any_origin_with_credentials as rule
from apiwright.checks.world import World
from apiwright.project.facts import Place

_APP = """
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=ORIGINS, allow_credentials=True)

@app.get("/me")
def me():
    return {"name": "Ada"}
"""
BAD = (
    _APP.replace("ORIGINS", '["*"]'),
    """
from fastapi import FastAPI

app = FastAPI()

@app.middleware("http")
async def anybody(request, call_next):
    response = await call_next(request)
    response.headers["Access-Control-Allow-Origin"] = request.headers.get("origin", "")
    response.headers["Access-Control-Allow-Credentials"] = "true"
    return response

@app.get("/me")
def me():
    return {"name": "Ada"}
""",
)
GOOD = (
    _APP.replace("ORIGINS", '["https://app.example.com"]'),
    _APP.replace("ORIGINS", '["*"]').replace("=True", "=False"),
)
_ORIGIN = "https://attacker.example"
_MOST = 5


@probe(severity="medium")
def cors_any_origin_with_credentials(world: World) -> Iterator[Finding]:
    operations = sorted(world.operations, key=lambda one: (one.method != "GET", one.path))
    for operation in operations[:_MOST]:
        plain = operation.request(world.anonymous, headers={"origin": _ORIGIN})
        asked = {"origin": _ORIGIN, "access-control-request-method": operation.method}
        for answer in (
            world.app.send(plain),
            world.app.request("OPTIONS", plain.path, headers=asked),
        ):
            if _allows(answer):
                yield cors_any_origin_with_credentials.finding(
                    _place(world),
                    f"The website {_ORIGIN} may call it with the user's cookies and read the"
                    " answer: name the websites that may.",
                    evidence=f"{answer.request} from {_ORIGIN} -> {answer.status},"
                    f" access-control-allow-origin: {_ORIGIN},"
                    " access-control-allow-credentials: true",
                    curl=answer.request.curl,
                    route=operation.route,
                    severity="high" if _uses_cookies(world) else None,
                )
                return


def _allows(answer: Answer) -> bool:
    return (
        answer.header("access-control-allow-origin") == _ORIGIN
        and answer.header("access-control-allow-credentials") == "true"
    )


def _uses_cookies(world: World) -> bool:
    credential = world.a.credential if world.a is not None else None
    return credential is not None and credential.header.lower() == "cookie"


def _place(world: World) -> Place | None:
    """Where the source says so, when it does."""
    for finding in rule.cors_any_origin_with_credentials(world.code):
        if finding.where.file is not None and finding.where.line is not None:
            return Place(finding.where.file, finding.where.line)
    return None
