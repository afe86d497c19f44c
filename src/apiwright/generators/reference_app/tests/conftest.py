"""One migrated database and two users, for the whole run."""

import os
import secrets
from collections.abc import Iterator

# before the app reads its settings
os.environ.setdefault("FASTAPI_ENV", "development")
os.environ["RATE_LIMIT"] = "off"

import pytest
from apiwright.kit.testing import temporary_database
from fastapi.testclient import TestClient

from app.main import app, settings


@pytest.fixture(scope="session", autouse=True)
def database() -> Iterator[None]:
    with temporary_database(settings):
        yield


@pytest.fixture(scope="session")
def client(database: None) -> Iterator[TestClient]:
    """Nobody is signed in."""
    with TestClient(app) as client:
        yield client


@pytest.fixture(scope="session")
def ada(client: TestClient) -> TestClient:
    return signed_up(client)


@pytest.fixture(scope="session")
def bob(client: TestClient) -> TestClient:
    """Somebody else, who must not see what is Ada's."""
    return signed_up(client)


def signed_up(client: TestClient) -> TestClient:
    """A client that sends the token of a new user."""
    email, password = f"{secrets.token_hex(8)}@example.com", "correct horse battery"
    credentials = {"email": email, "password": password}
    client.post("/api/v1/auth/register", json=credentials)
    return logged_in(client, **credentials)


def logged_in(client: TestClient, email: str, password: str) -> TestClient:
    """A client that sends the token of a new login."""
    login = client.post("/api/v1/auth/login", json={"email": email, "password": password})
    token = login.json()["access_token"]
    signed_in = TestClient(app, headers={"Authorization": f"Bearer {token}"})
    signed_in.portal = client.portal  # the same running app: one event loop, one pool
    return signed_in
