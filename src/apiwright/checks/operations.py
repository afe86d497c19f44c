"""What the app's OpenAPI document says of each route, and requests that fit it."""

import json as jsons
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from apiwright.checks.app import Caller, Request
from apiwright.checks.values import Values
from apiwright.project.facts import Route

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_BOUNDARY = "apiwright-boundary"


@dataclass(frozen=True, eq=False)
class Operation:
    route: Route
    said: Mapping[str, Any]
    """The document's entry; empty where there is none."""
    values: Values

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def method(self) -> str:
        return self.route.method

    @property
    def path(self) -> str:
        return self.route.path

    @cached_property
    def content(self) -> tuple[str, Mapping[str, Any]] | None:
        """The kind of its body, and its schema."""
        found = self.said.get("requestBody", {}).get("content", {})
        for kind in (_JSON, _FORM, _MULTIPART):
            if kind in found:
                return kind, found[kind].get("schema", {})
        return None

    @cached_property
    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """Of its body, at any depth: schemas by name."""
        return self.values.properties(self.content[1]) if self.content else {}

    @property
    def asks_for_login(self) -> bool:
        """By its own word."""
        return bool(self.said.get("security"))

    @cached_property
    def parameters(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.said.get("parameters", ()))

    @property
    def path_names(self) -> tuple[str, ...]:
        return tuple(re.findall(r"\{([^}:]+)(?::[^}]*)?\}", self.path))

    def matches(self, path: str) -> bool:
        pieces = re.split(r"\{([^}]*)\}", self.path)
        pattern = "".join(
            re.escape(piece) if number % 2 == 0 else ".+" if ":path" in piece else "[^/]+"
            for number, piece in enumerate(pieces)
        )
        return re.fullmatch(pattern, path) is not None

    def request(
        self,
        user: Caller | None = None,
        known: Mapping[str, Any] | None = None,
        *,
        whole: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """One that it should take: `known` are values by name, of parameters and of its body."""
        known = known or {}
        query = {}
        sent: dict[str, str] = {}
        own = {name.lower() for name in user.headers} if user else set()
        for one in self.parameters:
            name, place = one["name"], one["in"]
            if place == "query" and (one.get("required") or name in known):
                query[name] = _text(self._value(name, known))
            elif place == "header" and one.get("required") and name.lower() not in own:
                sent[name] = _text(self._value(name, known))
        path = re.sub(
            r"\{([^}:]+)(?::[^}]*)?\}",
            lambda found: quote(_text(self._value(found[1], known)), safe=""),
            self.path,
        )
        if query:
            path += "?" + urlencode(query)
        body = None
        if self.content is not None:
            kind, schema = self.content
            body, kind = _encoded(kind, self.values.of(schema, known, whole=whole))
            sent["content-type"] = kind
        return Request.of(
            self.method, path, headers=sent | dict(headers or {}), body=body, user=user
        )

    def _value(self, name: str, known: Mapping[str, Any]) -> Any:
        if name in known:
            return known[name]
        for one in self.parameters:
            if one["name"] == name:
                return self.values.of(one.get("schema", {}), known, name=name)
        return 1


def operations(
    routes: tuple[Route, ...], document: Mapping[str, Any], values: Values
) -> tuple[Operation, ...]:
    paths = document.get("paths", {})
    return tuple(
        Operation(
            route,
            paths.get(_documented(route.path), {}).get(route.method.lower(), {}),
            values,
        )
        for route in routes
        if route.method != "WEBSOCKET"
    )


def _documented(path: str) -> str:
    return re.sub(r"\{([^}:]+):[^}]*\}", r"{\1}", path)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else jsons.dumps(value)


def _encoded(kind: str, value: Any) -> tuple[bytes, str]:
    if kind == _JSON:
        return jsons.dumps(value).encode(), kind
    fields = value if isinstance(value, dict) else {}
    if kind == _FORM:
        return urlencode({name: _text(one) for name, one in fields.items()}).encode(), kind
    lines = []
    for name, one in fields.items():
        is_file = isinstance(one, str) and one.startswith("content ")
        file = '; filename="file.txt"\r\nContent-Type: text/plain' if is_file else ""
        lines.append(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            f"{_text(one)}\r\n"
        )
    return "".join([*lines, f"--{_BOUNDARY}--\r\n"]).encode(), f"{kind}; boundary={_BOUNDARY}"
