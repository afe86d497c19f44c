"""The docs page: Swagger UI at /docs, from files of an installed package, so that it works
without the internet and under a Content-Security-Policy without `unsafe-inline`."""

from html import escape
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
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


def install(app: FastAPI) -> None:
    """Serve the docs page, in place of FastAPI's own: `FastAPI(docs_url=None, redoc_url=None)`.
    Without an OpenAPI document (`openapi_url=None`, as in production) there is no page."""
    if app.openapi_url is None:
        return

    async def page(request: Request) -> Response:
        root = escape(request.scope.get("root_path", ""))
        html = _PAGE.format(title=escape(app.title), root=root, openapi=f"{root}{app.openapi_url}")
        return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})

    async def script(request: Request) -> Response:
        return Response(_SCRIPT, media_type="text/javascript")

    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/page.js", script, include_in_schema=False)
    assets = files("fastapi_offline").joinpath("static")
    app.mount("/docs", StaticFiles(directory=str(assets)))
