"""What keeps somebody's programs to themselves while a plan is tried out.

Runs at the start of every Python process in the copy, in the project's own interpreter, with the
standard library and the project's SQLAlchemy: there is no network but this machine's, and whatever
database is connected to, by whatever URL, is a throwaway one of the same kind.
"""

import json
import os
import re
import runpy
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

try:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
except Exception:  # it is not there, or does not work here
    Engine = None  # type: ignore[assignment, misc]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_HERE = {"", "localhost", "ip6-localhost", "testserver", "test"}
_OF_A_PLACE = (
    "host", "hostaddr", "port", "user", "password", "passfile", "database", "dbname", "dsn",
    "service", "ssl", "sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding",
    "target_session_attrs", "unix_sock", "ssl_context", "direct_tls",
)  # fmt: skip


class NotHere(RuntimeError):
    """What there is no throwaway one of."""


def install() -> None:
    job = json.loads(os.environ["APIWRIGHT_CAGE"])
    if not job.get("caged"):  # a process that another has started shares its network
        with suppress(Exception):
            runpy.run_path(job["runner"])["leave_network"]()
            _raise_loopback()
        os.environ["APIWRIGHT_CAGE"] = json.dumps({**job, "caged": True})
    sys.addaudithook(_guard)
    if Engine is not None:
        event.listen(Engine, "do_connect", _Databases(job))


def _raise_loopback() -> None:
    """In a network of one's own it is down at first; tests serve on it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: up


def _guard(name: str, arguments: tuple[Any, ...]) -> None:
    if name in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not _is_here(address[0]):
            raise PermissionError(f"not allowed here: to reach {address[0]}")
    elif name == "socket.getaddrinfo" and not _is_here(arguments[0]):
        raise PermissionError(f"not allowed here: to reach {arguments[0]}")


def _is_here(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    return host is None or host in _HERE or bool(re.match(r"127\.|::1$|0\.0\.0\.0$|::$", str(host)))


class _Databases:
    def __init__(self, job: dict[str, Any]) -> None:
        self.folder: str = job["folder"]
        self.copy: str = job["copy"]
        self.server: dict[str, str] | None = job["server"]
        self.all_files: bool = job["all_files"]

    def __call__(
        self, dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]
    ) -> None:
        if dialect.name == "sqlite":
            arguments[:] = [self.file(str(argument)) for argument in arguments]
        elif dialect.name in ("postgresql", "postgres"):
            self.postgres(dialect.driver, arguments, options)
        else:
            raise NotHere(f"there is no {dialect.name} to try it on")

    def file(self, name: str) -> str:
        """Another one where it lies outside of the copy, or where each run is to have its own."""
        if ":memory:" in name or "mode=memory" in name or not name:
            return name
        path = re.sub("^file:(//)?", "", name).partition("?")[0]
        real = os.path.realpath(path)
        if not self.all_files and real.startswith(self.copy + os.sep):
            return name
        os.makedirs(self.folder, exist_ok=True)  # noqa: PTH103
        return name.replace(path, os.path.join(self.folder, re.sub(r"\W", "_", real)))  # noqa: PTH118

    def postgres(self, driver: str, arguments: list[Any], options: dict[str, Any]) -> None:
        if self.server is None:
            raise NotHere("there is no Postgres to try it on")
        arguments[:] = []
        for name in _OF_A_PLACE:
            options.pop(name, None)
        options["user"] = self.server["user"]
        if driver == "pg8000":
            options["unix_sock"] = f"{self.server['host']}/.s.PGSQL.5432"
        else:
            options["host"] = self.server["host"]
        options["dbname" if driver.startswith("psycopg") else "database"] = self.server["database"]
