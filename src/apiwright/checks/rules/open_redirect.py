"""A redirect leads wherever the client says.

## What it finds

`RedirectResponse`, or a `Location` header, whose address begins with something from the request;
also through variables and functions of the project. Silent where the beginning is fixed
(`f"/tasks/{task_id}"`), and where the address is compared with a list or with a beginning of yours.

## Why it matters

A link to your domain that ends on another one makes a good trap: the page that asks for the
password again looks like yours. Redirect to paths of your own, chosen by name; where a path must
come from outside, refuse everything that does not begin with a single `/`.

## References

- https://cwe.mitre.org/data/definitions/601.html
- https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.checks.taint import NOTHING, Reached, Taint, told
from apiwright.project.code import Code

BAD = (
    """
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

app = FastAPI()

@app.get("/login")
def login(next: str = "/"):
    return RedirectResponse(next, status_code=303)
""",
    """
from fastapi import FastAPI, Request, Response

app = FastAPI()

def back(request: Request) -> str:
    return request.query_params.get("return_to") or "/"

@app.post("/logout")
def logout(request: Request):
    target = back(request)
    return Response(status_code=302, headers={"Location": target})
""",
)
GOOD = (
    """
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

app = FastAPI()
PAGES = {"tasks": "/tasks", "notes": "/notes"}

@app.get("/login")
def login(next: str = "tasks"):
    return RedirectResponse(PAGES.get(next, "/"))

@app.get("/old/{task_id}")
def old(task_id: str, after: str = "/"):
    if not after.startswith("/") or after.startswith("//"):
        after = "/"
    return RedirectResponse(after if after != "/" else f"/tasks/{task_id}")
""",
)
_RESPONSES = {"fastapi.responses.RedirectResponse", "starlette.responses.RedirectResponse"}
_ENOUGH = {"member", "form", "function", "host"}


@rule(severity="medium")
def open_redirect(code: Code) -> Iterator[Finding]:
    for one in told(code, _target):
        if one.checks & _ENOUGH or _begins_well(one.checks):
            continue
        yield open_redirect.finding(
            one.at,
            f"The redirect leads where {one.sent} says, which the client sends: also to somebody"
            " else's page. Redirect to paths of your own only.",
            route=one.route,
            related=one.routes,
        )


def _begins_well(checks: frozenset[str]) -> bool:
    """//evil.example begins with a slash, too."""
    begins = {check.removeprefix("startswith").strip() for check in checks if "startswith" in check}
    return bool(begins - {"/"}) or "holds '//'" in checks


def _target(call: Reached) -> Taint:
    if call.name in _RESPONSES:
        taint = call.taint(0, "url")[1]
        return taint.leading()
    for keyword in call.site.node.keywords:
        if keyword.arg == "headers" and isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant) and str(key.value).lower() == "location":
                    taint = call.frame.taint(value)
                    return taint.leading()
    return NOTHING
