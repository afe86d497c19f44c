"""Any website may call the API with its visitor's cookies.

## What it finds

`CORSMiddleware` with `allow_credentials=True` and `allow_origins=["*"]`, or with an
`allow_origin_regex` that matches everything, also where the list comes from settings: their
defaults count. And functions that set the headers themselves and repeat the origin unseen.

## Why it matters

With credentials allowed, Starlette does not send `*`: it repeats the origin of whoever asks. A
page on any website can then call the API as the visitor who is signed in, and read the answers.
List the origins of your own frontends. Where no cookies are used, leave `allow_credentials` out.

## References

- https://developer.mozilla.org/docs/Web/HTTP/CORS#credentialed_requests_and_wildcards
- https://cwe.mitre.org/data/definitions/942.html
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.reading import Spot, functions, name_in, own_nodes, spots
from apiwright.checks.rule import rule
from apiwright.project.code import Code
from apiwright.project.values import Const, Items, Outside, Value

BAD = (
    """
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
""",
    {
        "app/settings.py": """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    origins: list[str] = ["*"]

settings = Settings()
""",
        "app/main.py": """
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware as Cors

from app.settings import settings

app = FastAPI(
    middleware=[Middleware(Cors, allow_origins=settings.origins, allow_credentials=True)]
)
""",
    },
    """
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

def create_app() -> FastAPI:
    made = FastAPI()
    made.add_middleware(CORSMiddleware, allow_origin_regex=".*", allow_credentials=True)
    return made

app = create_app()
""",
)
GOOD = (
    """
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(
    CORSMiddleware, allow_origins=["https://shop.example"], allow_credentials=True
)
""",
    """
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])
""",
)
_MIDDLEWARE = {
    "fastapi.middleware.cors.CORSMiddleware",
    "starlette.middleware.cors.CORSMiddleware",
}
_EVERYTHING = {".*", ".+", "^.*$", "^.+$", "https?://.*", "https?://.+", "^https?://.*$"}


@rule(severity="medium")
def cors_any_origin_with_credentials(code: Code) -> Iterator[Finding]:
    yield from _by_hand(code)
    for spot in spots(code):
        middleware = spot.value(spot.argument(0, "middleware_class", "cls"))
        direct = spot.name in _MIDDLEWARE
        if not direct and not (isinstance(middleware, Outside) and middleware.name in _MIDDLEWARE):
            continue
        if spot.value(spot.argument(None, "allow_credentials")) != Const(True):
            continue
        if said := _any_origin(spot):
            yield cors_any_origin_with_credentials.finding(
                spot.at,
                f"With {said} and allow_credentials=True every website can call this API as its"
                " signed-in visitor. List the origins of your own frontends.",
            )


def _by_hand(code: Code) -> Iterator[Finding]:
    """A middleware that repeats the origin."""
    for function in functions(code):
        headers: dict[str, ast.Assign] = {}
        nodes = list(own_nodes(function.node))
        for node in nodes:
            if isinstance(node, ast.Assign):
                headers |= {name_in(target).lower(): node for target in node.targets}
        origin = headers.get("access-control-allow-origin")
        credentials = headers.get("access-control-allow-credentials")
        if origin is None or credentials is None or isinstance(origin.value, ast.Constant):
            continue
        if not any(isinstance(node, ast.In | ast.NotIn | ast.Eq | ast.NotEq) for node in nodes):
            yield cors_any_origin_with_credentials.finding(
                function.scope.source.at(origin),
                "Whatever origin asks is allowed, with credentials: every website can call this API"
                " as its signed-in visitor. Compare it with a list of your own frontends.",
            )


def _any_origin(spot: Spot) -> str | None:
    if _holds_star(spot.value(spot.argument(None, "allow_origins"))):
        return 'allow_origins=["*"]'
    pattern = spot.value(spot.argument(None, "allow_origin_regex"))
    if isinstance(pattern, Const) and pattern.value in _EVERYTHING:
        return f'allow_origin_regex="{pattern.value}"'
    return None


def _holds_star(origins: Value | None) -> bool:
    if isinstance(origins, Items):
        return Const("*") in origins.values
    return origins == Const("*")
