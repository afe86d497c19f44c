from typing import Any

import pytest
from apiwright.kit import worker
from fastapi.testclient import TestClient

from app.main import settings

DOCUMENTS = "/api/v1/documents"
TRAINS = b"# Trains\n\nThe night train to Lisbon leaves at nine.\n"


def add(client: TestClient, content: bytes = TRAINS, name: str = "trains.md") -> dict[str, Any]:
    """A document that the worker has read."""
    answer = client.post(DOCUMENTS, files={"file": (name, content)})
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    worker.do_all(settings)
    document: dict[str, Any] = client.get(f"{DOCUMENTS}/{answer.json()['id']}").json()
    return document


def search(client: TestClient, question: str) -> list[dict[str, Any]]:
    answer = client.get(f"{DOCUMENTS}/search", params={"question": question})
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


def test_a_file_is_read_and_found_by_its_words(ada: TestClient) -> None:
    document = add(ada)
    assert (document["state"], document["passages"]) == ("indexed", 1)
    found = [one for one in search(ada, "night trains") if one["document_id"] == document["id"]]
    assert found[0]["heading"] == "Trains"
    assert TRAINS.decode()[found[0]["start"] : found[0]["end"]] == found[0]["text"]


def test_a_new_version_is_found_and_the_old_one_is_not(ada: TestClient) -> None:
    document = add(ada)
    files = {"file": ("ships.md", b"A ship to Madeira.")}
    assert ada.put(f"{DOCUMENTS}/{document['id']}/file", files=files).status_code == 202
    worker.do_all(settings)
    assert search(ada, "Madeira")[0]["document_id"] == document["id"]
    assert document["id"] not in {one["document_id"] for one in search(ada, "Lisbon")}


def test_a_deleted_document_is_not_found(ada: TestClient) -> None:
    document = add(ada, b"A zeppelin.", "air.txt")
    assert ada.delete(f"{DOCUMENTS}/{document['id']}").status_code == 204
    assert search(ada, "zeppelin") == []


def test_a_file_that_cannot_be_read_says_why(ada: TestClient) -> None:
    document = add(ada, b"%PDF-1.4 and no more", "bad.pdf")
    assert document["state"] == "failed"
    assert document["reason"]
    assert ada.post(DOCUMENTS, files={"file": ("a.png", b"x")}).status_code == 415


def test_a_file_of_some_megabytes_is_taken_and_a_larger_one_is_not(ada: TestClient) -> None:
    assert add(ada, b"One word after another. " * 100_000, "long.txt")["state"] == "indexed"
    assert ada.post(DOCUMENTS, files={"file": ("a.txt", b"x" * 11_000_000)}).status_code == 413


def test_progress_is_told_until_the_end(ada: TestClient) -> None:
    document = add(ada)
    events = ada.get(f"{DOCUMENTS}/{document['id']}/progress").text
    assert '"state":"indexed"' in events.replace(" ", "")


@pytest.mark.parametrize(
    ("method", "below"), [("GET", ""), ("GET", "/progress"), ("PUT", "/file"), ("DELETE", "")]
)
def test_another_users_document_is_not_found(
    ada: TestClient, bob: TestClient, method: str, below: str
) -> None:
    document = add(ada)
    files = {"file": ("mine.md", b"mine")} if method == "PUT" else None
    path = f"{DOCUMENTS}/{document['id']}{below}"
    assert bob.request(method, path, files=files).status_code == 404
    assert search(bob, "night train to Lisbon") == []
    assert document["id"] not in str(bob.get(DOCUMENTS).json())


def test_nobody_searches_without_a_login(client: TestClient) -> None:
    for path in ("", "/search?question=x"):
        assert client.get(f"{DOCUMENTS}{path}").status_code == 401
