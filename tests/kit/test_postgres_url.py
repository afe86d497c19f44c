"""What reaches a server is heard by a listener that speaks the beginning of Postgres's protocol
(its documentation, section 54.2) and lets nobody in."""

import asyncio
import getpass
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from apiwright.errors import ApiwrightError
from apiwright.kit import postgres_url

pytestmark = pytest.mark.anyio

TLS_PLEASE, VERSION_3 = 80877103, 196608


@dataclass
class Listener:
    """Refuses TLS, and hears what is said without it."""

    port: int = 0
    connections: int = 0
    asked_for_tls: bool = False
    said_in_the_clear: dict[str, str] = field(default_factory=dict)
    password: str | None = None

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            length, word = struct.unpack("!II", await reader.readexactly(8))
            if word == TLS_PLEASE:
                self.asked_for_tls = True
                writer.write(b"N")
                length, word = struct.unpack("!II", await reader.readexactly(8))
            assert word == VERSION_3
            words = (await reader.readexactly(length - 8)).decode().rstrip("\0").split("\0")
            self.said_in_the_clear = dict(zip(words[::2], words[1::2], strict=True))
            writer.write(b"R" + struct.pack("!II", 8, 3))  # the password, please
            _, length = struct.unpack("!cI", await reader.readexactly(5))
            self.password = (await reader.readexactly(length - 4)).decode().rstrip("\0")
            said = b"SFATAL\0C28P01\0Mnobody gets in\0\0"
            writer.write(b"E" + struct.pack("!I", len(said) + 4) + said)
        except asyncio.IncompleteReadError:
            pass  # it went away
        finally:
            writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    heard = Listener()
    async with await asyncio.start_server(heard.hear, "127.0.0.1", 0) as server:
        heard.port = server.sockets[0].getsockname()[1]
        yield heard


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGSSLMODE", "PGPASSWORD", "PGUSER", "PGHOST", "PGPORT", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no certificates, no .pgpass


async def let_in_the_clear(url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await postgres_url.connect(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "POSTGRES"])
async def test_every_spelling_of_the_scheme_is_understood(listener: Listener, scheme: str) -> None:
    await let_in_the_clear(f"{scheme}://ada:secret@127.0.0.1:{listener.port}/shop")
    assert listener.said_in_the_clear["user"] == "ada"
    assert listener.said_in_the_clear["database"] == "shop"
    assert listener.password == "secret"


@pytest.mark.parametrize(
    "url",
    [
        "", "shop", "localhost", "/var/run", "mysql://ada:hunter22@db/shop", "sqlite:///hunter22",
        "postgresql+psycopg", "http://ada:hunter22@db", "jdbc:postgresql://db/x", "://", "\0",
        "postgresqll://ada:hunter22@db", "postgresql://[::hunter22/shop", "postgresql://ada:hunter22",
        "postgresql://ada@db:hunter22/shop", "postgresql://ada@db,db2:hunter22/shop",
    ],
)  # fmt: skip
async def test_what_is_no_url_of_postgres_is_refused_in_words(url: str) -> None:
    with pytest.raises(ApiwrightError, match="DATABASE_URL cannot be read") as refused:
        await postgres_url.connect(url)
    assert "postgresql://user:password@host/database" in refused.value.todo
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize(
    "password",
    ["p@ss:w/rd?#%[]&=+ ;,", "%40", "100%", "pässwörd 日本 🔋", "'\"\\`$(x)", "a+b", ":@", "?x=y"],
)
async def test_a_password_arrives_as_it_is_whatever_is_in_it(
    listener: Listener, password: str
) -> None:
    encoded = quote(password, safe="")
    await let_in_the_clear(f"postgresql://ada:{encoded}@127.0.0.1:{listener.port}/shop")
    assert listener.password == password


async def test_so_do_the_names_of_user_and_database(listener: Listener) -> None:
    await let_in_the_clear(
        f"postgresql://ada%40shop.example:x@127.0.0.1:{listener.port}/my%20shop%2F%31%3F%23"
    )
    assert listener.said_in_the_clear["user"] == "ada@shop.example"
    assert listener.said_in_the_clear["database"] == "my shop/1?#"


@pytest.mark.parametrize(
    "password",
    ["hunter@22", "hunter#22", "hunter/22", "hunter?2=2", "2@hunter#2/2?", "2@hunter/2", "2@22?x"],
)
async def test_a_password_that_was_not_encoded_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(ApiwrightError, match="percent-encoded") as refused:
        await postgres_url.connect(f"postgresql://ada:{password}@db.example/shop")
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require",
        "ssl=require",  # SQLAlchemy's spelling
        "sslmode=require&channel_binding=require",  # Neon's
        "channel_binding=require&sslmode=require",
        "channel_binding=require",
        "sslmode=verify-full&sslrootcert=system",
        "application_name=x&sslmode=require",
        "sslmode=disable&sslmode=require",
    ],
)
async def test_where_tls_is_required_nothing_is_said_without_it(
    listener: Listener, query: str
) -> None:
    with pytest.raises((ConnectionError, OSError, asyncpg.ClientConfigurationError)):
        await postgres_url.connect(
            f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop?{query}"
        )
    assert listener.said_in_the_clear == {}
    assert listener.password is None


@pytest.mark.parametrize("query", ["sslmode=verify-ca", "sslmode=verify-full"])
async def test_what_cannot_be_verified_is_not_even_connected_to(
    listener: Listener, query: str
) -> None:
    with pytest.raises(asyncpg.ClientConfigurationError, match=r"root\.crt"):
        await postgres_url.connect(
            f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop?{query}"
        )
    assert listener.connections == 0


@pytest.mark.parametrize(
    "query",
    ["sslmode=", "sslmode", "ssl=", "sslmode=Require", "sslmode=required", "ssl=true", "ssl=1"],
)
async def test_a_misspelt_sslmode_is_refused_and_not_left_out(
    listener: Listener, query: str
) -> None:
    with pytest.raises((ApiwrightError, asyncpg.ClientConfigurationError)):
        await postgres_url.connect(
            f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop?{query}"
        )
    assert listener.connections == 0


async def test_without_sslmode_tls_is_asked_for(listener: Listener) -> None:
    await let_in_the_clear(f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop")
    assert listener.asked_for_tls


async def test_sslmode_disable_means_what_it_says(listener: Listener) -> None:
    await let_in_the_clear(
        f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop?sslmode=disable"
    )
    assert not listener.asked_for_tls


async def test_the_environments_sslmode_counts_where_the_url_has_none(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")
    with pytest.raises(ConnectionError, match="rejected SSL"):
        await postgres_url.connect(f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop")
    assert listener.said_in_the_clear == {}


@pytest.mark.parametrize("query", ["", "?channel_binding=prefer", "?pgbouncer=true"])
async def test_poolers_are_sent_nothing_that_they_refuse(listener: Listener, query: str) -> None:
    await let_in_the_clear(f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop{query}")
    assert listener.said_in_the_clear == {
        "user": "ada",
        "database": "shop",
        "client_encoding": "'utf-8'",
        "application_name": "apiwright",
    }


async def test_other_parameters_are_the_servers(listener: Listener) -> None:
    query = f"options={quote('-c geqo=off')}&search_path=a%2Cb"
    await let_in_the_clear(f"postgresql://ada:secret@127.0.0.1:{listener.port}/shop?{query}")
    assert listener.said_in_the_clear["options"] == "-c geqo=off"
    assert listener.said_in_the_clear["search_path"] == "a,b"


async def test_of_several_hosts_the_next_is_tried(listener: Listener) -> None:
    hosts = f"127.0.0.1:1,localhost:1,127.0.0.1:{listener.port}"
    await let_in_the_clear(f"postgresql://ada:secret@{hosts}/shop")
    assert listener.said_in_the_clear["user"] == "ada"


async def test_of_several_hosts_none_is_told_anything_without_tls(listener: Listener) -> None:
    hosts = f"127.0.0.1:{listener.port},localhost:{listener.port}"
    with pytest.raises(ConnectionError, match="rejected SSL"):
        await postgres_url.connect(f"postgresql://ada:secret@{hosts}/shop?sslmode=require")
    assert listener.said_in_the_clear == {}


async def test_nothing_that_says_why_it_failed_names_the_password(listener: Listener) -> None:
    for url in (
        f"postgresql://ada:hunter22@127.0.0.1:{listener.port}/shop",
        f"postgresql://ada:hunter22@127.0.0.1:{listener.port}/shop?sslmode=require",
        "postgresql://ada:hunter22@127.0.0.1:1/shop",
        "postgresql://ada:hunter22@127.0.0.1:99999/shop",
        "postgresql://ada:hunter22@127.0.0.1/shop?sslmode=no",
    ):
        with pytest.raises(Exception) as refused:  # noqa: PT011  # which one is asyncpg's
            await postgres_url.connect(url)
        assert "hunter22" not in repr(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
async def test_a_unix_socket_is_connected_to(server: str, scheme: str) -> None:
    url = urlsplit(server)._replace(scheme=scheme).geturl()
    for same in (url, f"{url}&port=5432", f"{url.replace('postgres@', '')}&user=postgres"):
        connection = await postgres_url.connect(same)
        assert await connection.fetchval("SHOW application_name") == "apiwright"
        await connection.close()


@pytest.mark.parametrize(
    ("place", "pooled"),
    [
        ("ep-cool-1.eu.aws.neon.tech/shop", False),
        ("ep-cool-1-pooler.eu.aws.neon.tech/shop?sslmode=require", True),
        ("aws-0-eu.pooler.supabase.com:5432/postgres", False),
        ("aws-0-eu.pooler.supabase.com:6543/postgres", True),
        ("db.example/shop?pgbouncer=true", True),
        ("db.example/shop?pgbouncer=false", False),
    ],
)
async def test_a_pooler_is_known_by_its_address(place: str, pooled: bool) -> None:
    assert postgres_url.is_pooled(f"postgresql://ada:6543-pooler.@{place}") == pooled


async def test_without_a_user_it_is_the_accounts(listener: Listener) -> None:
    await let_in_the_clear(f"postgresql://:secret@127.0.0.1:{listener.port}")
    assert listener.said_in_the_clear["user"] == getpass.getuser()
