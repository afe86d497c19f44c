"""In a browser: tests/e2e/test_docs_page.py."""

import re
from html.parser import HTMLParser

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr

from apiwright.kit import docs, problems


def client_of(app: FastAPI, root_path: str = "") -> TestClient:
    problems.install(app)
    docs.install(app)
    return TestClient(app, root_path=root_path)


def plain(title: str = "Shop") -> FastAPI:
    return FastAPI(title=title, docs_url=None, redoc_url=None)


class Read(HTMLParser):
    """What a page refers to, and what would run or be styled in the page itself."""

    def __init__(self, page: Response) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.title = ""
        self._tag = ""
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        for name, value in attrs:
            if name in ("href", "src", "data-openapi", "action"):
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{name}={value}")

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style"):
            self.inline.append(data)
        if self._tag == "title":
            self.title += data


def policy_of(page: Response) -> dict[str, list[str]]:
    directives = page.headers["Content-Security-Policy"].split(";")
    return {name: sources for name, *sources in (each.split() for each in directives)}


def test_the_page_is_html_under_the_title_of_the_app() -> None:
    page = client_of(plain()).get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert Read(page).title == "Shop"


def test_everything_is_forbidden_but_files_of_this_server() -> None:
    policy = policy_of(client_of(plain()).get("/docs"))
    assert policy["default-src"] == ["'none'"]
    for name in ("script-src", "style-src", "connect-src"):
        assert policy[name] == ["'self'"]
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == ["'none'"]
    sources = {source for each in policy.values() for source in each}
    assert sources == {"'self'", "'none'", "data:"}


def test_nothing_stands_in_the_page_that_the_policy_would_stop() -> None:
    assert Read(client_of(plain()).get("/docs")).inline == []


def test_every_address_in_it_is_of_this_server_and_answers() -> None:
    client = client_of(plain())
    read = Read(client.get("/docs"))
    assert len(read.addresses) == 5
    for address in read.addresses:
        assert re.fullmatch(r"/[\w./-]+", address)
        assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("file", "media_type"),
    [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("favicon.png", "image/png"),
        ("page.js", "text/javascript; charset=utf-8"),
    ],
)
def test_its_files_are_served_as_what_they_are(file: str, media_type: str) -> None:
    answer = client_of(plain()).get(f"/docs/{file}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == media_type
    assert answer.content


def test_the_script_loads_nothing_from_elsewhere() -> None:
    script = client_of(plain()).get("/docs/page.js").text
    assert "http" not in script
    assert "validatorUrl: null" in script


@pytest.mark.parametrize("prefix", ["/api", "/behind/a/proxy"])
def test_behind_a_proxy_every_address_begins_with_its_prefix(prefix: str) -> None:
    client = client_of(plain(), root_path=prefix)
    read = Read(client.get(f"{prefix}/docs"))
    assert f"{prefix}/openapi.json" in read.addresses
    for address in read.addresses:
        assert address.startswith(f"{prefix}/")
        assert client.get(address).status_code == 200


def test_mounted_in_another_app_every_address_begins_with_its_mount() -> None:
    inner, outer = plain(), FastAPI(docs_url=None, redoc_url=None)
    client_of(inner)
    outer.mount("/inner", inner)
    client = TestClient(outer)
    read = Read(client.get("/inner/docs"))
    assert "/inner/openapi.json" in read.addresses
    for address in read.addresses:
        assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    "title", ["</title><script>alert(1)</script>", '"><img src=x onerror=y>', "Käse & {root} {0}"]
)
def test_a_title_is_text(title: str) -> None:
    read = Read(client_of(plain(title)).get("/docs"))
    assert read.title == title
    assert read.inline == []
    assert len(read.addresses) == 5


def test_a_hostile_prefix_is_text() -> None:
    page = client_of(plain(), root_path='/"><script>alert(1)</script>').get("/docs")
    assert "<script>alert" not in page.text


def test_without_a_document_there_is_no_page() -> None:
    client = client_of(FastAPI(openapi_url=None))
    for path in ("/docs", "/docs/page.js", "/docs/swagger-ui-bundle.js", "/redoc"):
        assert client.get(path).status_code == 404


def test_the_document_may_be_served_elsewhere() -> None:
    app = FastAPI(openapi_url="/v1/schema.json", docs_url=None, redoc_url=None)
    assert "/v1/schema.json" in Read(client_of(app).get("/docs")).addresses


def test_the_page_is_not_in_the_document() -> None:
    assert client_of(plain()).get("/openapi.json").json()["paths"] == {}


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "", "../docs.py", "..%2f..%2fpyproject.toml", "%2e%2e/%2e%2e/etc/passwd", "%00"],
)
def test_no_other_file_is_served(path: str) -> None:
    answer = client_of(plain()).get(f"/docs/{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_files_are_there_without_the_internet() -> None:
    bundle = client_of(plain()).get("/docs/swagger-ui-bundle.js")
    assert len(bundle.content) > 500_000
    assert "ETag" in bundle.headers  # the browser need not load it again


# behind a password

PASSWORD = "a-password-for-docs"
GUARDED = ["/docs", "/docs/", "/docs/page.js", "/docs/swagger-ui.css", "/openapi.json"]


def guarded(root_path: str = "") -> TestClient:
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get("/documents")
    async def documents() -> None: ...

    problems.install(app)
    docs.install(app, SecretStr(PASSWORD))
    return TestClient(app, root_path=root_path)


@pytest.mark.parametrize("root_path", ["", "/shop"])
@pytest.mark.parametrize("path", GUARDED)
def test_who_does_not_know_the_password_sees_nothing(path: str, root_path: str) -> None:
    client = guarded(root_path)
    for credentials in (
        None,
        ("", ""),
        ("docs", "wrong"),
        (PASSWORD, ""),
        ("docs", PASSWORD + "x"),
    ):
        answer = client.get(root_path + path, auth=credentials, follow_redirects=False)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Basic realm="docs"')
        assert answer.json()["detail"] == "The docs are behind a password."


@pytest.mark.parametrize(
    "sent", ["", "Basic", "Basic é", "Basic =", "Basic AAAA", f"Bearer {PASSWORD}", PASSWORD]
)
def test_what_is_no_password_is_no_password(sent: str) -> None:
    headers = [(b"Authorization", sent.encode())]
    assert guarded().get("/docs", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/docs", "/docs/page.js", "/openapi.json"])
def test_who_knows_the_password_sees_everything(path: str) -> None:
    assert guarded().get(path, auth=("anybody", PASSWORD)).status_code == 200


def test_only_the_docs_are_behind_the_password() -> None:
    assert guarded().get("/documents").status_code == 200
    assert guarded().get("/nowhere").status_code == 404
