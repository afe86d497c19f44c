import secrets

import pytest
from fastapi.testclient import TestClient

PROJECTS, TASKS = "/api/v1/projects", "/api/v1/tasks"


def create(client: TestClient) -> str:
    answer = client.post(PROJECTS, json={"name": secrets.token_hex(8)})
    assert answer.status_code == 201
    project_id: str = answer.json()["id"]
    return project_id


def test_a_project_is_made_renamed_and_deleted(ada: TestClient) -> None:
    url = f"{PROJECTS}/{create(ada)}"
    assert ada.patch(url, json={"name": "Garden"}).json()["name"] == "Garden"
    assert ada.get(url).json()["name"] == "Garden"
    assert ada.delete(url).status_code == 204
    assert ada.get(url).status_code == 404


def test_a_name_is_unique_for_its_owner_and_free_for_others(
    ada: TestClient, bob: TestClient
) -> None:
    name = {"name": secrets.token_hex(8)}
    assert ada.post(PROJECTS, json=name).status_code == 201
    again = ada.post(PROJECTS, json=name)
    assert again.status_code == 409
    assert [error["field"] for error in again.json()["errors"]] == ["name"]
    assert bob.post(PROJECTS, json=name).status_code == 201


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_project_is_not_found(ada: TestClient, bob: TestClient, method: str) -> None:
    url = f"{PROJECTS}/{create(ada)}"
    body = {"name": "Mine"} if method == "PATCH" else None
    assert bob.request(method, url, json=body).status_code == 404
    assert ada.get(url).status_code == 200


def test_another_users_projects_are_not_listed(ada: TestClient, bob: TestClient) -> None:
    project_id, other = create(ada), create(bob)
    seen = [project["id"] for project in bob.get(PROJECTS).json()["items"]]
    assert other in seen
    assert project_id not in seen


def test_a_change_of_what_has_changed_meanwhile_is_refused(ada: TestClient) -> None:
    url = f"{PROJECTS}/{create(ada)}"
    seen = {"If-Match": ada.get(url).headers["ETag"]}
    assert ada.patch(url, json={"name": secrets.token_hex(8)}, headers=seen).status_code == 200
    assert ada.patch(url, json={"name": "Too late"}, headers=seen).status_code == 412
    assert ada.delete(url, headers=seen).status_code == 412
    assert ada.get(url).status_code == 200


def test_what_one_has_already_is_not_sent_again(ada: TestClient) -> None:
    url = f"{PROJECTS}/{create(ada)}"
    seen = {"If-None-Match": ada.get(url).headers["ETag"]}
    assert ada.get(url, headers=seen).status_code == 304
    ada.patch(url, json={"name": secrets.token_hex(8)})
    assert ada.get(url, headers=seen).status_code == 200


def test_a_post_that_is_sent_again_with_its_key_makes_one_project(ada: TestClient) -> None:
    name = {"name": secrets.token_hex(8)}
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first = ada.post(PROJECTS, json=name, headers=headers)
    again = ada.post(PROJECTS, json=name, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())


def test_tasks_of_a_project_are_listed_and_go_with_it(
    ada: TestClient, bob: TestClient, client: TestClient
) -> None:
    project_id = create(ada)
    body = {"title": "Dig", "project_id": project_id}
    task = ada.post(TASKS, json=body).json()
    ada.post(TASKS, json={"title": "Elsewhere"})
    listed = ada.get(TASKS, params={"project_id": project_id}).json()["items"]
    assert listed == [task]
    nested = f"{PROJECTS}/{project_id}/tasks"
    assert ada.get(nested).json()["items"] == [task]
    assert bob.get(nested).status_code == 404
    assert client.get(nested).status_code == 401
    ada.delete(f"{PROJECTS}/{project_id}")
    assert ada.get(f"{TASKS}/{task['id']}").status_code == 404


def test_a_task_cannot_be_put_into_another_users_project(ada: TestClient, bob: TestClient) -> None:
    body = {"title": "Dig", "project_id": create(ada)}
    foreign = bob.post(TASKS, json=body)
    missing = bob.post(TASKS, json=body | {"project_id": "01900000-0000-7000-8000-000000000000"})
    assert foreign.status_code == missing.status_code == 409
    assert foreign.json() == missing.json()


def test_nobody_signed_in_is_unauthorized(client: TestClient) -> None:
    assert client.get(PROJECTS).status_code == 401
    assert client.post(PROJECTS, json={"name": "Garden"}).status_code == 401
