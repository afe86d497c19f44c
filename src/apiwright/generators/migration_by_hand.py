"""The migration of a new table where the project's Alembic does not run here: written after the one
that made the sibling's table. It cannot be tried, and the plan says so."""

import ast
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apiwright.generators.fields import FieldSpec, Resource

_TYPES = {
    "str": "sa.String()",
    "text": "sa.Text()",
    "int": "sa.Integer()",
    "float": "sa.Float()",
    "bool": "sa.Boolean()",
    "date": "sa.Date()",
    "datetime": "sa.DateTime(timezone=True)",
    "time": "sa.Time()",
    "uuid": "sa.Uuid()",
    "email": "sa.String()",
    "url": "sa.String()",
    "enum": "sa.String()",
    "json": "sa.JSON()",
    "list": "sa.JSON()",
}


@dataclass(frozen=True)
class Sibling:
    table: str
    common: tuple[str, ...]
    """Its columns that the new table has, too: key, owner, times."""
    replaced: tuple[str, ...]
    """Those that the new fields stand in for."""


@dataclass(frozen=True)
class _Table:
    """As a revision makes it."""

    path: Path
    source: str
    made: ast.Call
    indexes: tuple[str, ...]
    """Their code, as of one that is made outside of a batch."""

    def code(self, node: ast.AST) -> str:
        return " ".join((ast.get_source_segment(self.source, node) or "").split())


def write(
    folder: Path,
    head: str | None,
    revision: str | None,
    table: str,
    resource: Resource,
    sibling: Sibling,
    message: str,
) -> tuple[str, str] | None:
    """The name of the file and its text; None where the sibling's is not understood: its table is
    not made here as a whole, or a reference is among the fields."""
    found = _find(folder, sibling.table)
    if found is None or any(field.type in ("ref", "refs") for field in resource.fields):
        return None
    columns, constraints = _parts(found, resource, sibling)
    if {name for name, _ in columns} < {*sibling.common}:
        return None
    revision = revision or secrets.token_hex(6)
    lines = [code for _, code in columns] + constraints
    up = f'    op.create_table(\n        "{table}",\n'
    up += "".join(f"        {line},\n" for line in lines) + "    )\n"
    down = ""
    for index in found.indexes:
        code = index.replace(f"_{sibling.table}_", f"_{table}_")
        code = re.sub(rf"(['\"]){sibling.table}\1", f'"{table}"', code)
        up += f"    {code}\n"
        name = code.removeprefix("op.create_index(").split(",")[0]
        down = f'    op.drop_index({name}, table_name="{table}")\n' + down
    down += f'    op.drop_table("{table}")\n'
    body = f"def upgrade() -> None:\n{up}\n\ndef downgrade() -> None:\n{down}"
    text = f'"""{message}\n\nRevision ID: {revision}\nRevises: {head or ""}\n\n"""\n\n'
    text += f"{_imports(found, body)}\n\n{_names(found, revision, head)}\n\n{body}"
    return _file_name(found, revision, message), text


def _find(folder: Path, table: str) -> _Table | None:
    for path in sorted(folder.glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _makes(call, table):
                return _Table(path, source, call, tuple(_indexes(tree, table)))
    return None


def _indexes(tree: ast.Module, table: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            batch = node.items[0].context_expr
            if isinstance(batch, ast.Call) and batch.args and _text(batch.args[0]) == table:
                for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
                    if _called(call) == "create_index":
                        call.args.insert(1, ast.Constant(table))
                        name = ast.unparse(call.func).removesuffix(".create_index")
                        yield ast.unparse(call).replace(f"{name}.", "op.")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "op.create_index":
            yield from [ast.unparse(node)] * (_text(node.args[1]) == table)


def _makes(call: ast.Call, table: str) -> bool:
    return _called(call) == "create_table" and _text(call.args[0]) == table


def _parts(
    found: _Table, resource: Resource, sibling: Sibling
) -> tuple[list[tuple[str, str]], list[str]]:
    columns: list[tuple[str, str]] = []
    constraints: list[str] = []
    ours = [(field.column, _column(field)) for field in resource.columns]
    for argument in found.made.args[1:]:
        if not isinstance(argument, ast.Call):
            continue
        if _called(argument) == "Column":
            name = _text(argument.args[0])
            if name in sibling.common:
                columns.append((name, found.code(argument)))
            elif ours:
                columns += ours
                ours = []
        elif {_text(each) for each in ast.walk(argument)} & set(sibling.replaced):
            continue
        else:
            constraints.append(found.code(argument))
    constraints += [f'sa.UniqueConstraint("{f.column}")' for f in resource.columns if f.unique]
    return columns + ours, constraints


def _column(field: FieldSpec) -> str:
    kind = _TYPES.get(field.type, "")
    if field.type == "decimal":
        kind = "sa.Numeric({}, {})".format(*(field.digits or (12, 2)))
    if field.type == "str" and field.max:
        kind = f"sa.String(length={field.max})"
    return f'sa.Column("{field.column}", {kind}, nullable={field.optional})'


def _imports(found: _Table, body: str) -> str:
    """Of that file, what the new one needs."""
    tree = ast.parse(found.source)
    kept = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
            if any(re.search(rf"\b{name}\.", body) for name in names):
                kept.append(ast.unparse(node))
    return "\n".join(kept) + "\n"


def _names(found: _Table, revision: str, head: str | None) -> str:
    """revision, down_revision and what stands beside them, as that file writes them."""
    values = {"revision": f'"{revision}"', "down_revision": f'"{head}"' if head else "None"}
    lines = []
    for node in ast.parse(found.source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = ast.unparse(target)
            said = f": {ast.unparse(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
            lines.append(f"{name}{said} = {values.get(name, 'None')}")
    return "\n".join(lines) + "\n"


def _file_name(found: _Table, revision: str, message: str) -> str:
    slug = re.sub(r"\W+", "_", message.lower())
    dated = re.match(r"\d{4}([_-]?)\d\d\1\d\d([_-])", found.path.name)
    if dated:
        return f"{datetime.now():%Y{dated[1]}%m{dated[1]}%d}{dated[2]}{slug}.py"  # noqa: DTZ005
    return f"{revision}_{slug}.py"


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
