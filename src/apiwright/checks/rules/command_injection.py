"""A command of the shell, or code, is built of what the client sends.

## What it finds

`subprocess` with `shell=True`, `os.system`, `os.popen`, `asyncio.create_subprocess_shell`, and
`eval` or `exec`, with something from the request in the text; also through variables and functions
of the project. Silent where it went through `shlex.quote`, is a number, or is looked up in a fixed
list first.

## Why it matters

`; rm -rf /` is part of a file name for you and a second command for the shell. Give a list of
arguments without a shell: `subprocess.run(["convert", name])`. A value that may begin with `-` goes
behind `--`.

## References

- https://cwe.mitre.org/data/definitions/78.html
- https://docs.python.org/3/library/subprocess.html#security-considerations
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.checks.taint import NOTHING, Reached, Taint, told
from apiwright.project.code import Code
from apiwright.project.values import Const

BAD = (
    """
import subprocess
from fastapi import FastAPI

app = FastAPI()

@app.get("/ping")
def ping(host: str) -> str:
    return subprocess.run(f"ping -c 1 {host}", shell=True, capture_output=True, text=True).stdout
""",
    {
        "app/images.py": """
from os import system

def shrink(path, width):
    command = "convert {} -resize {} out.png".format(path, width)
    system(command)
""",
        "app/main.py": """
from fastapi import FastAPI, UploadFile

from app import images

app = FastAPI()

@app.post("/images")
async def upload(file: UploadFile) -> None:
    images.shrink(file.filename, 100)
""",
    },
    """
from fastapi import FastAPI

app = FastAPI()

@app.get("/sum")
def sum(expression: str) -> int:
    return eval(expression)
""",
)
GOOD = (
    """
import shlex
import subprocess
from fastapi import FastAPI

app = FastAPI()

@app.get("/ping")
def ping(host: str, count: int) -> str:
    subprocess.run(f"ping -c {count} localhost", shell=True)
    subprocess.run(f"echo {shlex.quote(host)}", shell=True)
    return subprocess.run(["ping", "-c", "1", host], capture_output=True, text=True).stdout
""",
    """
import os
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.post("/jobs/{name}")
def start(name: str) -> None:
    if name not in {"nightly", "weekly"}:
        raise HTTPException(404)
    os.system(f"run-job {name}")
""",
)
_SHELLS = {
    "os.system", "os.popen", "asyncio.create_subprocess_shell", "subprocess.getoutput",
    "subprocess.getstatusoutput", "asyncio.subprocess.create_subprocess_shell", "popen2.popen2",
}  # fmt: skip
_MAYBE_SHELL = {
    "subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call",
    "subprocess.check_output",
}  # fmt: skip
_CODE = {"eval", "exec", "builtins.eval", "builtins.exec"}
_ENOUGH = {"member", "equal", "form", "function"}


@rule(severity="high")
def command_injection(code: Code) -> Iterator[Finding]:
    for one in told(code, _command):
        if one.checks & _ENOUGH:
            continue
        if one.call.name in _CODE:
            said = f"`{one.call.name}` runs {one.sent}, which the client sends, as Python."
            todo = "Read the value with a parser of your own, or `ast.literal_eval`."
        else:
            said = f"The shell's command holds {one.sent}, which the client sends: he can send"
            said += " a command."
            todo = "Give the program and its arguments as a list, without a shell."
        yield command_injection.finding(
            one.at, f"{said} {todo}", route=one.route, related=one.routes
        )


def _command(call: Reached) -> Taint:
    if call.name in _SHELLS or call.name in _CODE:
        return call.taint(0, "command", "cmd", "source")[1]
    if call.name in _MAYBE_SHELL and _shell(call):
        return call.taint(0, "args")[1]
    first = call.site.node.args[:1]
    if call.name in _MAYBE_SHELL and first and _is_shell_list(first[0]):
        return call.taint(0)[1]
    return NOTHING


def _shell(call: Reached) -> bool:
    return any(name == "shell" and value != Const(False) for name, value in call.site.keywords)


def _is_shell_list(arguments: ast.expr) -> bool:
    """["sh", "-c", …]"""
    if not isinstance(arguments, ast.List | ast.Tuple) or len(arguments.elts) < 3:
        return False
    said = [one.value for one in arguments.elts[:2] if isinstance(one, ast.Constant)]
    return len(said) == 2 and str(said[0]).endswith("sh") and str(said[1]).startswith("-")
