"""What a parameter, a path or a schema is named for: order of order_id, /orders, OrderCreate."""

import re
from collections.abc import Mapping
from typing import Any

from apiwright.checks.operations import Operation

_VERBS = {
    "create", "add", "new", "make", "insert", "save", "store", "post", "get", "list", "all", "read",
    "fetch", "find", "show", "view", "my", "mine", "own", "update", "edit", "delete", "remove",
    "bulk", "batch", "many", "by", "id", "api", "upload", "submit", "search", "the", "a", "to",
}  # fmt: skip
_OF_SCHEMAS = {
    "create", "update", "in", "out", "public", "read", "response", "request", "schema", "base",
    "new", "model", "dto", "input", "output", "payload", "data", "info", "detail", "details",
}  # fmt: skip
_USERS = {
    "user", "owner", "author", "customer", "member", "account", "profile", "person", "client",
    "creator", "employee", "student", "patient",
}  # fmt: skip
_SUFFIX = re.compile(r"(_(ids?|uuids?|pks?|guids?|slugs?)|I[dD]s?|U[uU][iI][dD])$")


def referred(name: str) -> str | None:
    """order of order_id and orderIds; None where a name refers to nothing."""
    found = _SUFFIX.sub("", name)
    if found == name or not found.strip("_"):
        return None
    return singular(words(found)[-1]) if words(found) else None


def noun_of(path: str) -> str | None:
    """Of the last part of a path that says one: order of /orders/bulk-delete."""
    for part in reversed([one for one in path.split("/") if one and not one.startswith("{")]):
        said = [one for one in words(part) if one not in _VERBS]
        if said and not re.fullmatch(r"v\d+", part):
            return singular(said[-1])
    return None


def nouns(operation: Operation, document: Mapping[str, Any]) -> frozenset[str]:
    """What a POST makes, by its path, its body's schema and its answer's."""
    found = {noun_of(operation.path)}
    contents = [operation.said.get("requestBody", {}).get("content", {})]
    contents += [
        answer.get("content", {})
        for status, answer in operation.said.get("responses", {}).items()
        if status.startswith("2")
    ]
    for content in contents:
        schema = content.get("application/json", {}).get("schema", {})
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        said = [one for one in words(name) if one not in _OF_SCHEMAS]
        if said and not name.startswith("Body_"):
            found.add(singular(said[-1]))
    return frozenset(one for one in found if one)


def is_user(name: str, path: str = "") -> bool:
    """Whether a parameter or a field is the id of a user."""
    noun = referred(name)
    if noun is None and re.fullmatch(r"_?(id|uuid|pk)|user_?name", name, re.IGNORECASE):
        before = path.partition("{" + name)[0]
        noun = noun_of(before) if before != path else None
    return noun in _USERS


def words(name: str) -> list[str]:
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [one.lower() for one in re.split(r"[^A-Za-z0-9]+|\s+", parts) if one]


def singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ss|x|ch|sh|z)es$", word):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
