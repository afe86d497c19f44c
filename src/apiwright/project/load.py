"""A project as its files tell: `load(folder)` for the facts, `read(folder)` for its code as well.
Nothing is written and nothing of it is run.
"""

from pathlib import Path

from apiwright.project import (
    answers,
    apps,
    environment,
    files,
    migrations,
    schemas,
    services,
    sessions,
    suite,
    tools,
)
from apiwright.project.code import Code
from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import NotSeen, Project
from apiwright.project.models import Models
from apiwright.project.modules import Modules
from apiwright.project.routes import Routes
from apiwright.project.values import Class, Endpoint, Function, Generic


def load(folder: Path, app: str | None = None) -> Project:
    """The facts of the project in a folder. `app` says which one is meant, as module:variable,
    where there are several.

    Raises ApiwrightError when there is no app, or when several could be it.
    """
    return read(folder, app).project


def read(folder: Path, app: str | None = None) -> Code:
    """As `load`, with the source: what a rule asks."""
    found = files.read(folder.resolve())
    not_seen: list[NotSeen] = list(found.not_seen)
    pyproject, pyproject_path = tools.pyproject(found, not_seen)
    modules = Modules(found.sources, tools.requirements(found, pyproject))
    evaluator = Evaluator(modules)
    for source in found.sources:
        if not source.is_test and not source.path.endswith("setup.py"):
            evaluator.scope_of(source)
    for source in list(evaluator.scopes):
        evaluator.follow_factories(source)
    routes = Routes(evaluator)
    entrypoint = _entrypoint(pyproject)
    router, chosen, others = apps.choose(evaluator, routes, found, entrypoint, app)
    served = routes.of(router)
    endpoints = list(routes.handlers(router))
    tables = Models(evaluator)
    models = tables.all(_users(evaluator, routes, endpoints))
    shapes = schemas.all_of(evaluator, models)
    service_styles = services.styles(evaluator, endpoints)
    tests = suite.of(found)
    asked = sessions.used(evaluator, routes.dependencies, endpoints)
    if evaluator.exhausted:
        not_seen.append(NotSeen("part of the project", "it is too large to be followed to its end"))
    not_seen += [*_guards(evaluator), *routes.not_seen, *tables.not_seen]
    project = Project(
        folder=str(found.root),
        app=chosen,
        other_apps=others,
        routes=tuple(one.route for one in served),
        routers=routes.routers(),
        models=models,
        sessions=asked,
        schemas=shapes,
        schema_names=schemas.usual_names(shapes),
        services=service_styles,
        errors=answers.error_styles(evaluator, shapes),
        pagination=answers.pagination_styles(evaluator, endpoints),
        tests=tests,
        migrations=migrations.of(found),
        create_all=migrations.create_all(found),
        settings=environment.of(evaluator, found),
        layout=tools.layout(
            tuple(one.route for one in served),
            models,
            shapes,
            service_styles,
            tests.folder if tests else None,
        ),
        tools=tools.of(found, pyproject, pyproject_path),
        rules=tools.rules(found),
        ran=None,
        not_seen=tuple(dict.fromkeys(not_seen)),
    )
    return Code(
        project,
        found.sources,
        evaluator,
        routes.dependencies,
        served,
        fastapi=tools.pinned(found, "fastapi"),
    )


def _entrypoint(pyproject: dict[str, object]) -> str | None:
    value: object = pyproject
    for name in ("tool", "fastapi", "entrypoint"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _users(evaluator: Evaluator, routes: Routes, endpoints: list[Endpoint]) -> frozenset[str]:
    """Names of the classes that the login's functions return."""
    found = set()
    for endpoint in endpoints:
        for wanted in routes.dependencies.of(endpoint.handler):
            target = wanted.target
            if isinstance(target, Function) and routes.dependencies.protects(wanted) != "none":
                returns = evaluator.annotation(getattr(target.node, "returns", None), target.scope)
                for value in (
                    returns,
                    *(returns.arguments if isinstance(returns, Generic) else ()),
                ):
                    if isinstance(value, Class):
                        found.add(value.node.name)
    return frozenset(found)


def _guards(evaluator: Evaluator) -> list[NotSeen]:
    """Middleware of the project may ask for a login, too; that is not followed."""
    found = []
    for at, name in evaluator.middleware:
        if any(word in name.lower() for word in ("auth", "login", "token", "session", "jwt")):
            found.append(NotSeen(f"what {name} protects ({at})", "it is a middleware"))
    return found
