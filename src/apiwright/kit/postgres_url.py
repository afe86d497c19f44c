"""A Postgres URL as it is pasted, and what asyncpg makes of it."""

from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import asyncpg
from asyncpg import Connection

from apiwright.errors import ApiwrightError


async def connect(url: str) -> Connection:
    """Connect to a URL of any common spelling: `postgres://`, `postgresql+asyncpg://`, Neon's
    with `channel_binding`. `sslmode` keeps its meaning.

    Raises ApiwrightError, which repeats nothing of it, for a URL that cannot be read.
    """
    return await asyncpg.connect(_dsn(url), server_settings={"application_name": "apiwright"})


def _dsn(url: str) -> str:
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        parts, query = SplitResult("", "", "", "", ""), {}
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
    if "ssl" in query:  # SQLAlchemy's word for it
        query.setdefault("sslmode", query.pop("ssl"))
    return parts._replace(scheme="postgresql", query=urlencode(query)).geturl()


def _password_is_spilt(parts: SplitResult) -> bool:
    if "@" in parts.netloc:
        return parts.netloc.count("@") > 1
    port = parts.netloc.rpartition(":")[2]
    return "@" in parts.path + parts.query + parts.fragment and not port.isdigit()
