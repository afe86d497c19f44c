from typing import Any

import pytest
from fastapi.testclient import TestClient

TASKS = "/api/v1/tasks"


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(TASKS, json={"title": "Buy milk"} | fields)
    assert answer.status_code == 201
    task: dict[str, Any] = answer.json()
    return task


def test_a_title_is_enough(ada: TestClient) -> None:
    task = create(ada)
    assert (task["title"], task["description"], task["done"]) == ("Buy milk", None, False)
    assert ada.get(f"{TASKS}/{task['id']}").json() == task


def test_update_changes_what_is_sent_and_nothing_else(ada: TestClient) -> None:
    task = create(ada, description="Two litres")
    changed = ada.patch(f"{TASKS}/{task['id']}", json={"done": True}).json()
    assert changed == task | {"done": True, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > task["updated_at"]
    cleared = ada.patch(f"{TASKS}/{task['id']}", json={"description": None}).json()
    assert cleared["description"] is None


def test_deleted_tasks_are_gone(ada: TestClient) -> None:
    task = create(ada)
    assert ada.delete(f"{TASKS}/{task['id']}").status_code == 204
    assert ada.get(f"{TASKS}/{task['id']}").status_code == 404
    assert ada.delete(f"{TASKS}/{task['id']}").status_code == 404


def test_pages_follow_each_other_newest_first(ada: TestClient) -> None:
    created = [create(ada, title=f"Task {n}")["id"] for n in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = ada.get(TASKS, params=query).json()
        seen += [task["id"] for task in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen[:5] == created[::-1]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_task_is_not_found(ada: TestClient, bob: TestClient, method: str) -> None:
    task = create(ada)
    body = {"done": True} if method == "PATCH" else None
    assert bob.request(method, f"{TASKS}/{task['id']}", json=body).status_code == 404
    assert ada.get(f"{TASKS}/{task['id']}").json() == task


def test_another_users_tasks_are_not_listed(ada: TestClient, bob: TestClient) -> None:
    task, other = create(ada), create(bob)
    seen = [task["id"] for task in bob.get(TASKS).json()["items"]]
    assert other["id"] in seen
    assert task["id"] not in seen


def test_an_owner_cannot_be_chosen(ada: TestClient, bob: TestClient) -> None:
    bobs = bob.get("/api/v1/auth/me").json()["id"]
    task = create(ada, owner_id=bobs)
    ada.patch(f"{TASKS}/{task['id']}", json={"owner_id": bobs})
    assert ada.get(f"{TASKS}/{task['id']}").status_code == 200
    assert bob.get(f"{TASKS}/{task['id']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", "/{id}"), ("PATCH", "/{id}"), ("DELETE", "/{id}")],
)
def test_nobody_signed_in_is_unauthorized(
    client: TestClient, ada: TestClient, method: str, path: str
) -> None:
    url = TASKS + path.format(id=create(ada)["id"])
    answer = client.request(method, url, json={} if method in ("POST", "PATCH") else None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "   "},
        {"title": "x" * 201},
        {"title": None},
        {"description": "x" * 2001},
        {"done": "perhaps"},
        {"done": None},
    ],
)
def test_what_does_not_fit_is_refused(ada: TestClient, fields: dict[str, Any]) -> None:
    (field,) = fields
    task = create(ada)
    for answer in (
        ada.post(TASKS, json={"title": "Buy milk"} | fields),
        ada.patch(f"{TASKS}/{task['id']}", json=fields),
    ):
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert [error["field"] for error in answer.json()["errors"]] == [f"body.{field}"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "made up"}])
def test_what_is_no_page_is_refused(ada: TestClient, query: dict[str, Any]) -> None:
    assert ada.get(TASKS, params=query).status_code == 422
