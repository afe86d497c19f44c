"""The arrows of ARCHITECTURE.md: who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "apiwright"
MAY_IMPORT = {
    "errors": set(),
    "kit": {"errors"},
    "project": {"errors"},
    "edit": {"errors"},
    "generators": {"errors", "project", "edit"},
    "checks": {"errors", "project", "edit"},
    "cli": {"errors", "kit", "project", "edit", "generators", "checks"},
    "mcp_server": {"errors", "kit", "project", "edit", "generators", "checks"},
    "__main__": {"cli"},
    "__init__": set(),
}


def test_imports_follow_the_arrows() -> None:
    wrong = [
        f"{file.relative_to(SOURCE)} imports {imported}"
        for file in ours()
        for imported in layers_imported(file)
        if imported != layer_of(file) and imported not in MAY_IMPORT[layer_of(file)]
    ]
    assert wrong == []


def test_the_reference_app_imports_the_kit_only() -> None:
    files = (SOURCE / "generators").glob("*_app/**/*.py")
    assert {layer for file in files for layer in layers_imported(file)} == {"kit"}


LATE = {
    "cli.py",
    "kit/knowledge.py",  # qdrant-client and openai, for those who set QDRANT_URL, EMBEDDING_MODEL
    "kit/limits.py",  # redis, for those who set REDIS_URL
    "kit/postgres_url.py",  # SQLAlchemy's engines, which a serving process has no use for
    "kit/telemetry.py",  # OpenTelemetry's SDK, for those who export
    "project/files.py",  # libcst, for the few files that need it
    "project/runner.py",  # runs where there may be no FastAPI
    "project/engines.py",  # so do these
    "project/server.py",
}


def test_late_imports_are_the_command_lines_alone() -> None:
    late = {
        str(file.relative_to(SOURCE))
        for file in ours()
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert late <= LATE


def ours() -> Iterator[Path]:
    return (file for file in SOURCE.rglob("*.py") if not is_app(file))


def is_app(file: Path) -> bool:
    """Of a project that generators copy."""
    return any(part.endswith("_app") for part in file.parts)


def layer_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def layers_imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: import by the full name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("apiwright."))
