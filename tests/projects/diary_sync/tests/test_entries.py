from fastapi.testclient import TestClient


def test_create_entry(client: TestClient, auth_headers: dict[str, str]) -> None:
    answer = client.post("/entries/", json={"title": "one"}, headers=auth_headers)
    assert answer.status_code == 201
    assert answer.json()["title"] == "one"


def test_entries_are_listed(client: TestClient, auth_headers: dict[str, str]) -> None:
    client.post("/entries/", json={"title": "one"}, headers=auth_headers)
    listed = client.get("/entries/", headers=auth_headers).json()
    assert [entry["title"] for entry in listed] == ["one"]


def test_entries_need_a_login(client: TestClient) -> None:
    assert client.get("/entries/").status_code == 401
