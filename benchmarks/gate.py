"""The gate: who does not behave as an API of owned tasks should gets no figure."""

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apiwright.kit.tokens import Tokens
from benchmarks import data
from benchmarks.load import PATH

_FIELDS = {"id", "title", "description", "done", "project_id", "created_at", "updated_at"}
_ADA, _BOB = 1, 2  # numbers of two users


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    """As JSON says it."""


Call = Callable[..., Answer]
"""`call(method, path, token, body)`, the last two perhaps None."""


class Signer:
    """Makes the tokens of a run: good ones, expired ones, and somebody else's. Each is of the login
    that `data.fill` has made for its user."""

    def __init__(self, key: str, app_name: str) -> None:
        self._good = Tokens(key, app_name, lifetime=24 * 60 * 60)
        self._expired = Tokens(key, app_name, lifetime=-60)
        self._foreign = Tokens(key[::-1] + "x", app_name, lifetime=24 * 60 * 60)

    def token(self, user: int) -> str:
        return _of(self._good, user)

    def expired(self, user: int) -> str:
        return _of(self._expired, user)

    def foreign(self, user: int) -> str:
        return _of(self._foreign, user)


def _of(tokens: Tokens, user: int) -> str:
    identifier = data.identifier(user)
    return tokens.issue_for_login(identifier, identifier, 0).access_token


def complaints(call: Call, signer: Signer) -> list[str]:
    def answered(*request: Any) -> Answer:
        try:
            return call(*request)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, f"no answer: {error!r}")

    ada, bob = signer.token(_ADA), signer.token(_BOB)
    return [
        *_reading(answered, ada, bob),
        *_signing_in(answered, signer),
        *_listing(answered, ada),
        *_writing(answered, ada, bob),
    ]


def _reading(call: Call, ada: str, bob: str) -> Iterator[str]:
    path = f"{PATH}/{data.identifier(_ADA)}"  # task 1 is user 1's
    expected = {"id": str(data.identifier(_ADA)), "title": data.title_of(_ADA), "done": False}
    expected |= {"project_id": None}
    yield from _unless_task("get one's own task", call("GET", path, ada), 200, expected)
    yield from _unless("get another user's task", call("GET", path, bob), 404)


def _signing_in(call: Call, signer: Signer) -> Iterator[str]:
    for who, token in {
        "without a token": None,
        "with a token signed by another key": signer.foreign(_ADA),
        "with an expired token": signer.expired(_ADA),
    }.items():
        answer = call("GET", f"{PATH}/{data.identifier(_ADA)}", token)
        yield from _unless(f"get a task {who}", answer, 401)


def _listing(call: Call, ada: str) -> Iterator[str]:
    answer = call("GET", f"{PATH}?limit=20", ada)
    body = answer.body if isinstance(answer.body, dict) else {}
    items = body.get("items", [])
    newest = [str(task) for task in data.tasks_of(_ADA)[:20]]
    right = [item.get("id") for item in items] == newest and items[0].keys() == _FIELDS
    yield from _unless("list one's 20 newest tasks, the newest first", answer, 200, right=right)
    more = bool(body.get("next_cursor")) or body.get("total") == data.TASKS_EACH
    yield from _unless("say that there are more", answer, 200, right=more)


def _writing(call: Call, ada: str, bob: str) -> Iterator[str]:
    refused = call("POST", PATH, ada, {"title": ""})
    status = 400 if refused.status == 400 else 422  # frameworks differ, and either will do
    yield from _unless("refuse an empty title", refused, status)
    sent = {"title": "Buy milk", "description": "Two litres"}
    made = call("POST", PATH, ada, sent)
    if wrong := list(_unless_task("create a task", made, 201, sent | {"done": False})):
        yield from wrong
        return
    path = f"{PATH}/{made.body['id']}"
    time.sleep(0.01)  # some write the time by the millisecond
    changed = call("PATCH", path, ada, {"done": True})
    as_before = {key: made.body[key] for key in ("id", "title", "description", "created_at")}
    wrong = list(_unless_task("update one's own task", changed, 200, as_before | {"done": True}))
    yield from wrong
    if not wrong:
        moved = _updated(changed) > _updated(made)
        yield from _unless("move updated_at with an update", changed, 200, right=moved)
    yield from _unless("update another user's task", call("PATCH", path, bob, {"done": False}), 404)
    kept = call("GET", path, ada)
    yield from _unless("keep what was updated", kept, 200, right=kept == changed)


def _unless_task(what: str, answer: Answer, status: int, expected: dict[str, Any]) -> Iterator[str]:
    """A complaint unless the answer is a task with all its fields, some of them as expected."""
    body = answer.body
    right = isinstance(body, dict) and body.keys() == _FIELDS and body.items() >= expected.items()
    yield from _unless(what, answer, status, right=right)


def _unless(what: str, answer: Answer, status: int, *, right: bool = True) -> Iterator[str]:
    """A complaint unless the answer has that status and is right otherwise."""
    if answer.status != status:
        yield f"{what}: {status} expected, got {answer.status} {str(answer.body)[:150]}"
    elif not right:
        yield f"{what}: got {str(answer.body)[:150]}"


def _updated(answer: Answer) -> datetime:
    return datetime.fromisoformat(answer.body["updated_at"])
