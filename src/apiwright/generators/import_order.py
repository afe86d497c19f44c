"""Imports whose names have changed, in order again where they were in order before."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import libcst as cst

from apiwright.edit.imports import by_type
from apiwright.edit.python import dotted, small

Order = Callable[[str], tuple[object, ...]]


def restored(before: cst.Module, after: cst.Module) -> cst.Module:
    """`after`, sorted as `before` is: its names within a statement, its statements within a
    section."""
    orders = [order for order in (_apart, _together) if _follows(before, order)]
    names = [order for order in (by_type, str_order) if _names_follow(before, order)]
    body: list[Any] = []
    for section in _sections(after):
        made = [_sorted_names(each, names[0]) if names else each for each in section]
        if orders and len(made) > 1:
            made = _sorted_rows(made, orders[0])
        body += made
    return after.with_changes(body=body)


def str_order(name: str) -> tuple[object, ...]:
    return (name.lower(),)


def _sections(module: cst.Module) -> Iterator[list[Any]]:
    """Rows of imports of one kind; whatever else alone."""
    row: list[Any] = []
    for statement in module.body:
        part = _import(statement)
        apart = bool(getattr(statement, "leading_lines", ()))
        if row and (part is None or apart):
            yield row
            row = []
        if part is None:
            yield [statement]
        else:
            row.append(statement)
    if row:
        yield row


def _follows(module: cst.Module, order: Order) -> bool:
    rows = [row for row in _sections(module) if len(row) > 1]
    texts = [[_text(each) for each in row] for row in rows]
    return bool(texts) and all(sorted(each, key=order) == each for each in texts)


def _names_follow(module: cst.Module, order: Order) -> bool:
    found = [
        [dotted(alias.name) for alias in part.names]
        for statement in module.body
        if isinstance(part := _import(statement), cst.ImportFrom)
        and not isinstance(part.names, cst.ImportStar)
        and len(part.names) > 1
    ]
    return bool(found) and all(sorted(each, key=order) == each for each in found)


def _sorted_rows(row: Sequence[Any], order: Order) -> list[Any]:
    first = row[0].leading_lines
    found = sorted(row, key=lambda each: order(_text(each)))
    bare = [each.with_changes(leading_lines=[]) if each is row[0] else each for each in found]
    bare[0] = bare[0].with_changes(leading_lines=first)
    return bare


def _sorted_names(statement: Any, order: Order) -> Any:
    part = _import(statement)
    if not isinstance(part, cst.ImportFrom) or isinstance(part.names, cst.ImportStar):
        return statement
    names = sorted(part.names, key=lambda alias: order(dotted(alias.name)))
    if names == list(part.names):
        return statement
    commas = [alias.comma for alias in part.names]
    names = [alias.with_changes(comma=comma) for alias, comma in zip(names, commas, strict=True)]
    return statement.with_changes(body=[part.with_changes(names=names)])


def _import(statement: cst.CSTNode) -> cst.Import | cst.ImportFrom | None:
    parts = list(small(statement))
    if len(parts) == 1 and isinstance(parts[0], cst.Import | cst.ImportFrom):
        return parts[0]
    return None


def _text(statement: cst.CSTNode) -> str:
    part = _import(statement)
    if isinstance(part, cst.ImportFrom):
        names = () if isinstance(part.names, cst.ImportStar) else part.names
        first = dotted(names[0].name) if names else "*"
        return f"from {'.' * len(part.relative)}{dotted(part.module)} {first}"
    assert part is not None
    return f"import {dotted(part.names[0].name)} "


def _apart(text: str) -> tuple[object, ...]:
    """`import x` before `from x import y`."""
    return text.startswith("from"), *_together(text)


def _together(text: str) -> tuple[object, ...]:
    _, module, name = text.split(" ")
    dots = len(module) - len(module.lstrip("."))
    return -dots, re.split(r"(\W)", module.lower()), by_type(name)
