"""Alembic's revisions, and tables that are made without it."""

import ast
import configparser
from pathlib import PurePosixPath

from apiwright.project.facts import Migrations, Place
from apiwright.project.files import Files, Source


def of(files: Files) -> Migrations | None:
    env = next((source for source in files.sources if _is_env(source)), None)
    if env is None:
        return None
    folder = str(PurePosixPath(env.path).parent)
    versions = f"{folder}/versions" if folder != "." else "versions"
    revisions = {}
    below: set[str] = set()
    for source in files.sources:
        if source.path.startswith(versions + "/"):
            names = _constants(source.tree)
            if names.get("revision"):
                revisions[str(next(iter(names["revision"])))] = source
                below |= names.get("down_revision", set())
    target, batch = _target(env)
    return Migrations(
        folder=versions,
        ini=_ini(files, folder),
        heads=tuple(sorted(set(revisions) - below)),
        revisions=len(revisions),
        target_metadata=target,
        batch=batch,
    )


def create_all(files: Files) -> tuple[Place, ...]:
    """Where tables are made at once, outside of tests."""
    return tuple(
        source.at(node)
        for source in files.sources
        if not source.is_test and b"create_all" in source.content
        for node in source.all(ast.Attribute)
        if node.attr == "create_all"
    )


def _is_env(source: Source) -> bool:
    return PurePosixPath(source.path).name == "env.py" and (
        b"alembic" in source.content or b"apiwright.kit import migrations" in source.content
    )


def _constants(tree: ast.Module) -> dict[str, set[str]]:
    found = {}
    for node in tree.body:
        target = None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            target = node.target.id
        if target in {"revision", "down_revision"} and node.value is not None:  # type: ignore[attr-defined]  # an assignment
            found[target] = {
                str(inner.value)
                for inner in ast.walk(node.value)  # type: ignore[attr-defined]  # likewise
                if isinstance(inner, ast.Constant) and inner.value is not None
            }
    return found


def _target(env: Source) -> tuple[Place | None, bool]:
    target, batch = None, False
    for node in ast.walk(env.tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "target_metadata":
            target = env.at(node)
        elif isinstance(node, ast.keyword) and node.arg == "render_as_batch":
            batch = not (isinstance(node.value, ast.Constant) and node.value.value is False)
    return target, batch


def _ini(files: Files, folder: str) -> str | None:
    inis = [path for path in files.paths if PurePosixPath(path).name == "alembic.ini"]
    for path in inis:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(files.text(path))
            location = parser.get("alembic", "script_location")
        except configparser.Error:
            continue
        location = location.replace("%(here)s", ".").rstrip("/").rpartition("/")[2]
        if location == PurePosixPath(folder).name:
            return path
    return inis[0] if inis else None
