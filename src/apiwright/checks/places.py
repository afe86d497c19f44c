"""What a finding's place looks like: the line of source, and what it stands in."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import replace

from apiwright.checks.findings import Finding, Where
from apiwright.project.facts import Place
from apiwright.project.files import Source

_LONGEST = 200
_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Places:
    def __init__(self, sources: Iterable[Source], app: Place) -> None:
        self._sources = {source.path: source for source in sources}
        self._app = app

    def completed(self, finding: Finding) -> Finding:
        """With a place, which is the app's where there is no nearer one, with what it stands in,
        and with its line as evidence where there is no better."""
        where = finding.where
        if where.file is None:
            where = replace(where, file=self._app.file, line=self._app.line)
        source = self._sources.get(where.file or "")
        if source is None or where.line is None:
            return replace(finding, where=where)
        evidence = finding.evidence
        if evidence is None and finding.proof == "code":
            evidence = _line(source, where.line)
        return replace(
            finding, where=replace(where, within=within(source, where.line)), evidence=evidence
        )

    def related(self, finding: Finding) -> Finding:
        """Without its own place and doubles among what is related."""
        others = [one for one in dict.fromkeys(finding.related) if not _same(one, finding.where)]
        placed = {(one.method, one.path) for one in others if one.file is not None}
        return replace(
            finding,
            related=tuple(
                one for one in others if one.file or (one.method, one.path) not in placed
            ),
        )


def within(source: Source, line: int) -> str | None:
    """TaskService.create, or Settings.secret_key; None at the top of a module."""
    return ".".join(_names(source.tree, line)) or None


def _names(node: ast.AST, line: int) -> Iterator[str]:
    for inner in getattr(node, "body", ()):
        if not (inner.lineno <= line <= inner.end_lineno or _decorates(inner, line)):
            continue
        match inner:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield inner.name
                yield from _names(inner, line)
            case ast.ClassDef():
                yield inner.name
                yield from _names(inner, line)
            case (
                ast.Assign(targets=[ast.Name(id=name), *_])
                | ast.AnnAssign(target=ast.Name(id=name))
            ) if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name
            case ast.If() | ast.Try() | ast.With() | ast.AsyncWith():
                yield from _names(inner, line)
        return


def _decorates(node: ast.AST, line: int) -> bool:
    return isinstance(node, _DEFINITIONS) and any(
        one.lineno <= line <= node.lineno for one in node.decorator_list
    )


def _line(source: Source, line: int) -> str | None:
    lines = source.content.splitlines()
    if not 0 < line <= len(lines):
        return None
    text = lines[line - 1].decode(errors="replace").strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _same(one: Where, other: Where) -> bool:
    if one.file is None:
        return (one.method, one.path) == (other.method, other.path)
    return (one.file, one.line) == (other.file, other.line) and one.path in (None, other.path)
