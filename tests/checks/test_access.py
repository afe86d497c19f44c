"""What is shared by design, and what leaks, by what each route answered another user."""

from collections.abc import Iterable

import pytest

from apiwright.checks.access import Access, Kind, Shelf
from apiwright.checks.app import Answer, Request
from apiwright.checks.operations import Operation
from apiwright.checks.things import Thing
from apiwright.checks.users import User
from apiwright.checks.values import Values
from apiwright.project.facts import Place, Route

ANSWER = Answer(Request.of("GET", "/"), 200)


def operation(route: str) -> Operation:
    method, path = route.split()
    facts = Route(
        method=method,
        path=path,
        name="handler",
        module="main",
        at=Place("main.py", 1),
        protection="login",
        dependencies=(),
        response_model=None,
        status=200,
        is_async=False,
        in_schema=True,
        router=None,
        seen="both",
    )
    return Operation(facts, {}, Values({}))


POST = operation("POST /notes")
NOTE = Thing(POST, User("A"), 1, ANSWER, (), ("apw0123456789",))


def shelf(
    *routes: str, owned: bool = True, by_admin: bool = False, maker: Operation = POST
) -> Shelf:
    """Each route in words: list GET /notes open."""
    return Shelf(maker, NOTE, by_admin, owned, tuple(accesses(routes)))


def accesses(routes: Iterable[str]) -> Iterable[Access]:
    for words in routes:
        kind, method, path, said = words.split()
        kinds: dict[str, Kind] = {"read": "read", "list": "list", "write": "write"}
        yield Access(
            NOTE,
            operation(f"{method} {path}"),
            kinds[kind],
            ANSWER,
            ANSWER,
            said != "closed",
            public=said == "public",
        )


def leaks(one: Shelf) -> set[str]:
    found = (*one.leaks(), *one.leaking_lists())
    return {f"{access.kind} {access.operation}" for access in found}


@pytest.mark.parametrize(
    "routes",
    [
        ("read GET /notes/{id} closed", "list GET /notes closed", "write PUT /notes/{id} closed"),
        ("read GET /notes/{id} public", "list GET /notes public", "write PUT /notes/{id} closed"),
        # a feed behind a login, with a list of one's own
        (
            "read GET /posts/{id} open",
            "list GET /posts open",
            "list GET /me/posts closed",
            "write PUT /posts/{id} closed",
        ),
    ],
)
def test_what_is_kept_or_shared_by_design_leaks_nothing(routes: tuple[str, ...]) -> None:
    assert leaks(shelf(*routes)) == set()


def test_a_read_leaks_where_no_list_shows_it_to_others() -> None:
    one = shelf("read GET /notes/{id} open", "list GET /notes closed")
    assert leaks(one) == {"read GET /notes/{id}"}


def test_one_read_leaks_what_another_refuses() -> None:
    one = shelf("read GET /notes/{id} closed", "read GET /notes/{id}/file open", owned=False)
    assert leaks(one) == {"read GET /notes/{id}/file"}


def test_a_list_leaks_what_is_refused_by_its_id() -> None:
    one = shelf("read GET /notes/{id} closed", "list GET /notes open")
    assert leaks(one) == {"list GET /notes"}


def test_a_search_leaks_what_the_list_keeps() -> None:
    one = shelf("list GET /notes closed", "list GET /notes/search open", owned=False)
    assert leaks(one) == {"list GET /notes/search"}


def test_where_nothing_is_refused_and_rows_have_an_owner_all_leaks() -> None:
    routes = ("read GET /notes/{id} open", "list GET /notes open", "write PUT /notes/{id} open")
    assert leaks(shelf(*routes)) == {"read GET /notes/{id}", "list GET /notes"}
    assert leaks(shelf(*routes, owned=False)) == set()


def test_what_only_admins_make_is_a_catalogue() -> None:
    one = shelf("read GET /notes/{id} open", "list GET /notes closed", by_admin=True)
    assert leaks(one) == set()


def test_what_anybody_changes_is_told_also_without_an_owner() -> None:
    one = shelf("write PUT /notes/{id} open", "write DELETE /notes/{id} closed", owned=False)
    assert [str(each.operation) for each in one.changed_by_others()] == ["PUT /notes/{id}"]
    assert not list(shelf("write PUT /notes/{id} public").changed_by_others())
