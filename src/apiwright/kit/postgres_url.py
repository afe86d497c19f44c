"""A Postgres URL as it is pasted, and what asyncpg makes of it."""

import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import asyncpg
from asyncpg import Connection

from apiwright.errors import ApiwrightError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_HOST = r"(\[[^]]*\]|[^]@:,[]*)(:\d+)?"
_PLACE = re.compile(rf"([^@]*@)?{_HOST}(,{_HOST})*")


async def connect(url: str, *, command_timeout: float | None = None) -> Connection:
    """Connect to a URL of any common spelling: `postgres://`, `postgresql+asyncpg://`, Neon's
    with `channel_binding`. `sslmode` keeps its meaning. `command_timeout` in seconds.

    Raises ApiwrightError, which repeats nothing of it, for a URL that cannot be read.
    """
    return await asyncpg.connect(
        _dsn(url),
        server_settings={"application_name": "apiwright"},
        statement_cache_size=0 if is_pooled(url) else 200,
        command_timeout=command_timeout,
        ssl=ssl.create_default_context() if _must_be_verified(url) else None,
    )


def engine_of(url: str) -> "AsyncEngine":
    """SQLAlchemy's engine on the same URL. It keeps no connection."""
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    unnamed = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(url),
        poolclass=NullPool,
        connect_args=unnamed if is_pooled(url) else {},
    )


def is_pooled(url: str) -> bool:
    """Whether the URL is that of a pooler that gives each transaction another connection, where
    prepared statements do not last: Neon's `-pooler` hosts, Supabase's port 6543, or any that
    says so with `pgbouncer=true`."""
    parts, query = _read(url)
    host = parts.netloc.rpartition("@")[2]
    return "-pooler." in host or host.endswith(":6543") or query.get("pgbouncer") == "true"


def _must_be_verified(url: str) -> bool:
    """asyncpg has no channel binding, which is asked for against somebody in the middle; what it
    has against him is to verify the certificate and the host's name."""
    query = _read(url)[1]
    asked = query.get("channel_binding") == "require"
    return asked and not query.get("sslmode", "").startswith("verify-")


def _read(url: str) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(url)
        return parts, dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return SplitResult("", "", "", "", ""), {}


def _dsn(url: str) -> str:
    parts, query = _read(url)
    known = parts.scheme.partition("+")[0] in ("postgres", "postgresql")
    # asyncpg takes the default for an empty parameter: for `sslmode=` that could be no TLS
    if not known or _password_is_spilt(parts) or "" in query.values():
        raise ApiwrightError(
            "DATABASE_URL cannot be read.",
            "Write postgresql://user:password@host/database?sslmode=require, with every special"
            " character of the password percent-encoded: @ is %40, / is %2F, # is %23, ? is %3F.",
        )
    # asyncpg has no channel binding and would send the parameter to the server, which refuses it
    query.pop("channel_binding", None)
    query.pop("pgbouncer", None)
    if "ssl" in query:  # SQLAlchemy's word for it
        query.setdefault("sslmode", query.pop("ssl"))
    return parts._replace(scheme="postgresql", query=urlencode(query)).geturl()


def _password_is_spilt(parts: SplitResult) -> bool:
    return not _PLACE.fullmatch(parts.netloc) or "@" in parts.path or parts.fragment != ""
