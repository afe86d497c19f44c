"""What ids and paths are named for."""

import pytest

from apiwright.checks.nouns import is_user, noun_of, referred, singular


@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("order_id", "order"),
        ("orderId", "order"),
        ("order_ids", "order"),
        ("parent_category_id", "category"),
        ("id", None),
        ("ids", None),
        ("paid", None),
        ("title", None),
    ],
)
def test_an_id_refers_to_what_it_is_named_for(name: str, noun: str | None) -> None:
    assert referred(name) == noun


@pytest.mark.parametrize(
    ("path", "noun"),
    [
        ("/orders", "order"),
        ("/api/v1/orders/{order_id}/items", "item"),
        ("/orders/bulk-delete", "order"),
        ("/create_note", "note"),
        ("/notes/create", "note"),
        ("/{id}", None),
    ],
)
def test_a_path_is_named_for_its_last_word(path: str, noun: str | None) -> None:
    assert noun_of(path) == noun


@pytest.mark.parametrize(
    ("many", "one"),
    [("categories", "category"), ("boxes", "box"), ("status", "status"), ("classes", "class")],
)
def test_plurals_have_a_singular(many: str, one: str) -> None:
    assert singular(many) == one


def test_an_id_is_a_users_by_its_name_or_by_its_path() -> None:
    assert is_user("user_id")
    assert is_user("owner_id")
    assert is_user("id", "/users/{id}/orders")
    assert not is_user("id", "/orders/{id}")
    assert not is_user("order_id", "/users/{user_id}/orders/{order_id}")
