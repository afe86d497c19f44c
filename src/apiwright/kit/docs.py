"""The docs page: Swagger UI at /docs, from files of an installed package, so that it works
without the internet and under a Content-Security-Policy without `unsafe-inline`."""

from base64 import b64decode
from hmac import compare_digest
from html import escape
from importlib.resources import files

from fastapi import FastAPI, Request
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from apiwright.kit.problems import Problem
from apiwright.kit.static import POLICY

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="{root}/docs/favicon.png">
<link rel="stylesheet" href="{root}/docs/swagger-ui.css">
<div id="ui"></div>
<script src="{root}/docs/swagger-ui-bundle.js"></script>
<script src="{root}/docs/page.js" data-openapi="{openapi}"></script>
"""
_SCRIPT = """\
SwaggerUIBundle({
  url: document.currentScript.dataset.openapi,
  dom_id: "#ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def install(app: FastAPI, password: SecretStr | None = None) -> None:
    """Serve the docs page, in place of FastAPI's own: `FastAPI(docs_url=None, redoc_url=None)`.
    Without an OpenAPI document (`openapi_url=None`, as in production) there is no page. With a
    password the browser asks for it (and for a user name, which may be any), before it shows the
    page or the document."""
    if app.openapi_url is None:
        return
    if password is not None:
        app.add_middleware(_Guard, app.openapi_url, password.get_secret_value())

    async def page(request: Request) -> Response:
        root = escape(request.scope.get("root_path", ""))
        html = _PAGE.format(title=escape(app.title), root=root, openapi=f"{root}{app.openapi_url}")
        return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})

    async def script(request: Request) -> Response:
        return Response(_SCRIPT, media_type="text/javascript")

    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/page.js", script, include_in_schema=False)
    assets = files("fastapi_offline").joinpath("static")
    app.mount("/docs", StaticFiles(directory=str(assets)))


class _Guard:
    """Asks for the password (HTTP Basic, RFC 7617)."""

    def __init__(self, app: ASGIApp, document: str, password: str) -> None:
        self._app = app
        self._guarded = (document, "/docs")
        self._password = password.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._asks_for(scope) and not self._knows(scope):
            headers = {"WWW-Authenticate": 'Basic realm="docs", charset="UTF-8"'}
            refused = Problem(401, "The docs are behind a password.", headers=headers)
            await refused.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _asks_for(self, scope: Scope) -> bool:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        return path in self._guarded or path.startswith("/docs/")

    def _knows(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("Authorization", "").partition(" ")
        try:
            _, _, password = b64decode(given).partition(b":")
        except ValueError:
            return False
        return scheme.lower() == "basic" and compare_digest(password, self._password)
