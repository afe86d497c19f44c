"""`make demo`: a new backend, and two users in it, on a Postgres of its own.

Everything it makes is in a scratch folder, which is gone after Ctrl-C.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import Any

from apiwright.kit import embedded

PORT = int(os.environ.get("PORT", "8000"))
BASE = f"http://127.0.0.1:{PORT}"
API = f"{BASE}/api/v1"
APIWRIGHT = [sys.executable, "-m", "apiwright"]
PASSWORD = "correct horse battery"  # noqa: S105  # not a secret
STARTS_WITHIN = 60  # seconds


def main() -> None:
    signal.signal(signal.SIGINT, _interrupt)  # also where the shell had it ignored
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    _refuse_taken_port()
    with tempfile.TemporaryDirectory(
        prefix="apiwright-demo-", ignore_cleanup_errors=True
    ) as scratch:
        say("$ apiwright new shop")
        subprocess.run(
            [*APIWRIGHT, "new", "shop"], cwd=scratch, check=True, stdout=subprocess.DEVNULL
        )
        project = Path(scratch, "shop")
        say(f"$ cd shop && apiwright dev --port {PORT}   # its own Postgres, migrated, with reload")
        server = start(project)
        try:
            transcript()
            say(f"\nThe docs page:  {BASE}/docs\nThe project:    {project}\n\nCtrl-C ends it.")
            server.wait()
        finally:
            server.terminate()
            server.wait()
            embedded.remove(project / ".data" / "postgres")


def start(project: Path) -> "subprocess.Popen[bytes]":
    log = project / "dev.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*APIWRIGHT, "dev", "--port", str(PORT)], cwd=project, stdout=output, stderr=output
        )
    started = time.monotonic()
    while time.monotonic() < started + STARTS_WITHIN and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{BASE}/health/ready"):
                return server
        except OSError:
            time.sleep(0.1)
    server.terminate()
    server.wait()
    sys.exit(f"The backend did not start:\n{log.read_text(errors='replace')}")


def transcript() -> None:
    """What two users see, each step with the line that repeats it in a shell."""
    tokens = {}
    for name in ("ada", "bob"):
        account = {"email": f"{name}@example.com", "password": PASSWORD}
        show(f"{name.title()} signs up and logs in")
        call("POST", "/auth/register", body=account)
        line, request = prepare("POST", "/auth/login", body=account)
        say(f"$ {name.upper()}=$({line} | cut -d '\"' -f 4)")
        with urllib.request.urlopen(request) as answer:
            tokens[name] = json.load(answer)["access_token"]

    ada, bob = ({"name": name, "token": token} for name, token in tokens.items())
    show("Ada creates a project, a task in it, and a tag for it")
    project = call("POST", "/projects", body={"name": "Breakfast"}, **ada)
    wish = {"title": "Buy milk", "project_id": project["id"]}
    task = call("POST", "/tasks", body=wish, **ada)
    tag = call("POST", "/tags", body={"name": "shopping"}, **ada)
    call("PUT", f"/tasks/{task['id']}/tags/{tag['id']}", **ada)
    show("Bob asks for the task: for him it does not exist")
    call("GET", f"/tasks/{task['id']}", **bob)
    show("Ada asks for it")
    call("GET", f"/tasks/{task['id']}", **ada)


def call(method: str, path: str, *, body: Any = None, name: str = "", token: str = "") -> Any:
    """Send a request; print the curl line that does the same, and the answer."""
    line, request = prepare(method, path, body=body, name=name, token=token)
    say(f"$ {line}")
    try:
        with urllib.request.urlopen(request) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    say(f"{status} {text}".rstrip())
    return json.loads(text) if text else None


def prepare(
    method: str, path: str, *, body: Any = None, name: str = "", token: str = ""
) -> tuple[str, urllib.request.Request]:
    """The curl line of a request, and the request."""
    headers, line = {}, f"curl -s {API}{path}"
    if body is None and method != "GET":
        line += f" -X {method}"
    if token:
        headers["Authorization"] = f"Bearer {token}"
        line += f' -H "Authorization: Bearer ${name.upper()}"'
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        line += f" -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"
    return line, urllib.request.Request(f"{API}{path}", data, headers, method=method)


def show(step: str) -> None:
    say(f"\n# {step}")


def say(text: str) -> None:
    print(text, flush=True)


def _refuse_taken_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            sys.exit(f"Port {PORT} is in use. Choose another: make demo PORT={PORT + 1}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        say("\nDone: everything it started has ended, and its folder is gone.")
