"""Which file a name in an import means.

A file can be imported under several names, depending on the folder that Python starts in. The
imports of the project itself tell which folders these are.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

from apiwright.project.files import Source


class Modules:
    def __init__(self, sources: tuple[Source, ...], installed: frozenset[str]) -> None:
        """`installed`: top-level names of packages that the project says it needs."""
        self._at: dict[str, Source] = {}  # "app/routes" for app/routes/__init__.py
        self._folders = {""}
        for source in sources:
            path = source.path.removesuffix(".py")
            self._at[path.removesuffix("/__init__")] = source
            self._folders.update(
                "" if str(parent) == "." else str(parent)
                for parent in PurePosixPath(source.path).parents
            )
        self._packages = {
            source.path.removesuffix("/__init__.py")
            for source in sources
            if source.path.endswith("/__init__.py")
        }
        self._ending: dict[str, list[str]] = {}
        for path in {*self._at, *self._folders} - {""}:
            self._ending.setdefault(path.rpartition("/")[2], []).append(path)
        self._installed = installed
        self._roots = self._import_roots(sources)
        self.find = cache(self._find)
        self.name_of = cache(self._name_of)

    def root_of(self, source: Source) -> str:
        """The folder on sys.path by which the file is imported; "" is the project's."""
        path = source.path
        above = [root for root in self._roots if _is_below(path, root)]
        if above:
            return max(above, key=lambda root: (self._roots[root], -len(root)))
        return "src" if path.startswith("src/") and "src" not in self._packages else ""

    def _name_of(self, source: Source) -> str:
        root = self.root_of(source)
        path = source.path.removeprefix(root + "/" if root else "").removesuffix(".py")
        return path.removesuffix("/__init__").replace("/", ".")

    def exists(self, name: str, importer: Source) -> bool:
        """Whether it is a module, or a folder of modules."""
        return self.find(name, importer) is not None or any(
            _joined(root, name) in self._folders for root in self._roots_for(importer)
        )

    def absolute(self, node: ast.ImportFrom, importer: Source) -> str:
        """The module that `from … import` means, relative ones included."""
        if node.level == 0:
            return node.module or ""
        parts = self.name_of(importer).split(".")
        if not importer.path.endswith("/__init__.py"):
            parts = parts[:-1]
        parts = parts[: len(parts) - (node.level - 1)]
        return ".".join(filter(None, [*parts, node.module]))

    def _find(self, name: str, importer: Source) -> Source | None:
        for root in self._roots_for(importer):
            source = self._at.get(_joined(root, name))
            if source is not None and source is not importer:
                return source
        return None

    def _roots_for(self, importer: Source) -> list[str]:
        """The nearest folder above first."""
        roots = {*self._roots, self.root_of(importer)}
        above = sorted((r for r in roots if _is_below(importer.path, r)), key=len)[::-1]
        return above + [root for root in self._roots if root not in above]

    def _import_roots(self, sources: tuple[Source, ...]) -> Counter[str]:
        votes: Counter[str] = Counter()
        undecided = []
        for source in sources:
            for name in set(_absolute_imports(source)):
                top = name.split(".")[0]
                if top in sys.stdlib_module_names or top == "fastapi":
                    continue
                folder = _parent(source.path)
                candidates = list(self._candidates(name, source))
                roots = [root for root in candidates if root not in self._packages]
                if not roots and "." in name and top not in self._installed:
                    # a package by mistake: there is an __init__.py where one starts, too
                    roots = [root for root in candidates if _is_below(source.path, root)]
                if "." not in name:  # `import models` works where one starts, which is here
                    roots = [root for root in roots if root in (folder, "", "src")]
                if roots:
                    votes[max(roots, key=lambda r: (_is_below(source.path, r), len(r)))] += 1
                elif top not in self._installed:
                    undecided.append((source, name, folder))
        for source, name, folder in undecided:  # a package whose files are started as scripts
            found = self._at.get(_joined(folder, name))
            top = name.split(".")[0]
            known = any(_joined(root, top) in self._at for root in votes)
            if found is not None and found is not source and not known:
                votes[folder] += 1
        return votes

    def _candidates(self, name: str, importer: Source) -> Iterator[str]:
        path = name.replace(".", "/")
        for there in self._ending.get(path.rpartition("/")[2], ()):
            if there != path and not there.endswith("/" + path):
                continue
            found = self._at.get(there)
            if found is not importer if found else "/" in path:
                yield there.removesuffix(path).rstrip("/")


def _absolute_imports(source: Source) -> Iterator[str]:
    for plain in source.all(ast.Import):
        yield from (alias.name for alias in plain.names)
    for node in source.all(ast.ImportFrom):
        if node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")


def _joined(root: str, name: str) -> str:
    path = name.replace(".", "/")
    return f"{root}/{path}" if root else path


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _is_below(path: str, root: str) -> bool:
    return not root or path.startswith(root + "/")
