"""`apiwright add resource NAME FIELDS…`: a model and all that serves it, written as the reference
app's are, into a project that `apiwright new` made."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from apiwright.edit.plan import (
    AddDefinition,
    AddImport,
    Assumption,
    Change,
    IncludeRouter,
    NewFile,
    Plan,
)
from apiwright.edit.python import same_code
from apiwright.errors import ApiwrightError, Refused
from apiwright.generators import resource_code as code
from apiwright.generators import resource_tests, samples
from apiwright.generators.fields import Resource, plural, snake
from apiwright.generators.resource_tests import Parent
from apiwright.generators.shadow import Place, Shadow, shadow
from apiwright.generators.verify import Wanted
from apiwright.project.facts import Model, Project

MODELS, MAIN = "app/models.py", "app/main.py"
_LAYOUT = (MODELS, MAIN, "app/schemas", "app/services", "app/routes", "migrations/env.py", "tests")


def plan(project: Project, resource: Resource, place: Place) -> Plan:
    """What it takes, the migration included; `project` is one that was run (project.running).

    Raises Refused for a project that `apiwright new` did not make, or whose app cannot be
    imported as it is; ApiwrightError for a reference to a model that there is not.
    """
    refuse_other_layouts(project)
    if project.ran is None or not project.ran.ok:
        why = project.ran.error if project.ran else "it was not tried"
        raise Refused(
            f"The app cannot be imported as it is: {why}.",
            "Correct that first: what an edit changed can only be seen on an app that runs.",
        )
    _refuse_bad_references(project, resource)
    _refuse_taken(project, resource)
    with shadow(project, place) as copy:
        changes = list(_changes(project, resource, copy))
        planned = _make(project, resource, changes)
        if not planned.blocked and not _is_migrated(project, resource):
            copy.write(planned.files)
            changes.append(_migration(resource, copy))
            planned = _make(project, resource, changes)
    return planned


def refuse_other_layouts(project: Project) -> None:
    root = Path(project.folder)
    missing = [path for path in _LAYOUT if not (root / path).exists()]
    if not missing and "apiwright.kit" not in (root / MAIN).read_text(encoding="utf-8"):
        missing = [f"an import of apiwright.kit in {MAIN}"]
    if missing:
        raise Refused(
            f"This is not laid out as `apiwright new` does: there is no {', no '.join(missing)}.",
            "So far resources can be added to projects of `apiwright new` only.",
        )


def wanted(project: Project, resource: Resource) -> Wanted:
    """What verification is to see."""
    path = path_of(project, resource)
    one = f"{path}/{{{resource.name}_id}}"
    served = [("GET", path), ("POST", path), ("GET", one), ("PATCH", one), ("DELETE", one)]
    for field in resource.links:
        linked = f"{one}/{plural(snake(field.item)).replace('_', '-')}"
        each = f"{linked}/{{{snake(field.item)}_id}}"
        served += [("GET", linked), ("PUT", each), ("DELETE", each)]
    return Wanted(tuple(served), module_of(resource), f"tests/test_{resource.plural}.py")


def path_of(project: Project, resource: Resource) -> str:
    return f"{_prefix(project)}/{resource.plural.replace('_', '-')}"


def module_of(resource: Resource) -> str:
    return f"app.routes.{resource.plural}"


def _make(project: Project, resource: Resource, changes: Sequence[Change]) -> Plan:
    one, many = resource.name.replace("_", " "), resource.plural.replace("_", " ")
    root = Path(project.folder)
    return Plan.make(
        root,
        f"add resource {resource.model}",
        changes,
        explanation=f"Add {many}: {path_of(project, resource)} lists, creates, reads, changes and"
        f" deletes them, for the user whose {one} it is.",
        assumptions=list(_assumptions(project, resource)),
    )


def _assumptions(project: Project, resource: Resource) -> Iterator[Assumption]:
    yield Assumption(f"the plural of {resource.name} is {resource.plural}")
    if included := _included(project):
        yield Assumption(f"routes are below {_prefix(project)}", MAIN, included[-1][1])
    for field in resource.columns:
        if field.type == "str" and field.max is None:
            yield Assumption(f"{field.name} has {code.STRING} letters at most")
        if field.type == "ref":
            becomes = field.on_delete or ("set-null" if field.optional else "cascade")
            what = {
                "cascade": "goes with it",
                "set-null": "stays, without it",
                "restrict": "keeps it from being deleted",
            }[becomes]
            model = _model(project, field.item)
            yield Assumption(
                f"{resource.model} whose {field.name} is deleted {what}",
                model.at.file,
                model.at.line,
            )


# what is refused


def _model(project: Project, name: str) -> Model:
    return next(each for each in project.models if each.name == name)


def _refuse_bad_references(project: Project, resource: Resource) -> None:
    owned = sorted(
        model.name
        for model in project.models
        if {"Owned", "apiwright.kit.tables.Owned"} & set(model.bases)
    )
    for field in resource.fields:
        if field.type not in ("ref", "refs"):
            continue
        if field.item == resource.model or field.item not in owned:
            raise ApiwrightError(
                f"{field.name}: there is no owned model {field.item!r} to refer to.",
                f"There are {', '.join(owned)}." if owned else f"Add {field.item} first.",
            )


def _refuse_taken(project: Project, resource: Resource) -> None:
    """Names that the new files need for something else; what a model of that name is, the plan
    says."""
    many = resource.plural
    for model in project.models:
        here = model.name == resource.model and model.module == "app.models"
        if not here and model.table == resource.model.lower():
            raise Refused(
                f"There is a table {model.table!r} already, of {model.name} ({model.at}).",
                "Choose another name.",
            )
    if resource.model in code.TAKEN or resource.name in code.VARIABLES:
        raise ApiwrightError(
            f"{resource.model!r} is the name of something that the code needs.",
            "Choose another name.",
        )
    path = path_of(project, resource)
    for route in project.routes:
        if (route.path == path or route.path.startswith(f"{path}/")) and (
            route.module != module_of(resource)
        ):
            where = f" ({route.at})" if route.at else ""
            raise Refused(
                f"{route.method} {route.path} is served already, by {route.module}{where}.",
                f"Choose another name than {many}.",
            )


# the changes


def _changes(project: Project, resource: Resource, copy: Shadow) -> Iterator[Change]:
    width = project.tools.line_length or 88
    tables = {model.name: model.table or model.name.lower() for model in project.models}
    tables[resource.model] = resource.model.lower()
    definitions = [code.enum(resource, field) for field in resource.columns if field.type == "enum"]
    definitions.append(code.model(resource, tables))
    definitions += [code.link(resource, field, tables) for field in resource.links]
    formatted = [_formatted(copy, MODELS, each + "\n").rstrip("\n") for each in definitions]
    needed = code.imports("\n\n".join(formatted), {"Field": "sqlmodel"})
    for name, module in needed.items():
        yield Change(MODELS, AddImport(module, name, width=width))
    for definition in formatted:
        yield Change(MODELS, AddDefinition(definition))
    for path, text in _files(project, resource):
        yield Change(path, NewFile(_as_is_there(project, path, _formatted(copy, path, text))))
    yield Change(MAIN, AddImport("app.routes", resource.plural, ours=True, width=width))
    yield Change(
        MAIN,
        IncludeRouter(
            "app",
            f"{resource.plural}.router",
            (("prefix", f'"{_prefix(project)}"'),) if _prefix(project) else (),
            width=width,
        ),
    )


def _files(project: Project, resource: Resource) -> Iterator[tuple[str, str]]:
    one, many, name = resource.name, resource.plural, resource.model
    models = [name, *(field.item for field in resource.links)]
    models += [code.link_of(resource, field) for field in resource.links]
    models += [code.enum_of(resource, each) for each in resource.columns if each.type == "enum"]
    own = dict.fromkeys(models, "app.models")
    for role in ("Create", "Update", "Query", "Public"):
        own[f"{name}{role}"] = f"app.schemas.{one}"
    for field in resource.links:
        own[f"{field.item}Public"] = _public_of(project, field.item)
    own[f"{one}_service"] = "app.services"
    schemas = code.schemas(resource)
    without = {key: value for key, value in own.items() if value != f"app.schemas.{one}"}
    yield f"app/schemas/{one}.py", code.module(schemas, without, separated=schemas[0] == "c")
    yield f"app/services/{one}_service.py", code.module(code.service(resource), own)
    yield f"app/routes/{many}.py", code.module(code.routes(resource), own, separated=False)
    tests = resource_tests.tests(
        resource, path_of(project, resource), list(_parents(project, resource))
    )
    plain = [each for each in ("itertools", "secrets", "pytest") if f"{each}." in tests]
    own = {"timedelta": "datetime", "uuid4": "uuid"}
    yield f"tests/test_{many}.py", code.module(tests, own, plain, separated=False)


def _public_of(project: Project, model: str) -> str:
    """The module of the schema that answers show it by."""
    for schema in project.schemas:
        if schema.name == f"{model}Public":
            return schema.module
    raise Refused(
        f"There is no schema {model}Public, by which answers could show it.", "Write one first."
    )


def _parents(project: Project, resource: Resource) -> Iterator[Parent]:
    """What the tests have to make first, grandparents before parents."""
    seen: set[str] = set()
    for field in resource.fields:
        if field.type in ("ref", "refs"):
            yield from _parent(project, field.item, seen)


def _parent(project: Project, model: str, seen: set[str]) -> Iterator[Parent]:
    if model in seen:
        return
    seen.add(model)
    made_by = next(
        (
            route
            for route in project.routes
            if route.method == "POST"
            and "{" not in route.path
            and route.response_model == f"{model}Public"
        ),
        None,
    )
    document = project.ran.openapi if project.ran else None
    if made_by is None or document is None:
        raise Refused(
            f"There is no route by which a test could make a {model}.",
            f"Write one first: a POST that answers with {model}Public.",
        )
    body = document["paths"][made_by.path]["post"]["requestBody"]["content"]
    schema = body["application/json"]["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    required = document["components"]["schemas"].get(name, schema)
    values = {
        column: samples.of_schema(required["properties"][column], document)
        for column in required.get("required", ())
    }
    facts = _model(project, model)
    tables = {each.table: each.name for each in project.models}
    for column in facts.columns:
        if column.attribute in values and column.foreign_key:
            grandparent = tables[column.foreign_key.partition(".")[0]]
            yield from _parent(project, grandparent, seen)
            values[column.attribute] = f"make_{snake(grandparent)}(client)"
    code_of_body = ", ".join(f'"{key}": {value}' for key, value in values.items())
    yield Parent(model, made_by.path, f"{{{code_of_body}}}")


def _included(project: Project) -> list[tuple[str, int]]:
    """The prefixes of the routers in app/routes, and where they are included."""
    return sorted(
        (
            (include.prefix or "", include.at.line)
            for router in project.routers
            if router.name.startswith("app.routes.")
            for include in router.included
            if include.at.file == MAIN
        ),
        key=lambda each: each[1],
    )


def _prefix(project: Project) -> str:
    """That of most routers."""
    counted = Counter(prefix for prefix, _ in _included(project))
    return counted.most_common(1)[0][0] if counted else "/api/v1"


def _as_is_there(project: Project, path: str, text: str) -> str:
    """The text that is there, where it is the same but for its layout."""
    try:
        there = (Path(project.folder) / path).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return text
    return there if same_code(there, text) else text


def _formatted(copy: Shadow, path: str, text: str) -> str:
    """As the project's formatter would have it, if it has one."""
    draft = copy.folder.parent / "draft" / path
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(text, encoding="utf-8")
    config = ["--config", str(copy.folder / "pyproject.toml")]
    copy.run("-m", "ruff", "format", "--quiet", "--no-cache", *config, str(draft), seconds=20)
    return draft.read_text(encoding="utf-8")


# the migration


def _is_migrated(project: Project, resource: Resource) -> bool:
    """Whether a migration makes its table."""
    folder = Path(project.folder) / "migrations" / "versions"
    table = resource.model.lower()
    for file in folder.glob("*.py"):
        text = "".join(file.read_text(encoding="utf-8").split())
        if f'create_table("{table}",' in text:
            return True
    return False


def _migration(resource: Resource, copy: Shadow) -> Change:
    words = resource.plural.replace("_", " ")
    done = copy.run("-m", "apiwright.kit.rehearsal", "revise", f"add {words}")
    written = json.loads(done.out.splitlines()[-1])["written"] if done.status == 0 else None
    if written is None:
        raise Refused(
            f"The migration could not be written: {done.last_words or 'there is nothing to do'}.",
            "Does `apiwright db revision -m …` work in this project?",
        )
    path = Path(written)
    text = _formatted(copy, path.name, path.read_text(encoding="utf-8"))
    path.unlink()
    return Change(path.resolve().relative_to(copy.folder).as_posix(), NewFile(text))
