"""Projects of other people, and a right plan for notes in each: what they have for entries, renamed
by hand, so that what is planted in it is seen by nobody but verification."""

import re
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from apiwright.edit.files import FileChange
from apiwright.edit.plan import AddImport, AddItem, Change, IncludeRouter, NewFile, Plan
from apiwright.generators import house_migration
from apiwright.generators.fields import parse
from apiwright.generators.shadow import Place, shadow
from apiwright.generators.wanted import Wanted
from apiwright.project import running
from apiwright.project.facts import Project
from apiwright.project.load import load
from tests.project.projects import PROJECTS

PYTHON = Path(sys.executable)
MODEL = ("app.models.note", "Note")
ROUTER, MAIN, SCHEMAS = "app/routers/notes.py", "app/main.py", "app/schemas/note.py"
_WORDS = (("entries", "notes"), ("Entries", "Notes"), ("entry", "note"), ("Entry", "Note"))
_FIELDS = {
    "diary_sync": ["title:str:max=100", "body:text:optional"],
    "shelf_async": ["title:str:min=1:max=100", "mood:enum:good,bad:default=good"],
}


@dataclass(frozen=True)
class Stranger:
    project: Project
    """As it is without the plan; it was run."""
    place: Place
    changes: tuple[Change, ...]
    """Without the migration."""
    plan: Plan
    wanted: Wanted

    @property
    def migration(self) -> FileChange:
        return next(file for file in self.plan.files if "versions" in file.path)


def stranger(name: str, folder: Path, place: Place) -> Stranger:
    root = shutil.copytree(PROJECTS / name, folder / name)
    project = running.run(load(root), PYTHON)
    changes = list(_clone(project, root))
    with shadow(project, place) as copy:
        copy.write(planned(root, changes).files)
        (made,) = [house_migration.write(project, copy, [MODEL], "add notes").change]
    assert made is not None
    prefix = _prefix(project)
    slash = "/" if any(route.path == f"{prefix}/entries/" for route in project.routes) else ""
    update = "PUT" if slash else "PATCH"
    paths = [("GET", f"{prefix}/notes{slash}"), ("POST", f"{prefix}/notes{slash}")]
    paths += [(method, f"{prefix}/notes/{{note_id}}") for method in ("GET", update, "DELETE")]
    wanted = Wanted(
        tuple(paths),
        "app.routers.notes",
        "",
        model=MODEL,
        resource=parse("Note", _FIELDS[name]),
        owned=True,
        guarded=tuple(paths),
    )
    return Stranger(project, place, tuple(changes), planned(root, [*changes, made]), wanted)


def run(folder: Path) -> Project:
    return running.run(load(folder), PYTHON)


def renamed(text: str) -> str:
    for old, new in _WORDS:
        text = re.sub(rf"(?<![A-Za-z]){old}|(?<=_){old}", new, text)
    return text


def planned(root: Path, changes: list[Change]) -> Plan:
    return Plan.make(root, "add resource Note", changes)


def planted(plan: Plan, *defects: tuple[str, str, str]) -> Plan:
    """The plan with what is wrong: in a file, this instead of that."""
    texts = {file.path: (file.after or b"").decode() for file in plan.files}
    for path, old, new in defects:
        assert old in texts[path]
        texts[path] = texts[path].replace(old, new)
    files = [FileChange(file.path, file.before, texts[file.path].encode()) for file in plan.files]
    return replace(plan, files=tuple(files))


def _clone(project: Project, root: Path) -> list[Change]:
    prefix = (("prefix", "settings.API_PREFIX"),) if _prefix(project) else ()
    changes = [
        Change(renamed(path), NewFile(_sorted(renamed((root / path).read_text()))))
        for path in ("app/models/entry.py", "app/schemas/entry.py", "app/routers/entries.py")
    ]
    return [
        *changes,
        Change("app/models/__init__.py", AddImport("app.models.note", "Note")),
        Change("app/models/__init__.py", AddItem("__all__", '"Note"')),
        Change("app/main.py", AddImport("app.routers", "notes", ours=True)),
        Change("app/main.py", IncludeRouter("app", "notes.router", prefix)),
    ]


def _sorted(text: str) -> str:
    """As isort has it: NotesAnswer comes after NoteAnswer, EntriesAnswer before EntryAnswer."""
    return text.replace(
        "import NotesAnswer, NoteAnswer, NoteCreate, NoteUpdate",
        "import NoteAnswer, NoteCreate, NotesAnswer, NoteUpdate",
    )


def _prefix(project: Project) -> str:
    return "/api/v1" if any(route.path.startswith("/api/v1") for route in project.routes) else ""
