"""Whether a new resource does what it is for, and for nobody else: two users try it, in a copy of
somebody's project (generators/two_users.py)."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from apiwright.edit.plan import Check
from apiwright.generators import house_migration, logins, samples, two_users
from apiwright.generators.fields import FieldSpec, Resource
from apiwright.generators.logins import Login
from apiwright.generators.shadow import Shadow
from apiwright.generators.wanted import Wanted
from apiwright.project.facts import Model, Project, Route

_SECONDS = 180
_WHAT = "the new routes do what they are for, for their user alone"
Entrance = Login | Literal["override"] | None


@dataclass(frozen=True)
class Tried:
    checks: tuple[Check, ...]
    entrance: Entrance
    """How users come in: by a login, by overriding what asks for one; None where nobody has to."""
    seen: Mapping[str, Any] = field(default_factory=dict)
    """What the routes answered (statuses and JSON), and the key of the row that was made."""
    givers: tuple[tuple[str, str], ...] = ()
    """Modules and names of what was overridden."""
    needed: Mapping[str, tuple[str, str]] | None = None
    """Of the user whom the overrides give: what its row must have, by type and value."""


def tried(changed: Project, wanted: Wanted, copy: Shadow) -> Tried:
    """`changed` is what the copy holds, run."""
    job = _job(changed, wanted)
    if isinstance(job, str):
        return Tried((Check(_WHAT, None, job),), None)
    with copy.database() as database:
        migrated = house_migration.upgrade(changed, copy, database)
        answer, file = copy.scratch / f"{database}.tried", copy.scratch / f"{database}.trial"
        file.write_text(json.dumps({**job, "answer": str(answer)}))
        done = copy.run(
            "-B", two_users.__file__, str(file),
            seconds=_SECONDS, folder=copy.root, database=database,
        )  # fmt: skip
    if not answer.exists():
        return Tried((Check(_WHAT, None, done.last_words),), None)
    said = json.loads(answer.read_text())
    if said["error"] is not None:
        notes = f" (its migrations: {migrated})" if migrated else ""
        return Tried((Check(_WHAT, None, said["error"] + notes),), None)
    how = said["login"]
    entrance: Entrance = how
    if isinstance(how, dict):
        known = {name: how[name] for name in Login.__dataclass_fields__}
        entrance = Login(**{**known, "token": tuple(how["token"])})
    return Tried(
        tuple(Check(*each) for each in said["checks"]),
        entrance,
        said["seen"],
        tuple((module, name) for module, name in said.get("givers", ())),
        next(iter(said.get("needed", ())), None),
    )


def _job(changed: Project, wanted: Wanted) -> dict[str, Any] | str:
    """Or why it cannot be tried."""
    model, resource = wanted.model, wanted.resource
    if model is None or resource is None:
        return "it is not said what they are for"
    document = changed.ran.openapi if changed.ran else None
    if document is None:
        return "the app could not make its OpenAPI document"
    served = [route for route in changed.routes if (route.method, route.path) in wanted.routes]
    guarded = [
        route
        for route in served
        if route.protection in ("login", "admin") or (route.method, route.path) in wanted.guarded
    ]
    facts = next((each for each in changed.models if (each.module, each.name) == model), None)
    tables = {each.name: each.table or each.name.lower() for each in changed.models}
    create = next((route for route in served if route.method == "POST"), None)
    update = next((route for route in served if route.method in ("PUT", "PATCH")), None)
    body = body_of(resource, create, document) if create else "{}"
    changes = body_of(resource, update, document, other=True) if update else "{}"
    user = changed.user_model
    return {
        "module": changed.app.module,
        "variable": changed.app.variable,
        "factory": changed.app.factory,
        "model": model,
        "one": resource.name,
        "many": resource.plural.replace("_", " "),
        "routes": [(route.method, route.path) for route in served],
        "guarded_routes": [(route.method, route.path) for route in guarded],
        "guarded": _first(guarded),
        "body": body,
        "changed": changes,
        "changes": _changes(resource),
        "parents": {
            each.item: tables[each.item]
            for each in resource.columns
            if each.type == "ref" and each.item in tables
        },
        "logins": [asdict(each) for each in logins.of(document)],
        "dependencies": sorted(dependencies(guarded)),
        "user": (user.module, user.name) if user else None,
        "user_table": tables[user.name] if user else None,
        "owner": _owner(facts),
        "owned": wanted.owned or bool(facts and facts.owner_column),
    }


def dependencies(guarded: list[Route]) -> set[tuple[str, str]]:
    """The project's own functions that ask for a login."""
    return {
        (each.module, each.name)
        for route in guarded
        for each in route.dependencies
        if each.protects in ("login", "admin")
        and each.module
        and re.fullmatch(r"[\w.]+", each.name)
    }


def _first(guarded: list[Route]) -> tuple[str, str] | None:
    """One to see by whether somebody is in."""
    ordered = sorted(guarded, key=lambda route: (route.method != "GET", route.path.count("{")))
    return (ordered[0].method, ordered[0].path) if ordered else None


def _owner(model: Model | None) -> str | None:
    if model is None or model.owner_column is None:
        return None
    return next(
        (each.name for each in model.columns if model.owner_column in (each.name, each.attribute)),
        None,
    )


# what is sent


def body_of(
    resource: Resource, route: Route, document: Mapping[str, Any], *, other: bool = False
) -> str:
    """Code of a request's body, with all that its schema asks for. `parent` makes what it refers
    to, `other` values are those after a change."""
    return _object(resource, _schema(route, document), document, other)


def names_in(route: Route, document: Mapping[str, Any]) -> list[str]:
    """What a request's body may hold."""
    return list(_schema(route, document).get("properties", ()))


def _schema(route: Route, document: Mapping[str, Any]) -> Mapping[str, Any]:
    operation = document["paths"].get(route.path, {}).get(route.method.lower(), {})
    content = operation.get("requestBody", {}).get("content", {})
    return logins.resolved(content.get("application/json", {}).get("schema", {}), document)


def _object(
    resource: Resource, schema: Mapping[str, Any], document: Mapping[str, Any], other: bool
) -> str:
    fields = {plain(each.column): each for each in resource.columns if not each.readonly}
    parts = []
    for name, value in schema.get("properties", {}).items():
        field = fields.get(plain(name))
        inner = logins.resolved(value, document)
        if field is not None:
            parts.append(f'"{name}": {value_of(field, other)}')
        elif inner.get("type") == "object" and set(map(plain, inner.get("properties", ()))) & set(
            fields
        ):
            parts.append(f'"{name}": {_object(resource, inner, document, other)}')
        elif name in schema.get("required", ()):
            parts.append(f'"{name}": {samples.of_schema(value, document)}')
    return f"{{{', '.join(parts)}}}"


def value_of(field: FieldSpec, other: bool = False) -> str:
    if field.type == "ref":
        return f"parent({field.item!r})"
    if other and not field.unique:
        return samples.sample(field, other=True)
    return samples.fresh(field)


def _changes(resource: Resource) -> bool:
    return any(
        value_of(each) != value_of(each, other=True) or each.unique
        for each in resource.columns
        if each.type != "ref" and not each.readonly
    )


def plain(name: str) -> str:
    """title_text, of titleText"""
    return re.sub(r"[^a-z0-9]", "", name.lower())
