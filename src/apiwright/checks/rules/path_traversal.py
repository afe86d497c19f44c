"""A path on the disk is built of what the client sends.

## What it finds

Paths given to `open`, `Path.read_text` and the like, `FileResponse`, `os.remove`, `shutil` or
`aiofiles` that hold something from the request: the query, the body, a `{name:path}` in the path,
or `UploadFile.filename`; also through variables and functions of the project. Silent where the
path is compared with its folder (`resolve()` and `is_relative_to`), where only its last part is
taken (`Path(name).name`), and where it is looked up in a fixed list.

A plain `{name}` in the path holds no slash, so it is less bad, not good: on Windows a backslash
does it.

## Why it matters

`../../.env` is a file name, too. Whoever sends it reads your keys, or writes over your code. Give
files names of your own, such as a UUID, and keep the client's name in the database; or resolve the
path and refuse what does not lie in its folder.

## References

- https://cwe.mitre.org/data/definitions/22.html
- https://docs.python.org/3/library/pathlib.html#pathlib.PurePath.is_relative_to
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.checks.taint import NOTHING, Reached, Taint, Told, told
from apiwright.project.code import Code

BAD = (
    """
from fastapi import FastAPI
from fastapi.responses import FileResponse

app = FastAPI()

@app.get("/files")
def download(name: str):
    return FileResponse(f"uploads/{name}")
""",
    """
from pathlib import Path
from fastapi import FastAPI, UploadFile

app = FastAPI()
UPLOADS = Path("uploads")

@app.post("/files")
async def upload(file: UploadFile) -> None:
    target = UPLOADS / file.filename
    with open(target, "wb") as out:
        out.write(await file.read())
""",
    {
        "app/storage.py": """
import os

class Storage:
    root = "data"

    def read(self, name):
        path = os.path.join(self.root, name)
        with open(path) as file:
            return file.read()
""",
        "app/main.py": """
from fastapi import FastAPI

from app.storage import Storage

app = FastAPI()

@app.get("/pages/{name:path}")
def page(name: str) -> str:
    return Storage().read(name)
""",
    },
)
GOOD = (
    """
from pathlib import Path
from uuid import UUID, uuid4
from fastapi import FastAPI, HTTPException, UploadFile
from fastapi.responses import FileResponse

app = FastAPI()
UPLOADS = Path("uploads").resolve()

@app.get("/files")
def download(name: str):
    path = (UPLOADS / name).resolve()
    if not path.is_relative_to(UPLOADS):
        raise HTTPException(404)
    return FileResponse(path)

@app.get("/files/{file_id}")
def by_id(file_id: UUID):
    return FileResponse(UPLOADS / f"{file_id}.pdf")

@app.post("/files")
async def upload(file: UploadFile) -> None:
    (UPLOADS / Path(file.filename).name).write_bytes(await file.read())
    (UPLOADS / f"{uuid4()}.bin").write_bytes(await file.read())
""",
)
_FIRST = {
    "open", "io.open", "os.open", "os.remove", "os.unlink", "os.listdir", "os.rmdir", "os.scandir",
    "os.makedirs", "os.mkdir", "os.stat", "shutil.rmtree", "aiofiles.open", "aiofiles.os.remove",
    "aiofiles.threadpool.open", "anyio.open_file", "fastapi.responses.FileResponse",
    "starlette.responses.FileResponse", "codecs.open", "zipfile.ZipFile", "tarfile.open",
    "shutil.copy", "shutil.copyfile", "shutil.move", "shutil.copy2", "os.rename", "os.replace",
}  # fmt: skip
_SECOND = {
    "shutil.copy", "shutil.copyfile", "shutil.move", "shutil.copy2", "os.rename", "os.replace",
}  # fmt: skip
_OF_PATH = re.compile(
    r"^(pathlib\.\w*Path|anyio\.Path)(\(\)(\.\w+)?)*\.(open|read_text|read_bytes|write_text"
    r"|write_bytes|unlink|rmdir|iterdir|mkdir|rename|touch)$"
)
_ENOUGH = {"member", "equal", "form", "function", "is_relative_to", "relative_to"}


@rule(severity="high")
def path_traversal(code: Code) -> Iterator[Finding]:
    seen: set[tuple[ast.AST, frozenset[str]]] = set()
    for one in told(code, _file):
        if one.checks & _ENOUGH or any(
            check.startswith(("is_relative_to", "relative_to", "holds '..'"))
            or (check.startswith("startswith") and "resolved" in one.checks)
            for check in one.checks
        ):
            continue
        cause = (one.call.frame.function.node, frozenset(sent.name for sent in one.taint.sent))
        if cause in seen:
            continue
        seen.add(cause)
        yield path_traversal.finding(
            one.at,
            f"The path holds {one.sent}, which the client sends: with `../` he leaves the folder."
            " Give the file a name of your own, or refuse a resolved path that is not"
            " `is_relative_to` its folder.",
            route=one.route,
            related=one.routes,
            severity="medium" if _holds_no_slash(one) else None,
        )


def _file(call: Reached) -> Taint:
    node = call.site.node
    if _OF_PATH.match(call.name):
        method = next(iter(node.args), None) if call.site.in_thread else node.func
        return _of(method.value, call) if isinstance(method, ast.Attribute) else NOTHING
    found = NOTHING
    if call.name in _FIRST:
        argument, _ = call.taint(0, "path", "file", "src", "name")
        found = _of(argument, call)
    if not found and call.name in _SECOND:
        argument, _ = call.taint(1, "dst")
        found = _of(argument, call)
    return found


def _of(path: ast.expr | None, call: Reached) -> Taint:
    """Without what is only a last part of a path, and without a file that was sent, which is no
    path."""
    if path is None:
        return NOTHING
    taint = call.frame.taint(path)
    names = frozenset(one for one in taint.sent if one.kind != "content")
    return Taint(names, taint.leads & names)


def _holds_no_slash(one: Told) -> bool:
    return all(sent.kind == "path" for sent in one.taint.sent)
