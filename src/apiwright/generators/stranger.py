"""A resource in a project that `apiwright new` did not make: planned in the house's own style."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from apiwright.edit.plan import (
    AddDefinition,
    AddStatement,
    Assumption,
    Change,
    NewFile,
    Plan,
)
from apiwright.edit.python import same_code
from apiwright.errors import Refused
from apiwright.generators import house_migration, house_tests, migration_by_hand
from apiwright.generators.clone import Cloned, clone
from apiwright.generators.fields import Resource
from apiwright.generators.formatting import formatted
from apiwright.generators.migration_by_hand import Sibling
from apiwright.generators.shadow import Place, Shadow, shadow
from apiwright.generators.wanted import Wanted
from apiwright.project.facts import Migrations, Project


def plan(project: Project, resource: Resource, place: Place, like: str | None = None) -> Plan:
    """`like`: the model to imitate, where the nearest is not the one.

    Raises Refused where there is nothing to imitate, or nothing that is safe to.
    """
    cloned = clone(project, resource, like)
    _refuse_taken(project, resource, cloned)
    with shadow(project, place) as copy:
        changes = [_formatted(project, copy, each) for each in cloned.changes]
        planned = _make(project, resource, cloned, changes)
        notes: list[str] = []
        if not planned.blocked and not _is_migrated(project, cloned):
            copy.write(planned.files)
            made = house_migration.write(
                project,
                copy,
                [(cloned.model_module, resource.model)],
                f"add {resource.plural.replace('_', ' ')}",
                by_hand=_by_hand(copy, resource, cloned),
            )
            if made.change is not None:
                changes.append(made.change)
            planned = _make(project, resource, cloned, changes)
            notes += [made.note] if made.note else []
        if not planned.blocked:
            copy.write(planned.files)
            sibling = next(iter(cloned.exemplar.verbs.values())).path
            tests = house_tests.add(project, copy, _wanted(resource, cloned), sibling)
            changes += tests.changes
            notes += [tests.note] if tests.note else []
            planned = _make(project, resource, cloned, changes, notes)
    return planned


def wanted(project: Project, resource: Resource, like: str | None = None) -> Wanted:
    """What verification is to see."""
    return _wanted(resource, clone(project, resource, like))


def _wanted(resource: Resource, cloned: Cloned) -> Wanted:
    return Wanted(
        routes=tuple((route.method, route.path) for route in cloned.routes),
        module=cloned.routes[0].module,
        tests="",
        functions=tuple(route.function for route in cloned.routes),
        model=(cloned.model_module, resource.model),
        resource=resource,
        owned=cloned.exemplar.is_owned,
        guarded=tuple((route.method, route.path) for route in cloned.routes if route.guarded),
    )


def _make(
    project: Project,
    resource: Resource,
    cloned: Cloned,
    changes: Sequence[Change],
    notes: Sequence[str] = (),
) -> Plan:
    many = resource.plural.replace("_", " ")
    found = cloned.exemplar
    does = {"list": "lists", "create": "creates", "get": "reads", "update": "changes"}
    verbs = [does.get(route.verb, "deletes") for route in cloned.routes]
    whose = (
        f", for the user whose {resource.name.replace('_', ' ')} it is" if found.is_owned else ""
    )
    at = found.model.at
    return Plan.make(
        Path(project.folder),
        f"add resource {resource.model}",
        changes,
        explanation=f"Add {many}, written as {found.noun.many.replace('_', ' ')} are ({at}):"
        f" {cloned.routes[0].path} {', '.join(verbs[:-1])} and {verbs[-1]} them{whose}.",
        assumptions=[*cloned.assumptions, *map(Assumption, notes)],
    )


def _refuse_taken(project: Project, resource: Resource, cloned: Cloned) -> None:
    modules = {route.module for route in cloned.routes}
    for model in project.models:
        if model.name == resource.model and model.module == cloned.model_module:
            continue
        if model.table == cloned.table or model.name == resource.model:
            raise Refused(
                f"There is a model {model.name} already, with the table {model.table}"
                f" ({model.at}).",
                "Choose another name.",
            )
    new = {(route.method, route.path) for route in cloned.routes}
    for route in project.routes:
        if (route.method, route.path) in new and route.module not in modules:
            raise Refused(
                f"{route.method} {route.path} is served already, by {route.module}"
                + (f" ({route.at})." if route.at else "."),
                f"Choose another name than {resource.plural}.",
            )


def _formatted(project: Project, copy: Shadow, change: Change) -> Change:
    edit = change.edit
    if isinstance(edit, NewFile) and change.path.endswith(".py") and edit.text.strip():
        text = formatted(project, copy, change.path, edit.text)
        return replace(change, edit=NewFile(_as_is_there(project, change.path, text)))
    if isinstance(edit, AddDefinition | AddStatement):
        code = formatted(project, copy, change.path, edit.code + "\n", whole=False).rstrip("\n")
        return replace(change, edit=replace(edit, code=code))
    return change


def _as_is_there(project: Project, path: str, text: str) -> str:
    """The text that is there, where it is the same but for its layout."""
    try:
        there = (Path(project.folder) / path).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return text
    return there if same_code(there, text) else text


def _by_hand(
    copy: Shadow, resource: Resource, cloned: Cloned
) -> Callable[[Migrations, str | None], tuple[str, str] | None]:
    model, own = cloned.exemplar.model, [each.name for each in cloned.exemplar.own]
    sibling = Sibling(
        model.table or model.name.lower(),
        tuple(each.name for each in model.columns if each.name not in own),
        tuple(own),
    )

    def write(found: Migrations, revision: str | None) -> tuple[str, str] | None:
        head = next(iter(found.heads), None)
        message = f"add {resource.plural.replace('_', ' ')}"
        folder = copy.folder / found.folder
        return migration_by_hand.write(
            folder, head, revision, cloned.table, resource, sibling, message
        )

    return write


def _is_migrated(project: Project, cloned: Cloned) -> bool:
    """Whether a migration makes its table."""
    return any(_makes(text, cloned.table) for text in _migrations(project))


def _migrations(project: Project) -> Iterator[str]:
    if project.migrations is not None:
        for file in (Path(project.folder) / project.migrations.folder).glob("*.py"):
            yield file.read_text(encoding="utf-8", errors="replace")


def _makes(text: str, table: str) -> bool:
    bare = "".join(text.split()).replace("'", '"')
    return f'create_table("{table}",' in bare
