"""The files of a project, each Python file parsed once."""

import ast
import os
import re
import stat
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar, cast

from apiwright.errors import ApiwrightError
from apiwright.project.facts import NotSeen, Place

_SKIPPED = {"node_modules", "site-packages", "__pycache__", "__pypackages__", "dist", "build"}
_ENVIRONMENT = {"pyvenv.cfg", "conda-meta"}
_LARGEST = 2_000_000  # bytes; what is larger is data
_MOST = 5_000  # Python files
_DOTFOLDERS = {".github", ".cursor", ".agents", ".claude"}  # listed, for rules; not read as code
_LISTED = (ast.Import, ast.ImportFrom, ast.Raise, ast.Call, ast.Subscript, ast.Attribute)
N = TypeVar("N", bound=ast.AST)


@dataclass(frozen=True, eq=False)
class Source:
    """A Python file."""

    path: str
    """Relative to the project's folder, with slashes."""
    tree: ast.Module
    content: bytes

    def all(self, kind: type[N]) -> list[N]:
        """The nodes of a kind (one of _LISTED), wherever they stand."""
        return cast(list[N], self._nodes[kind])

    @cached_property
    def _nodes(self) -> dict[type[ast.AST], list[ast.AST]]:
        """Walked once: several readers look for something in the whole tree."""
        found: dict[type[ast.AST], list[ast.AST]] = {kind: [] for kind in _LISTED}
        left: list[ast.AST] = [self.tree]
        while left:
            node = left.pop()
            if (kind := type(node)) in found:
                found[kind].append(node)
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    left += [inner for inner in value if isinstance(inner, ast.AST)]
                elif isinstance(value, ast.AST):
                    left.append(value)
        return found

    @cached_property
    def is_test(self) -> bool:
        *folders, name = PurePosixPath(self.path).parts
        return (
            bool({"tests", "test", "testing"} & set(folders))
            or name.startswith("test_")
            or name.endswith(("_test.py", "_tests.py"))
            or name in {"conftest.py", "tests.py"}
        )

    def at(self, node: ast.AST) -> Place:
        return Place(self.path, getattr(node, "lineno", 1))


@dataclass(frozen=True)
class Files:
    root: Path
    sources: tuple[Source, ...]
    paths: tuple[str, ...]
    """Of every file, Python or not."""
    not_seen: tuple[NotSeen, ...]

    def text(self, path: str) -> str:
        """Of a small file that is not code; empty if it cannot be read."""
        try:
            if (self.root / path).stat().st_size > _LARGEST:
                return ""
            return (self.root / path).read_text(encoding="utf-8-sig", errors="replace")
        except OSError:
            return ""


def read(root: Path) -> Files:
    """Raises ApiwrightError for what is no folder."""
    if not root.is_dir():
        raise ApiwrightError(
            f"{root} is not a folder.", "Name the folder of a project: `apiwright inspect PATH`."
        )
    not_seen: list[NotSeen] = []
    found = sorted(_walk(root, not_seen))
    code = [path for path in found if path.endswith(".py") and not re.search(r"(^|/)\.", path)]
    if len(code) > _MOST:
        not_seen.append(NotSeen(f"{len(code) - _MOST} Python files", f"only {_MOST} are read"))
    sources = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, of invalid escapes and the like
        for path in code[:_MOST]:
            source = _source(root, path, not_seen)
            if source is not None:
                sources.append(source)
    return Files(root, tuple(sources), tuple(found), tuple(not_seen))


def paths(root: Path) -> list[str]:
    """Of all files but those of environments, caches and hidden folders."""
    return sorted(_walk(root, []))


def _walk(root: Path, not_seen: list[NotSeen]) -> list[str]:
    """Links to folders are not followed: they may lead around in a circle, or out."""

    def failed(error: OSError) -> None:
        where = Path(error.filename).relative_to(root).as_posix()
        not_seen.append(NotSeen(where, f"the folder cannot be read: {error.strerror}"))

    found = []
    for folder, folders, names in os.walk(root, onerror=failed):
        relative = Path(folder).relative_to(root)
        if folder != str(root) and _ENVIRONMENT & {*names, *folders}:
            folders.clear()
            continue
        folders[:] = [
            name
            for name in folders
            if name not in _SKIPPED and (not name.startswith(".") or name in _DOTFOLDERS)
        ]
        found += [(relative / name).as_posix() for name in names]
    return found


def _source(root: Path, path: str, not_seen: list[NotSeen]) -> Source | None:
    file = root / path
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            not_seen.append(NotSeen(path, "it is not an ordinary file"))
            return None
        if status.st_size > _LARGEST:
            not_seen.append(NotSeen(path, f"it is larger than {_LARGEST // 1_000_000} MB"))
            return None
        content = file.read_bytes()
    except OSError as error:
        not_seen.append(NotSeen(path, f"it cannot be read: {error.strerror}"))
        return None
    try:
        return Source(path, _parsed(content), content)
    except SyntaxError as error:
        not_seen.append(NotSeen(path, f"line {error.lineno or 1} is not Python: {error.msg}"))
    except (ValueError, RecursionError, MemoryError) as error:
        not_seen.append(NotSeen(path, f"it cannot be parsed: {error}"))
    return None


def _parsed(content: bytes) -> ast.Module:
    try:
        return ast.parse(content)
    except SyntaxError as error:
        try:  # libcst, which few projects need, and which the bare package does not bring
            from apiwright.project.newer_syntax import older
        except ImportError:
            raise error from None
        rewritten = older(content)
        if rewritten is None:
            raise
        try:
            return ast.parse(rewritten)
        except SyntaxError:
            raise error from None
