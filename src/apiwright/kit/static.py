"""A page of the project's own, of files in a folder, under a strict Content-Security-Policy: its
scripts, styles and pictures are files of the folder, it talks to the app alone, and nobody frames
it."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def serve(app: FastAPI, path: str, folder: Path) -> None:
    """Serve a folder's files at `path`, with `index.html` at `path/`. Everybody reads them."""
    app.mount(path, _Page(directory=folder, html=True))


class _Page(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-cache"
        return response
