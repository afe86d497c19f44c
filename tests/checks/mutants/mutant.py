"""Known defects, planted one at a time: a correct app, with a few words of it replaced."""

import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apiwright.generators import new

CLASSES = (
    "authentication",
    "authorisation",
    "leaks",
    "event_loop",
    "injection",
    "mistakes",
    "mechanical",
)
"""A file each."""

App = Literal["layered_sync", "reference_app"]
APPS: tuple[App, ...] = ("layered_sync", "reference_app")
_STRANGER = Path(__file__).parents[2] / "projects" / "layered_sync"

Place = Literal[
    "handler",
    "dependency",
    "service",
    "repository",
    "router",  # a dependency of a whole router
    "instance",  # of a class, as a dependency
    "hidden",  # a route that is not in the OpenAPI document
    "app",  # settings, middleware, handlers of errors
    "schema",
    "model",
]


@dataclass(frozen=True)
class Edit:
    file: str
    old: str
    """Stands in the file exactly once. Empty: `new` comes at its end."""
    new: str


@dataclass(frozen=True)
class Mutant:
    name: str
    app: App
    place: Place
    rules: tuple[str, ...]
    """Each may rightly speak; one has to."""
    edits: tuple[Edit, ...]
    where: tuple[str, ...] = ()
    """Where it may rightly be seen, besides the files of the edits: routes as GET
    /orders/{order_id}, files; a star: anywhere."""


def all_mutants() -> dict[str, tuple[Mutant, ...]]:
    """By class."""
    return {
        name: importlib.import_module(f"tests.checks.mutants.{name}").MUTANTS for name in CLASSES
    }


def write_clean(app: App, parent: Path) -> Path:
    if app == "reference_app":
        return new.write("planted", parent).folder
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache", "*.db")
    return Path(shutil.copytree(_STRANGER, parent / "planted", ignore=ignored))


def planted(mutant: Mutant, clean: Path) -> dict[str, str]:
    """The files of the clean app that differ with the defect, by path.

    Raises ValueError when a text to be replaced is not there exactly once.
    """
    texts: dict[str, str] = {}
    for edit in mutant.edits:
        text = texts.get(edit.file) or (clean / edit.file).read_text(encoding="utf-8")
        if edit.old and text.count(edit.old) != 1:
            raise ValueError(f"{mutant.name}: {text.count(edit.old)} times in {edit.file}")
        texts[edit.file] = text.replace(edit.old, edit.new) if edit.old else text + edit.new
    return texts


def plant(mutant: Mutant, parent: Path) -> Path:
    """The app with the defect, in a new folder."""
    folder = write_clean(mutant.app, parent)
    for path, text in planted(mutant, folder).items():
        (folder / path).write_text(text, encoding="utf-8")
    return folder
