"""`apiwright add resource NAME FIELDS…`: a model and all that serves it, written as the reference
app's are, into a project that `apiwright new` made."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
from apiwright.generators import exemplar, from_model, resource_tests, samples, stranger
from apiwright.generators import resource_code as code
from apiwright.generators.fields import Resource, command, plural, snake
from apiwright.generators.resource_tests import Parent
from apiwright.generators.shadow import Place, Shadow, on_kit, shadow
from apiwright.generators.wanted import Wanted
from apiwright.project.facts import Model, Project, Route

MODELS, MAIN = "app/models.py", "app/main.py"
_LAYOUT = (MODELS, MAIN, "app/schemas", "app/services", "app/routes", "migrations/env.py", "tests")


def plan(project: Project, resource: Resource, place: Place, like: str | None = None) -> Plan:
    """What it takes, the migration included; `project` is one that was run (project.running).
    `like` is the model to imitate, in a project that is not on the kit.

    Raises Refused for a project on the kit whose app cannot be imported as it is, for any other
    without something to imitate; ApiwrightError for a reference to a model that there is not.
    """
    if not on_kit(project):
        return stranger.plan(project, resource, place, like)
    refuse_other_layouts(project)
    if project.ran is None or not project.ran.ok:
        why = project.ran.error if project.ran else "it was not tried"
        raise Refused(
            f"The app cannot be imported as it is: {why}.",
            "Correct that first: what an edit changed can only be seen on an app that runs.",
        )
    _refuse_bad_references(project, resource)
    resource = _with_keys(project, resource)
    _refuse_without_owner(project, resource)
    _refuse_taken(project, resource)
    with shadow(project, place) as copy:
        changes = list(_changes(project, resource, copy))
        planned = _make(project, resource, changes)
        if not planned.blocked and not _is_migrated(project, resource):
            copy.write(planned.files)
            changes.append(_migration(resource, copy))
            planned = _make(project, resource, changes)
    return planned


def refuse_early(project: Project, like: str | None, new: str) -> None:
    """What can be refused before anything is tried out; `new` is the new model."""
    if not on_kit(project):
        exemplar.find(project, like, new)
    elif like is not None:
        raise ApiwrightError("Here there is one way to write a resource.", "Leave --like out.")
    else:
        refuse_other_layouts(project)


def refuse_existing(project: Project) -> None:
    """Where a resource cannot be made of a model or a table that is there."""
    if not on_kit(project):
        raise Refused(
            "A resource of a model or a table that is there is made in projects on the kit only, so"
            " far.",
            "Here a resource is written with its model: apiwright add resource NAME FIELD…",
        )
    refuse_other_layouts(project)


def refuse_other_layouts(project: Project) -> None:
    root = Path(project.folder)
    missing = [path for path in _LAYOUT if not (root / path).exists()]
    if not missing and "apiwright.kit" not in (root / MAIN).read_text(encoding="utf-8"):
        missing = [f"an import of apiwright.kit in {MAIN}"]
    if missing:
        raise Refused(
            f"This is not laid out as `apiwright new` does: there is no {', no '.join(missing)}.",
            "On the kit, resources can be added where `apiwright new` put things, so far.",
        )


def wanted(project: Project, resource: Resource, like: str | None = None) -> Wanted:
    """What verification is to see."""
    if not on_kit(project):
        return stranger.wanted(project, resource, like)
    path = path_of(project, resource)
    one = f"{path}/{{{resource.name}_id}}"
    served = [("GET", path), ("POST", path), ("GET", one), ("PATCH", one), ("DELETE", one)]
    for field in resource.links:
        linked = f"{one}/{plural(snake(field.item)).replace('_', '-')}"
        each = f"{linked}/{{{snake(field.item)}_id}}"
        served += [("GET", linked), ("PUT", each), ("DELETE", each)]
    prefix = _prefix(project)
    served += [("GET", f"{prefix}{each.path}") for each in _nested(project, resource)]
    return Wanted(tuple(served), module_of(resource), f"tests/test_{resource.plural}.py")


def path_of(project: Project, resource: Resource) -> str:
    return f"{_prefix(project)}/{resource.plural.replace('_', '-')}"


def module_of(resource: Resource) -> str:
    return f"app.routes.{resource.plural}"


def _module(resource: Resource) -> str:
    """That of the model."""
    return (resource.existing and resource.existing.module) or "app.models"


def _table(resource: Resource) -> str:
    return resource.existing.table if resource.existing else resource.model.lower()


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
    if resource.existing:
        yield Assumption(f"the same as: {command(resource)}")
        yield from map(Assumption, resource.existing.notes)
    yield Assumption(f"the plural of {resource.name} is {resource.plural}")
    if included := _included(project):
        yield Assumption(f"routes are below {_prefix(project)}", MAIN, included[-1][1])
    for field in resource.columns:
        if field.is_hidden:
            continue
        if field.type == "str" and field.max is None:
            yield Assumption(f"{field.name} has {code.STRING} letters at most")
        if field.type == "ref":
            becomes = field.on_delete or ("set-null" if field.optional else "cascade")
            what = {
                "cascade": "goes with it",
                "set-null": "stays, without it",
                "restrict": "keeps it from being deleted",
            }[becomes]
            models = [each.at for each in project.models if each.name == field.item]
            at = (models[0].file, models[0].line) if models else ()
            yield Assumption(f"{resource.model} whose {field.name} is deleted {what}", *at)


# what is refused


def _model(project: Project, name: str) -> Model:
    return next(each for each in project.models if each.name == name)


def _is_owned(model: Model) -> bool:
    return model.owner_column == "owner_id" and model.primary_key == ("id",)


def _refuse_without_owner(project: Project, resource: Resource) -> None:
    if resource.existing and resource.existing.module:
        model = from_model.find(project, f"{resource.existing.module}:{resource.model}")
        if not _is_owned(model):
            raise Refused(
                f"{model.name} is not owned by a user ({model.at}), so that nothing says who may"
                " write its rows.",
                f"Let it inherit from Owned: class {model.name}(Owned, table=True); or write its"
                " routes by hand.",
            )


def _with_keys(project: Project, resource: Resource) -> Resource:
    """With the types of the ids that it refers to."""
    kinds = {model.name: _id_type(model) for model in project.models}
    kinds[resource.model] = resource.id_type
    fields = [
        replace(field, key=kinds.get(field.item, "uuid")) if field.type == "ref" else field
        for field in resource.fields
    ]
    return replace(resource, fields=tuple(fields))


def _id_type(model: Model) -> str:
    keys = [column.type for column in model.columns if column.primary_key]
    return "int" if keys == ["int"] else "uuid"


def _refuse_bad_references(project: Project, resource: Resource) -> None:
    owned = sorted(model.name for model in project.models if _is_owned(model))
    for field in resource.fields:
        if field.type not in ("ref", "refs") or field.is_hidden:
            continue
        if field.item not in (*owned, *[resource.model] * (field.type == "ref")):
            raise ApiwrightError(
                f"{field.name}: there is no owned model {field.item!r} to refer to.",
                f"There are {', '.join(owned)}." if owned else f"Add {field.item} first.",
            )


def _refuse_taken(project: Project, resource: Resource) -> None:
    """Names that the new files need for something else; what a model of that name is, the plan
    says."""
    many = resource.plural
    for model in project.models:
        here = model.name == resource.model and model.module == _module(resource)
        if not here and model.table == _table(resource):
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
    below = [f"{_prefix(project)}{each.path}" for each in _nested(project, resource)]
    for route in project.routes:
        taken = route.path in (path, *below) or route.path.startswith(f"{path}/")
        if taken and route.module != module_of(resource):
            where = f" ({route.at})" if route.at else ""
            raise Refused(
                f"{route.method} {route.path} is served already, by {route.module}{where}.",
                f"Choose another name than {many}.",
            )


# the changes


def _changes(project: Project, resource: Resource, copy: Shadow) -> Iterator[Change]:
    width = project.tools.line_length or 88
    definitions: list[str] = []
    if not (resource.existing and resource.existing.module):
        definitions = list(_definitions(project, resource))
    files = list(_files(project, resource))
    texts = _formatted(copy, [f"{each}\n" for each in definitions] + [text for _, text in files])
    made = [text.rstrip("\n") for text in texts[: len(definitions)]]
    for name, module in code.imports("\n\n".join(made), code.IN_MODELS).items():
        yield Change(MODELS, AddImport(module, name, width=width))
    for definition in made:
        yield Change(MODELS, AddDefinition(definition))
    for (path, _), text in zip(files, texts[len(definitions) :], strict=True):
        yield Change(path, NewFile(_as_is_there(project, path, text)))
    yield Change(MAIN, AddImport("app.routes", resource.plural, ours=True, width=width))
    prefix = (("prefix", f'"{_prefix(project)}"'),) if _prefix(project) else ()
    for name in ("router", *["nested"] * bool(_nested(project, resource))):
        router = f"{resource.plural}.{name}"
        yield Change(MAIN, IncludeRouter("app", router, prefix, width=width))


def _definitions(project: Project, resource: Resource) -> Iterator[str]:
    """What models.py gets."""
    tables = {model.name: model.table or model.name.lower() for model in project.models}
    tables[resource.model] = _table(resource)
    yield from (code.enum(resource, each) for each in resource.columns if each.type == "enum")
    yield code.model(resource, tables)
    yield from (code.link(resource, field, tables) for field in resource.links)


def _files(project: Project, resource: Resource) -> Iterator[tuple[str, str]]:
    one, many, name = resource.name, resource.plural, resource.model
    models = [name, *(field.item for field in resource.links)]
    models += [code.link_of(resource, field) for field in resource.links]
    models += [code.enum_of(resource, each) for each in resource.columns if each.type == "enum"]
    own = dict.fromkeys(models, _module(resource))
    if resource.existing:
        own |= dict(resource.existing.enums)
    nested = _nested(project, resource)
    for field in (*resource.links, *(each.field for each in nested)):
        own.setdefault(field.item, _module(resource))
        if field.item != name:
            own[field.item] = _model(project, field.item).module
    for role in ("Create", "Update", "Query", "Public"):
        own[f"{name}{role}"] = f"app.schemas.{one}"
    for field in resource.links:
        own[f"{field.item}Public"] = _public_of(project, field.item)
    own[f"{one}_service"] = "app.services"
    schemas = code.schemas(resource)
    without = {key: value for key, value in own.items() if value != f"app.schemas.{one}"}
    yield f"app/schemas/{one}.py", code.module(schemas, without, separated=schemas[0] == "c")
    yield f"app/services/{one}_service.py", code.module(code.service(resource, nested), own)
    yield f"app/routes/{many}.py", code.module(code.routes(resource, nested), own, separated=False)
    tests = resource_tests.tests(
        resource,
        path_of(project, resource),
        list(_parents(project, resource)),
        {each.field.name: f"{_prefix(project)}{each.path}" for each in nested},
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
        if field.type in ("ref", "refs") and field.item != resource.model and not field.is_hidden:
            yield from _parent(project, field.item, seen)


def _parent(project: Project, model: str, seen: set[str]) -> Iterator[Parent]:
    if model in seen:
        return
    seen.add(model)
    made_by = _made_by(project, model)
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


def _made_by(project: Project, model: str) -> Route | None:
    for route in project.routes:
        makes = route.method == "POST" and route.response_model == f"{model}Public"
        if makes and "{" not in route.path:
            return route
    return None


def _nested(project: Project, resource: Resource) -> list[code.Nested]:
    """The lists below parents: those of parents whose own path has the prefix, too."""
    prefix = _prefix(project)
    paths = {resource.model: path_of(project, resource).removeprefix(prefix)}
    for field in resource.columns:
        route = _made_by(project, field.item) if field.type == "ref" else None
        if route is not None and route.path.startswith(f"{prefix}/"):
            paths[field.item] = route.path.removeprefix(prefix)
    return code.nested_of(resource, paths)


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


def _formatted(copy: Shadow, texts: Sequence[str]) -> list[str]:
    """As the project's formatter would have them, if it has one: started once."""
    folder = copy.folder.parent / "drafts"
    folder.mkdir(exist_ok=True)
    drafts = [folder / f"draft_{number}.py" for number in range(len(texts))]
    for draft, text in zip(drafts, texts, strict=True):
        draft.write_text(text, encoding="utf-8")
    config = ["--config", str(copy.folder / "pyproject.toml")]
    named = map(str, drafts)
    copy.run("-m", "ruff", "format", "--quiet", "--no-cache", *config, *named, seconds=60)
    return [draft.read_text(encoding="utf-8") for draft in drafts]


# the migration


def _is_migrated(project: Project, resource: Resource) -> bool:
    """Whether a migration makes its table."""
    folder = Path(project.folder) / "migrations" / "versions"
    table = _table(resource)
    for file in folder.glob("*.py"):
        text = "".join(file.read_text(encoding="utf-8").split()).replace("'", '"')
        if f'create_table("{table}",' in text:
            return True
    return False


def _migration(resource: Resource, copy: Shadow) -> Change:
    words = resource.plural.replace("_", " ")
    asked = ["revise", f"add {words}"]
    if resource.existing and resource.existing.made_by:
        job = copy.folder.parent / "adopt.json"
        asked = ["adopt", str(job)]
        told = {
            "message": f"take over {words}",
            "made_by": resource.existing.made_by,
            "name": resource.existing.table,
            "owner": resource.existing.owner,
        }
        job.write_text(json.dumps(told), encoding="utf-8")
    done = copy.run("-m", "apiwright.kit.rehearsal", *asked)
    written = json.loads(done.out.splitlines()[-1])["written"] if done.status == 0 else None
    if written is None:
        raise Refused(
            f"The migration could not be written: {done.last_words or 'there is nothing to do'}.",
            "Does `apiwright db revision -m …` work in this project?",
        )
    path = Path(written)
    (text,) = _formatted(copy, [path.read_text(encoding="utf-8")])
    path.unlink()
    return Change(path.resolve().relative_to(copy.folder).as_posix(), NewFile(text))
