"""Imports somebody's app in its own interpreter and says in JSON what it serves.

`python -I -B runner.py JOB`, with the standard library alone: the interpreter may be older than
Apiwright's, and need not have Apiwright. The job names a scratch folder that holds a copy of the
project; the answer is written there. A cage against accidents, not against malice: Python's own
calls for writing elsewhere, starting programs and reaching the network are refused.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import os
import re
import sys
import traceback
from typing import Any, Iterator  # noqa: UP035  # older interpreters

_PROGRAMS = {
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
    "os.spawn", "os.startfile", "pty.spawn", "webbrowser.open",
}  # fmt: skip
_NETWORK = {
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
    "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo",
}  # fmt: skip
_WRITES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "os.chflags",
}  # fmt: skip
_TWO_PATHS = {"os.rename", "os.link"}
_MOST_NOTES = 20
_NOBODY = 65534


class Refused(PermissionError):
    """What the cage does not allow."""


class Cage:
    def __init__(self, scratch: str) -> None:
        self.scratch = os.path.realpath(scratch)
        self.notes: list[str] = []
        self.socket: str | None = None
        """The one that may be connected to: a throwaway database's."""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _PROGRAMS:
            self.refuse("start a program")
        elif event in _NETWORK:
            if event != "socket.connect" or self.socket is None or arguments[1] != self.socket:
                self.refuse("reach the network")
        elif event in ("os.kill", "os.killpg"):
            self.refuse("signal another process")
        elif event == "open":
            path, mode, flags = arguments
            writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & writes:
                self.check(path)
        elif event == "sqlite3.connect":
            self.check_database(arguments[0])
        elif event in _WRITES:
            self.check(arguments[1 if event == "os.symlink" else 0], arguments[-1])
            if event in _TWO_PATHS:
                self.check(arguments[1])

    def check_database(self, path: Any) -> None:
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if "mode=memory" in text or ":memory:" in text or text == "":
            return
        self.check(
            re.sub(r"^file:(//)?", "", text).partition("?")[0] if text[:5] == "file:" else text
        )

    def check(self, path: Any, folder: Any = None) -> None:
        if isinstance(path, int) or path is None:  # open already
            return
        text = os.fsdecode(path)
        if isinstance(folder, int) and folder >= 0 and text[:1] != os.sep:
            text = "/proc/self/fd/%d/%s" % (folder, text)  # noqa: UP031
        real = os.path.realpath(text)
        if (
            real != os.devnull
            and real != self.scratch
            and not real.startswith(self.scratch + os.sep)
        ):
            self.refuse("write to " + text)

    def refuse(self, what: str) -> None:
        if what not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(what)
        raise Refused("not allowed here: to " + what)


def no_processes(cage: Cage) -> None:
    """multiprocessing starts them below what the audit hook hears, and they would have no cage."""
    with contextlib.suppress(ImportError):
        import _posixsubprocess

        original = _posixsubprocess.fork_exec

        def fork_exec(*arguments: Any) -> Any:
            if not any(b"resource_tracker" in os.fsencode(one) for one in arguments[0]):
                cage.refuse("start a program")
            return original(*arguments)

        _posixsubprocess.fork_exec = fork_exec


def end_with_parent() -> None:
    """On Linux, also where it is killed, and nobody is left to end this."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError, ImportError):
            import ctypes

            ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL


def limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in (
        ("RLIMIT_AS", memory),
        ("RLIMIT_CPU", seconds + 5),
        ("RLIMIT_FSIZE", 64 * 1024 * 1024),
        ("RLIMIT_CORE", 0),
    ):
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, kind), (most, most))


def leave_network() -> None:
    """On Linux, where the kernel allows it: libraries in C do not ask Python."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes

        user, group = os.getuid(), os.getgid()
        new_network, new_user = 0x40000000, 0x10000000
        if ctypes.CDLL(None).unshare(new_network | (new_user if user else 0)) == 0 and user:
            for file, line in (
                ("setgroups", "deny"),
                ("uid_map", "%d %d 1" % (user, user)),  # noqa: UP031
                ("gid_map", "%d %d 1" % (group, group)),  # noqa: UP031
            ):
                with open("/proc/self/" + file, "w") as mapping:  # noqa: PTH123
                    mapping.write(line)


def leave_root(scratch: str) -> None:
    """On Linux: root becomes nobody, who may read what root may and writes in the scratch folder
    alone. Not where that reading is not ours to give, as in many containers."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        return
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes

        libc = ctypes.CDLL(None)
        head = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version, this thread
        held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
        reads, keep_held, no_new = 1 << 2, 8, 38  # CAP_DAC_READ_SEARCH, two of prctl's
        if libc.capget(head, held) != 0 or not held[1] & reads or libc.prctl(keep_held, 1, 0, 0, 0):
            return
        for folder, _, files in os.walk(scratch):
            for path in [folder] + [os.path.join(folder, name) for name in files]:  # noqa: PTH118
                os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        libc.capset(head, (ctypes.c_uint32 * 6)(reads, reads, 0, 0, 0, 0))
        libc.prctl(no_new, 1, 0, 0, 0)


def imported(job: dict[str, Any], cage: Cage) -> tuple[Any, dict[str, Any]]:
    """The app as it is served, None where it cannot be imported, and what is to be told of it."""
    answer: dict[str, Any] = {"ok": False, "error": None, "missing": [], "versions": versions()}
    served: Any = None
    try:
        served = importlib.import_module(job["module"])
        for name in job["variable"].split("."):
            served = getattr(served, name)
        if job["factory"]:
            served = served()
        app = inmost(served)
        answer["routes"], answer["complete"] = routes_of(app, "")
        answer["ok"] = True
        answer["openapi"] = openapi_of(app)
    except BaseException as error:
        answer["error"], answer["missing"] = told(error, job["root"])
    answer["notes"] = list(cage.notes)
    return served if answer["ok"] else None, answer


def inmost(app: Any) -> Any:
    """Without what is wrapped around it: app = SomeMiddleware(app)."""
    for name in ("app", "other_asgi_app", "_app") * 5:
        if hasattr(app, "routes") and hasattr(app, "openapi"):
            break
        app = getattr(app, name, app)
    return app


def told(error: BaseException, root: str) -> tuple[str, list[str]]:
    """The error in words, and names of settings that are missing."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(root + os.sep):
            where = "%s:%s: " % (os.path.relpath(frame.filename, root), frame.lineno)  # noqa: UP031
    missing: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        missing += missing_settings(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, SystemExit):
        words = "it ends the process (sys.exit(%s)) while it is imported" % (error.code,)  # noqa: UP031
    elif isinstance(error, Refused):
        words = "while it is imported it wants to " + str(error).partition(": to ")[2]
    elif isinstance(error, ModuleNotFoundError):
        words = "%s is not installed in this interpreter" % (error.name,)  # noqa: UP031
    elif isinstance(error, MemoryError):
        words = "it needs more memory than it may have"
    elif missing:
        words = "settings are missing: " + ", ".join(missing)
    else:
        lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
        words = ": ".join([type(error).__name__, " ".join(lines[:3])[:400]])
    return where + words, missing


def missing_settings(error: BaseException) -> list[str]:
    if isinstance(error, KeyError) and error.args:
        name = re.fullmatch("([A-Z][A-Z0-9_]+)|Config '(.+)' is missing.*", str(error.args[0]))
        return [name[1] or name[2]] if name else []
    if type(error).__name__ != "ValidationError" or not hasattr(error, "errors"):
        return []
    return [
        str(one["loc"][0])
        for one in error.errors()
        if one.get("type") in ("missing", "value_error.missing") and len(one["loc"]) == 1
    ]


def versions() -> dict[str, str | None]:
    from importlib import metadata

    found: dict[str, str | None] = {"python": "%d.%d.%d" % sys.version_info[:3]}  # noqa: UP031
    for name in ("fastapi", "pydantic", "sqlalchemy", "sqlmodel"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def routes_of(app: Any, above: str) -> tuple[list[dict[str, Any]], bool]:
    """Since FastAPI 0.137 included routers stay a tree, which 0.137.2 gave a way to walk; before,
    app.routes holds every route. Whether all could be seen comes second."""
    try:
        from fastapi.routing import iter_route_contexts
    except ImportError:
        found = list(app.routes)
    else:
        found = list(iter_route_contexts(app.routes))
    routes, complete = [], True
    for route in found:
        original = getattr(route, "original_route", route)
        if type(original).__name__ == "_IncludedRouter":
            complete = False
        elif hasattr(original, "app") and type(original).__name__ == "Mount":
            if hasattr(original.app, "routes"):
                below, whole = routes_of(original.app, above + route.path)
                routes += [dict(one, in_schema=False) for one in below]
                complete = complete and whole
        elif getattr(route, "endpoint", None) is not None:
            routes += list(described(route, above))
    return routes, complete


def described(route: Any, above: str) -> Iterator[dict[str, Any]]:
    endpoint = unwrapped(route.endpoint)
    module = getattr(endpoint, "__module__", "") or ""
    if module.partition(".")[0] == "fastapi":  # its own pages
        return
    dependant = getattr(route, "dependant", None)
    methods = sorted(getattr(route, "methods", None) or ["WEBSOCKET"])
    if dependant is None and "GET" in methods:
        methods = [method for method in methods if method != "HEAD"]
    for method in methods:
        yield {
            "method": method,
            "path": above + route.path,
            "name": getattr(endpoint, "__qualname__", type(endpoint).__qualname__),
            "module": module,
            "place": place_of(endpoint),
            "dependencies": [dependency(one) for one in getattr(dependant, "dependencies", ())],
            "response_model": type_text(getattr(route, "response_model", None)),
            "status": getattr(route, "status_code", None)
            or (None if method == "WEBSOCKET" or dependant is None else 200),
            "is_async": inspect.iscoroutinefunction(endpoint),
            "in_schema": bool(getattr(route, "include_in_schema", False)) and method != "WEBSOCKET",
        }


def dependency(dependant: Any) -> dict[str, Any]:
    call = unwrapped(dependant.call)
    named = call if hasattr(call, "__qualname__") else type(call)
    return {
        "name": named.__qualname__,
        "module": getattr(named, "__module__", None),
        "place": place_of(call),
        "login": asks_for_login(dependant),
    }


def asks_for_login(dependant: Any) -> bool:
    from fastapi.security.base import SecurityBase

    call = unwrapped(dependant.call)
    if isinstance(call, SecurityBase) and getattr(call, "auto_error", True):
        return True
    return any(asks_for_login(one) for one in dependant.dependencies)


def unwrapped(call: Any) -> Any:
    while isinstance(call, functools.partial):
        call = call.func
    return inspect.unwrap(call) if callable(call) else call


def place_of(call: Any) -> list[Any] | None:
    if not hasattr(call, "__code__") and not inspect.isclass(call):
        call = getattr(type(call), "__call__", None)  # noqa: B004  # its code is wanted
    code = getattr(call, "__code__", None)
    return [os.path.realpath(code.co_filename), code.co_firstlineno] if code is not None else None


def type_text(model: Any) -> str | None:
    if model is None:
        return None
    if inspect.isclass(model) and not getattr(model, "__args__", None):
        return model.__name__
    return re.sub(r"\b[A-Za-z_]\w*\.", "", str(model))


def openapi_of(app: Any) -> Any:
    try:
        return app.openapi()
    except Exception:  # their schema's problem; the routes are known
        return None


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        job = json.load(file)
    sys.path[:0] = job["sys_path"]
    limit(job["memory"], job["seconds"])
    leave_network()
    leave_root(job["scratch"])
    cage = Cage(job["scratch"])
    sys.addaudithook(cage)
    _, answer = imported(job, cage)
    with open(job["answer"] + ".part", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(answer, file, default=str)
    os.replace(job["answer"] + ".part", job["answer"])  # noqa: PTH105
    os._exit(0)  # whatever threads it has started


if __name__ == "__main__":
    main()
