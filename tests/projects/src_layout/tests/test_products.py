from fastapi.testclient import TestClient

from shop.app import create_app

client = TestClient(create_app())


def test_health() -> None:
    assert client.get("/health").status_code == 200
