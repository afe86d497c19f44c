"""What stands around the code: packages, linters, the project's written rules, the layout."""

import re
import tokenize
import tomllib
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, Literal

from apiwright.project.facts import Layout, Model, NotSeen, Place, Route, Schema, Style, Tools
from apiwright.project.files import Files

_MANAGERS = (
    ("uv", "uv.lock"),
    ("poetry", "poetry.lock"),
    ("pdm", "pdm.lock"),
    ("pipenv", "Pipfile"),
    ("pixi", "pixi.lock"),
    ("conda", "environment.yml"),
    ("pip", "requirements.txt"),
)
_LINTERS = ("ruff", "black", "isort", "flake8", "pylint", "mypy", "pyright", "basedpyright", "ty")
_CONFIG_FILES = {
    ".ruff.toml": "ruff", "ruff.toml": "ruff", ".flake8": "flake8", "mypy.ini": "mypy",
    ".mypy.ini": "mypy", ".isort.cfg": "isort", ".pylintrc": "pylint",
    "pyrightconfig.json": "pyright",
}  # fmt: skip
_RULES = re.compile(
    r"(.*/)?(AGENTS\.md|CLAUDE\.md|GEMINI\.md|CONTRIBUTING\.(md|rst)|\.cursorrules|\.windsurfrules"
    r"|STYLE(GUIDE)?\.md|\.cursor/rules/.*|\.github/copilot-instructions\.md"
    r"|\.(agents|claude)/skills/.*SKILL\.md)",
    re.IGNORECASE,
)


def pyproject(files: Files, not_seen: list[NotSeen]) -> tuple[dict[str, Any], str | None]:
    """The one nearest to the top, and its path. Its values are whatever TOML holds."""
    paths = [path for path in files.paths if PurePosixPath(path).name == "pyproject.toml"]
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        try:
            return tomllib.loads(files.text(path)), path
        except tomllib.TOMLDecodeError as error:
            not_seen.append(NotSeen(path, f"it is not TOML: {error}"))
    return {}, None


def requirements(files: Files, project: dict[str, Any]) -> frozenset[str]:
    """Import names, as far as a requirement's name tells."""
    lines: list[str] = [*_table(project, "project").get("dependencies", [])]
    for group in _table(project, "project", "optional-dependencies").values():
        lines += group if isinstance(group, list) else []
    lines += list(_table(project, "tool", "poetry", "dependencies"))
    for path in files.paths:
        if re.fullmatch(r"(.*/)?requirements[\w/.-]*\.(txt|in)", path) and path.count("/") <= 2:
            lines += files.text(path).splitlines()
    names = (re.match(r"[A-Za-z][\w.-]*", str(line)) for line in lines)
    return frozenset(name[0].lower().replace("-", "_") for name in names if name)


def pinned(files: Files, package: str) -> str | None:
    """The version of a package that the project's files say is installed."""
    locked = rf'name = "{package}"\s+version = "([\d.]+)"'
    exact = rf"(?m)^[\s\"']*{package}(?:\[[^\]]*\])?\s*(?:==|=\s*\"|~=)\s*([\d.]+)"
    for name, pattern in (("lock", locked), ("txt", exact), ("pyproject.toml", exact)):
        for path in sorted(files.paths, key=lambda path: path.count("/")):
            last = PurePosixPath(path).name
            wanted = last.endswith(name) and (name != "txt" or "requirements" in path)
            if wanted and (found := re.search(pattern, files.text(path))):
                return found[1]
    return None


def of(files: Files, project: dict[str, Any], path: str | None) -> Tools:
    names = {PurePosixPath(one).name for one in files.paths if one.count("/") <= 1}
    table = _table(project, "tool")
    linters = {name for name in _LINTERS if name in table}
    linters |= {linter for file, linter in _CONFIG_FILES.items() if file in names}
    manager = next((name for name, file in _MANAGERS if file in names), None)
    if manager is None or manager == "pip":
        manager = next((n for n in ("poetry", "pdm", "uv") if n in table), manager)
        manager = manager or ("pip" if "project" in project else None)
    python = _table(project, "project").get("requires-python")
    if python is None:
        python = _table(table, "poetry", "dependencies").get("python")
    return Tools(
        package_manager=manager,
        linters=tuple(sorted(linters)),
        line_length=_line_length(files, table),
        quotes=_quotes(files, table),
        python=python if isinstance(python, str) else None,
        at=Place(path, 1) if path else None,
    )


def rules(files: Files) -> tuple[str, ...]:
    return tuple(path for path in files.paths if _RULES.fullmatch(path))


def layout(
    routes: tuple[Route, ...],
    models: tuple[Model, ...],
    schemas: tuple[Schema, ...],
    services: tuple[Style, ...],
    tests: str | None,
) -> Layout:
    folders = {
        "routes": _folders(route.at.file for route in routes if route.at),
        "models": _folders(model.at.file for model in models),
        "schemas": _folders(schema.at.file for schema in schemas),
        "services": _folders(
            style.at.file for style in services if style.name != "statements in routes"
        ),
        "tests": (tests,) if tests else (),
    }
    return Layout(_layout_name(folders), folders)


def _layout_name(
    folders: dict[str, tuple[str, ...]],
) -> Literal["single file", "routers", "routes and services", "versioned", "features", "other"]:
    places = set(folders["routes"])
    if len(places) == 1 and next(iter(places)).endswith(".py"):
        return "single file"
    if any(re.search(r"(^|/)v\d+(/|$)", place) for place in places):
        return "versioned"
    if folders["services"] and set(folders["services"]) != places:
        named = {PurePosixPath(place).name for place in places}
        if named & {"routes", "routers", "endpoints", "controllers", "views", "api"}:
            return "routes and services"
    if any(
        PurePosixPath(place).name in {"routers", "routes", "endpoints", "api"} for place in places
    ):
        return "routers"
    if len(places) > 1:
        return "features"
    return "other"


def _folders(paths: Any) -> tuple[str, ...]:  # of str
    """Folders; a file that stands alone for its kind stays a file."""
    found: dict[str, set[str]] = {}
    for path in paths:
        found.setdefault(path.rpartition("/")[0], set()).add(path)
    plain = {"main.py", "app.py", "models.py", "schemas.py", "crud.py", "server.py", "api.py"}
    return tuple(
        sorted(
            next(iter(files))
            if len(files) == 1 and (not folder or PurePosixPath(next(iter(files))).name in plain)
            else folder or "."
            for folder, files in found.items()
        )
    )


def _line_length(files: Files, table: dict[str, Any]) -> int | None:
    candidates = [
        _table(table, "ruff").get("line-length"),
        _table(table, "black").get("line-length"),
    ]
    for path in files.paths:
        if PurePosixPath(path).name in {"ruff.toml", ".ruff.toml", ".flake8", "setup.cfg"}:
            found = re.search(r"(?:line-length|max-line-length)\s*=\s*(\d+)", files.text(path))
            candidates.append(int(found[1]) if found else None)
    told = next((one for one in candidates if isinstance(one, int)), None)
    return told or (88 if {"ruff", "black"} & set(table) else None)


def _quotes(files: Files, table: dict[str, Any]) -> Literal["double", "single"] | None:
    style = _table(table, "ruff", "format").get("quote-style")
    if style == "single":
        return "single"
    plain_black = "black" in table and not table["black"].get("skip-string-normalization")
    if style == "double" or plain_black:
        return "double"
    single = double = 0
    for source in [source for source in files.sources if not source.is_test][:20]:
        try:
            for token in tokenize.tokenize(BytesIO(source.content[:20_000]).readline):
                if token.type == tokenize.STRING and not token.string.endswith(('"""', "'''")):
                    single += token.string.endswith("'")
                    double += token.string.endswith('"')
        except (tokenize.TokenError, SyntaxError, IndentationError):
            continue
    if single == double:
        return None
    return "single" if single > double else "double"


def _table(value: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        inner = value.get(name)
        if not isinstance(inner, dict):
            return {}
        value = inner
    return value
