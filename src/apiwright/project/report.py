"""A project as text for people, and as JSON for everything else: the same facts."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from apiwright.project.facts import Model, Place, Project, Route, Style

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def as_json(project: Project) -> Json:
    """Places are "file:line"."""
    found = _json(project)
    assert isinstance(found, dict)
    return found


def _json(value: object) -> Json:
    match value:
        case Place():
            return str(value)
        case Mapping():
            return {str(key): _json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_json(inner) for inner in value]
        case str() | int() | float() | bool() | None:
            return value
    assert dataclasses.is_dataclass(value)
    return {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}


def as_text(project: Project) -> str:
    return "\n".join(_lines(project)) + "\n"


def _lines(project: Project) -> Iterator[str]:
    app = project.app
    made = "made by the factory " if app.factory else ""
    yield f"App      {made}{app.target}  ({app.at}; {app.chosen_because})"
    if project.other_apps:
        yield f"         not {', '.join(project.other_apps)}: `--app` chooses"
    yield f"Layout   {project.layout.name}: " + "; ".join(
        f"{kind} in {', '.join(folders)}"
        for kind, folders in project.layout.folders.items()
        if folders
    )
    yield from _ran(project)
    yield from _section(f"Routes ({len(project.routes)})", _routes(project.routes))
    yield from _section(
        f"Models ({len(project.models)})",
        (line for model in project.models for line in _model(model)),
    )
    yield from _section("How it is written", _style(project))
    yield from _section("Settings", _settings(project))
    yield from _section("The project's own rules", project.rules)
    yield from _section("Not seen", (f"{one.what}: {one.why}" for one in project.not_seen))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    lines = list(lines)
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _ran(project: Project) -> Iterator[str]:
    ran = project.ran
    if ran is None:
        yield "Python   not asked: what follows is read from the files"
        return
    if ran.versions is not None:
        told = dataclasses.asdict(ran.versions)
        yield "Python   " + ", ".join(
            f"{name} {version}" for name, version in told.items() if version
        )
    if ran.ok:
        yield f"         imported by {ran.interpreter}: routes are as the app serves them"
    else:
        yield f"         not imported, so what follows is read from the files: {ran.error}"
    yield from (f"         {note}" for note in ran.notes)


def _routes(routes: tuple[Route, ...]) -> Iterator[str]:
    widest = max((len(route.path) for route in routes), default=0)
    for route in routes:
        at = f"{route.at}" if route.at else route.module
        only = {"read": "", "both": "", "ran": "  (not read)"}[route.seen]
        path = f"{route.method:<7}{route.path:<{widest}}"
        yield f"{path}  {route.protection:<8} {at} {route.name}{only}"


def _model(model: Model) -> Iterator[str]:
    notes = ["the user"] if model.is_user else []
    if model.owner_column:
        notes.append(f"owned by {model.owner_column}")
    yield (
        f"{model.name}  table {model.table or '?'}  {', '.join(notes)}".rstrip() + f"  ({model.at})"
    )
    for column in model.columns:
        words = [
            column.type or "?",
            "" if column.nullable else "not null",
            "primary key" if column.primary_key else "",
            "unique" if column.unique else "",
            "index" if column.index else "",
            f"-> {column.foreign_key}" if column.foreign_key else "",
            f"= {column.default}" if column.default else "",
        ]
        yield f"  {column.name}: {' '.join(filter(None, words))}"
    for one in model.relationships:
        yield f"  {one.name}: {'many ' if one.many else ''}{one.target or '?'}"


def _style(project: Project) -> Iterator[str]:
    for session in project.sessions:
        kind = {True: "async", False: "sync", None: "?"}[session.is_async]
        at = f" ({session.at})" if session.at else ""
        yield f"session     {kind} {session.module}.{session.name}, {session.uses} routes{at}"
    if not project.sessions:
        yield "session     no dependency gives one"
    yield from _styles("services", project.services)
    yield from _styles("errors", project.errors)
    yield from _styles("pages", project.pagination)
    if project.schema_names:
        yield "schemas     " + ", ".join(sorted(project.schema_names.values()))
    tests = project.tests
    if tests is not None:
        client = f", {tests.client} client" if tests.client else ""
        yield f"tests       {tests.runner} in {tests.folder}{client}"
    else:
        yield "tests       none"
    if project.migrations is not None:
        heads = ", ".join(project.migrations.heads) or "none"
        yield f"migrations  Alembic in {project.migrations.folder}, heads: {heads}"
    yield from (f"tables      create_all ({at})" for at in project.create_all)
    tools = project.tools
    linters = ", ".join(tools.linters) or "no linter"
    length = f", lines of {tools.line_length}" if tools.line_length else ""
    quotes = f", {tools.quotes} quotes" if tools.quotes else ""
    yield f"tools       {tools.package_manager or 'no package manager'}, {linters}{length}{quotes}"


def _styles(title: str, styles: tuple[Style, ...]) -> Iterator[str]:
    for style in styles:
        yield f"{title:<12}{style.name}, {style.count}: {style.example} ({style.at})"


def _settings(project: Project) -> Iterator[str]:
    settings = project.settings
    if settings.class_name:
        yield f"{settings.class_name} ({settings.at})"
    for key in settings.keys:
        yield f"{key.key}: {'required' if key.required else 'has a default'} ({key.at})"
