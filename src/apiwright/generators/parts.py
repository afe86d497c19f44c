"""A part of the kit that has files of its own, put into a project that `apiwright new` made: what
`apiwright add knowledge` and `apiwright add agent` have in common."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from apiwright.edit.plan import (
    AddDefinition,
    AddImport,
    AddLine,
    AddStatement,
    Assumption,
    Change,
    IncludeRouter,
    NewFile,
    Plan,
    Variable,
)
from apiwright.errors import Refused
from apiwright.generators.files import files_in

MAIN, MODELS, ENVIRONMENT = "app/main.py", "app/models.py", ".env.example"
_WIDTH = 100


@dataclass(frozen=True)
class Part:
    name: str
    folder: str
    """Of this package: files as they are to be, `models.py` with classes, a migration."""
    kit: str
    """The module of the kit that has the models' base classes, and `install`."""
    bases: tuple[str, ...]
    install: str
    """The statement in main.py."""
    router: str
    """The module in app/routes."""
    variables: tuple[Variable, ...]
    edited: str = ""
    """A file that is not as it is in the folder once the part is there."""
    extra: str = ""
    """What to install: pip install 'apiwright[…]'."""


def changes(root: Path, part: Part) -> Iterator[Change]:
    """Raises Refused for a project of another layout, or with several last migrations."""
    name = _name_of(root)
    for path, source in files_in(part.folder):
        if path == "models.py":
            yield from _models(part, source.read_text(encoding="utf-8"))
        elif path.startswith("migrations/"):
            yield from _migration(root, part, name, source)
        elif path != part.edited or not (root / path).exists():
            yield Change(path, NewFile(source.read_text(encoding="utf-8")))
    yield Change(MAIN, AddImport("apiwright.kit", part.kit, width=_WIDTH))
    yield Change(MAIN, AddImport("app.routes", part.router, ours=True, width=_WIDTH))
    yield Change(MAIN, AddStatement(part.install, after="web.install(app, settings)"))
    prefix = (("prefix", '"/api/v1"'),)
    yield Change(MAIN, IncludeRouter("app", f"{part.router}.router", prefix, width=_WIDTH))
    for variable in part.variables:
        for line in (f"# {variable.purpose}", f"# {variable.name}={variable.example}"):
            yield Change(ENVIRONMENT, AddLine(line), optional=True)


def made(root: Path, part: Part, planned: Sequence[Change], explanation: str) -> Plan:
    return Plan.make(
        root,
        f"add {part.name}",
        planned,
        explanation=explanation,
        variables=part.variables,
        assumptions=[Assumption(f"it is installed: pip install 'apiwright[{part.extra}]'")],
    )


def _models(part: Part, text: str) -> Iterator[Change]:
    for base in part.bases:
        yield Change(MODELS, AddImport(f"apiwright.kit.{part.kit}", base, width=_WIDTH))
    for definition in re.split(r"\n\n\n(?=class )", text.strip()):
        yield Change(MODELS, AddDefinition(definition))


def _migration(root: Path, part: Part, name: str, source: Traversable) -> Iterator[Change]:
    folder = root / "migrations" / "versions"
    known = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    label = source.name.removesuffix(".py")
    for path, text in known.items():
        if path.stem.endswith(f"_{label}"):
            yield Change(path.relative_to(root).as_posix(), NewFile(text))
            return
    head = _head(known.values())
    number = f"{int(head) + 1:04}" if head.isdigit() else f"{label}_{head}"[:32]
    text = source.read_text(encoding="utf-8").replace("reference_app", name)
    if any("worker.schema(" in each for each in known.values()):  # there is a queue already
        text = text.replace("*worker.schema(USER, SYSTEM), ", "")
        text = text.replace("import knowledge, worker", "import knowledge")
        text = text.replace('    op.execute("DROP SCHEMA jobs CASCADE")\n', "")
    text = re.sub(r'^revision = ".*"$', f'revision = "{number}"', text, flags=re.MULTILINE)
    text = re.sub(r'^down_revision = ".*"$', f'down_revision = "{head}"', text, flags=re.MULTILINE)
    yield Change(f"migrations/versions/{number}_{label}.py", NewFile(text))


def _head(migrations: Iterable[str]) -> str:
    said: list[dict[str, str]] = [
        dict(re.findall(r'^(\w*revision) = "(.*)"$', text, re.MULTILINE)) for text in migrations
    ]
    before = {one.get("down_revision") for one in said}
    last = [one["revision"] for one in said if one.get("revision") not in before]
    if len(last) != 1:
        raise Refused(
            f"There are {len(last)} last migrations.", "Let one follow the other, or merge them."
        )
    return last[0]


def _name_of(root: Path) -> str:
    settings = root / "app" / "settings.py"
    found = re.search(
        r'^    app_name: ClassVar\[str\] = "(\w+)"$',
        settings.read_text(encoding="utf-8") if settings.exists() else "",
        re.MULTILINE,
    )
    missing = [path for path in (MAIN, MODELS) if not (root / path).exists()]
    if found is None or missing:
        raise Refused(
            f"This is not laid out as `apiwright new` does: there is no"
            f" {missing[0] if missing else 'app_name in app/settings.py'}.",
            "So far this can be added to projects of `apiwright new` only.",
        )
    return found[1]
