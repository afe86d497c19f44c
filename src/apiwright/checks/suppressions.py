"""Comments that allow a finding: `# apiwright: allow RULE, because REASON`."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass

from apiwright.checks.findings import Finding
from apiwright.project.facts import NotSeen
from apiwright.project.files import Source

_COMMENT = re.compile(r"#\s*apiwright:\s*(?:allow\s+)?([\w-]*)(?:\s*,?\s*because\s+(\S.*))?")


@dataclass(frozen=True)
class Suppressions:
    allowed: frozenset[tuple[str, int, str]]
    """(file, line, rule)"""
    not_counted: tuple[NotSeen, ...]

    def allows(self, finding: Finding) -> bool:
        where = finding.where
        return (where.file or "", where.line or 0, finding.rule) in self.allowed


def read(sources: Iterable[Source], names: frozenset[str]) -> Suppressions:
    """`names`: of all checks there are."""
    allowed: set[tuple[str, int, str]] = set()
    not_counted = []
    for source in sources:
        if b"apiwright:" not in source.content:
            continue
        comments = _comments(source)
        for line, text in comments.items():
            found = _COMMENT.search(text)
            if found is None:
                continue
            name, reason = found.groups()
            what = f"the comment at {source.path}:{line}"
            if name not in names:
                not_counted.append(NotSeen(what, f"there is no check named {name or '(nothing)'}"))
            elif not reason:
                why = f"it allows {name} without saying why: write “, because …” behind it"
                not_counted.append(NotSeen(what, why))
            else:
                allowed |= {(source.path, one, name) for one in _meant(source, line, comments)}
    return Suppressions(frozenset(allowed), tuple(not_counted))


def _comments(source: Source) -> dict[int, str]:
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source.content).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return {}
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _meant(source: Source, line: int, comments: dict[int, str]) -> set[int]:
    """Its own line, and the one below the comments that it is among. A decorator stands for what
    it decorates."""
    below = line
    lines = source.content.splitlines()
    while below in comments and lines[below - 1].lstrip().startswith(b"#"):
        below += 1
    decorated = {
        node.decorator_list[0].lineno: node.lineno
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.decorator_list
    }
    begun = {
        node.lineno
        for node in ast.walk(source.tree)
        if isinstance(node, ast.stmt)
        and not hasattr(node, "body")
        and node.lineno <= line <= (node.end_lineno or 0)
    }
    return {line, below, decorated.get(below, below)} | begun
