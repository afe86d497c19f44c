import secrets

import pytest
from fastapi.testclient import TestClient

TASKS, TAGS = "/api/v1/tasks", "/api/v1/tags"


def create(client: TestClient) -> tuple[str, str]:
    """The ids of a task and of a tag that it does not have yet."""
    task = client.post(TASKS, json={"title": "Buy milk"}).json()
    tag = client.post(TAGS, json={"name": secrets.token_hex(8)}).json()
    return task["id"], tag["id"]


def tags_of(client: TestClient, task: str) -> list[str]:
    return [tag["id"] for tag in client.get(f"{TASKS}/{task}/tags").json()]


def test_a_task_is_tagged_and_untagged(ada: TestClient) -> None:
    task, tag = create(ada)
    assert tags_of(ada, task) == []
    for _ in range(2):
        assert ada.put(f"{TASKS}/{task}/tags/{tag}").status_code == 204
    assert tags_of(ada, task) == [tag]
    assert ada.delete(f"{TASKS}/{task}/tags/{tag}").status_code == 204
    assert ada.delete(f"{TASKS}/{task}/tags/{tag}").status_code == 404
    assert tags_of(ada, task) == []


def test_a_deleted_tag_is_on_no_task(ada: TestClient) -> None:
    task, tag = create(ada)
    ada.put(f"{TASKS}/{task}/tags/{tag}")
    assert ada.delete(f"{TAGS}/{tag}").status_code == 204
    assert tag not in [tag["id"] for tag in ada.get(TAGS).json()["items"]]
    assert tags_of(ada, task) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_two_users_tasks_and_tags_do_not_mix(ada: TestClient, bob: TestClient, method: str) -> None:
    task, tag = create(ada)
    bobs_task, bobs_tag = create(bob)
    ada.put(f"{TASKS}/{task}/tags/{tag}")
    for path in (f"{task}/tags/{tag}", f"{task}/tags/{bobs_tag}", f"{bobs_task}/tags/{tag}"):
        assert bob.request(method, f"{TASKS}/{path}").status_code == 404
    assert tags_of(ada, task) == [tag]
    assert bob.get(f"{TASKS}/{task}/tags").status_code == 404
    assert bob.delete(f"{TAGS}/{tag}").status_code == 404


def test_a_name_is_given_once(ada: TestClient) -> None:
    name = {"name": secrets.token_hex(8)}
    assert ada.post(TAGS, json=name).status_code == 201
    assert ada.post(TAGS, json=name).status_code == 409
