import os
from pathlib import Path
from tempfile import mkdtemp

folder = Path(mkdtemp())
os.environ["SECRET_KEY"] = "only-for-tests-" + "0" * 32
os.environ["DATABASE_URL"] = f"sqlite:///{folder}/test.db"
os.environ["UPLOAD_FOLDER"] = str(folder / "uploads")

import pytest
from fastapi.testclient import TestClient

from shop.main import app


@pytest.fixture(scope="session")
def client():
    with TestClient(app) as client:
        yield client


def sign_up(client, email):
    client.post("/auth/register", json={"email": email, "password": "correct horse"})
    login = client.post("/auth/login", data={"username": email, "password": "correct horse"})
    return {"Authorization": "Bearer " + login.json()["access_token"]}


@pytest.fixture(scope="session")
def alice(client):
    return sign_up(client, "alice@example.com")


@pytest.fixture(scope="session")
def bob(client):
    return sign_up(client, "bob@example.com")
