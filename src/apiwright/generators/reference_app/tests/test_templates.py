import secrets

import pytest
from apiwright.kit.database import Database
from fastapi.testclient import TestClient
from sqlmodel import update

from app.main import app
from app.models import User
from app.permissions import Role
from tests.conftest import signed_up

TEMPLATES = "/api/v1/templates"


@pytest.fixture(scope="session")
def admin(client: TestClient) -> TestClient:
    admin = signed_up(client)
    email = admin.get("/api/v1/auth/me").json()["email"]

    async def promote() -> None:
        database: Database = app.state.database
        async with database.session(None) as session:
            everyone = session.unscoped(reason="a test needs an administrator")
            await everyone.exec(update(User).where(User.email == email).values(role=Role.ADMIN))

    assert client.portal is not None
    client.portal.call(promote)
    return admin


def test_who_has_the_permission_writes_what_everybody_reads(
    admin: TestClient, ada: TestClient
) -> None:
    made = admin.post(TEMPLATES, json={"title": secrets.token_hex(8)})
    assert made.status_code == 201
    assert made.json() in ada.get(TEMPLATES).json()["items"]
    assert admin.delete(f"{TEMPLATES}/{made.json()['id']}").status_code == 204
    assert made.json() not in ada.get(TEMPLATES).json()["items"]


def test_who_lacks_it_is_refused(admin: TestClient, ada: TestClient) -> None:
    made = admin.post(TEMPLATES, json={"title": secrets.token_hex(8)}).json()
    assert ada.post(TEMPLATES, json={"title": "Mine"}).status_code == 403
    assert ada.delete(f"{TEMPLATES}/{made['id']}").status_code == 403
    assert made in ada.get(TEMPLATES).json()["items"]


def test_nobody_signed_in_is_unauthorized(client: TestClient) -> None:
    assert client.get(TEMPLATES).status_code == 401
    assert client.post(TEMPLATES, json={"title": "Mine"}).status_code == 401
