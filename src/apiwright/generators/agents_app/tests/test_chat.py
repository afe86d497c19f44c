import json
from collections.abc import Iterator
from typing import Any

import pytest
from agents.testing import ScriptedModel, assistant_message
from apiwright.kit.agents import AgentSettings, Assistant
from fastapi.testclient import TestClient

from app.agent import agent
from app.main import app

THREADS = "/api/v1/threads"
NOWHERE = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """What the assistant's model says is scripted: `model.enqueue([assistant_message("Yes")])`."""
    model, before = ScriptedModel(), app.state.assistant
    app.state.assistant = Assistant(agent, AgentSettings(), model)
    yield model
    app.state.assistant = before


def thread(client: TestClient) -> str:
    answer = client.post(THREADS, json={"title": "A talk"})
    assert answer.status_code == 201
    id_: str = answer.json()["id"]
    return id_


def say(client: TestClient, thread_id: str, text: str = "Hello") -> list[tuple[str, Any]]:
    """The events of the answer."""
    answer = client.post(f"{THREADS}/{thread_id}/messages", json={"text": text})
    assert answer.status_code == 200
    events = []
    for part in answer.text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line)
        if "event" in lines:
            events.append((lines["event"], json.loads(lines["data"])))
    return events


def test_an_answer_is_streamed_and_kept(ada: TestClient, model: ScriptedModel) -> None:
    model.enqueue([assistant_message("Good morning.")])
    id_ = thread(ada)
    events = say(ada, id_)
    assert "".join(data["text"] for kind, data in events if kind == "token") == "Good morning."
    assert events[-1][0] == "done"
    items = ada.get(f"{THREADS}/{id_}/items").json()["items"]
    assert "Good morning." in str(items)
    again = ada.get(f"{THREADS}/{id_}/events", headers={"Last-Event-ID": "0"}).json()
    assert [one["kind"] for one in again] == ["token", "done"]


def test_threads_are_listed_and_deleted(ada: TestClient, model: ScriptedModel) -> None:
    id_ = thread(ada)
    assert id_ in str(ada.get(THREADS).json())
    assert ada.delete(f"{THREADS}/{id_}").status_code == 204
    assert ada.get(f"{THREADS}/{id_}").status_code == 404


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/items"),
        ("GET", "/events"),
        ("POST", "/messages"),
        ("POST", "/decisions"),
    ],
)
def test_another_users_thread_is_not_found(
    ada: TestClient, bob: TestClient, model: ScriptedModel, method: str, below: str
) -> None:
    id_ = thread(ada)
    body = {"text": "Hello", "call": "c", "approve": True} if method == "POST" else None
    assert bob.request(method, f"{THREADS}/{id_}{below}", json=body).status_code == 404
    assert ada.get(f"{THREADS}/{id_}").status_code == 200
    assert id_ not in str(bob.get(THREADS).json())


def test_what_does_not_wait_cannot_be_decided(ada: TestClient, model: ScriptedModel) -> None:
    decision = {"call": "c", "approve": True}
    assert ada.post(f"{THREADS}/{thread(ada)}/decisions", json=decision).status_code == 409


def test_without_a_model_the_answer_says_what_to_set(ada: TestClient) -> None:
    answer = ada.post(f"{THREADS}/{thread(ada)}/messages", json={"text": "Hello"})
    assert answer.status_code == 503
    assert "OPENAI_API_KEY" in answer.json()["detail"]


def test_nobody_talks_without_a_login(client: TestClient) -> None:
    assert client.get(THREADS).status_code == 401
    assert client.post(f"{THREADS}/{NOWHERE}/messages", json={"text": "x"}).status_code == 401


def test_the_page_is_served_under_a_strict_policy(client: TestClient) -> None:
    page = client.get("/chat/")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for file in ("chat.js", "chat.css"):
        assert client.get(f"/chat/{file}").status_code == 200
