"""A Postgres URL as it is pasted, and what asyncpg makes of it."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
from asyncpg import Connection


async def connect(url: str) -> Connection:
    """Connect to a URL of any common spelling: `postgres://`, `postgresql+asyncpg://`, Neon's
    with `channel_binding`. `sslmode` keeps its meaning."""
    parts = urlsplit(url)
    # asyncpg has no channel binding and would send the parameter to the server, which refuses it
    query = [pair for pair in parse_qsl(parts.query) if pair[0] != "channel_binding"]
    parts = parts._replace(scheme="postgresql", query=urlencode(query))
    return await asyncpg.connect(parts.geturl(), server_settings={"application_name": "apiwright"})
