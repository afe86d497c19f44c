"""The migration of a new table, in a project with an Alembic of its own; and whether it holds.

Written and tried by the project's own Alembic (generators/alembic_runner.py), in a copy, on a
throwaway database. Only the new tables are in it: where the models and the migrations that are
there differ already, that is not ours to settle.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from apiwright.edit.plan import Change, Check, NewFile, Plan
from apiwright.errors import Refused
from apiwright.generators import alembic_runner
from apiwright.generators.formatting import formatted
from apiwright.generators.shadow import Shadow
from apiwright.project.facts import Migrations, Project

_SECONDS = 120
_MADE = re.compile(r"create_table\(\s*['\"](\w+)['\"]")


@dataclass(frozen=True)
class Written:
    change: Change | None
    """None: there is nothing to write."""
    note: str
    """What the plan is to say of it; nothing where the file says it all."""


def write(
    project: Project,
    copy: Shadow,
    models: Sequence[tuple[str, str]],
    message: str,
    links: Sequence[str] = (),
    by_hand: Callable[[Migrations, str | None], tuple[str, str] | None] | None = None,
) -> Written:
    """`copy` holds the models already: their modules and names, and the names of tables that have
    no model. `by_hand` is given the revision's id, and writes it where Alembic does not work here
    (migration_by_hand.py).

    Raises Refused where there are several heads; and where it can be written in neither way.
    """
    found = project.migrations
    if found is None:
        if project.create_all:
            return Written(None, "there are no migrations: the app makes the table when it starts")
        return Written(None, "there are no migrations: nothing makes the table")
    if len(found.heads) > 1:
        raise Refused(
            f"The migrations have {len(found.heads)} heads: {', '.join(found.heads)}.",
            "Merge them first: alembic merge heads",
        )
    job = {
        "models": models,
        "message": message,
        "rev_id": next_id(copy.folder / found.folder),
        "tables": list(links),
    }
    said = _run(copy, found, "revise", job)
    if said["error"] is not None:
        made = by_hand(found, next_id(copy.folder / found.folder)) if by_hand else None
        if made is not None:
            path = f"{found.folder}/{made[0]}"
            text = formatted(project, copy, path, made[1])
            note = (
                f"Alembic does not work here, so the migration is written by hand: {said['error']}"
            )
            return Written(Change(path, NewFile(text)), note)
        raise Refused(
            f"The migration could not be written: {said['error']}.",
            "Does `alembic revision` work in this project?",
        )
    file = Path(said["path"]).resolve()
    file.unlink(missing_ok=True)
    relative = file.relative_to(copy.folder.resolve()).as_posix()
    text = _without_remarks(said["text"], copy.folder / found.folder)
    return Written(Change(relative, NewFile(formatted(project, copy, relative, text))), "")


def _without_remarks(text: str, folder: Path) -> str:
    """Alembic's `please adjust!`, where those that are there have none."""
    remark = "# ### "
    if any(
        remark in path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*.py")
    ):
        return text
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith(remark))


def next_id(folder: Path) -> str | None:
    """Where revisions are counted: 0003 after 0002. None: Alembic makes one up."""
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*.py")]
    found = [re.search(r"^revision\b[^=\n]*=\s*['\"](\w+)['\"]", text, re.M) for text in texts]
    ids = [match[1] for match in found if match]
    if not ids or not all(re.fullmatch(r"\d{1,6}", each) for each in ids):
        return None
    last = max(ids, key=int)
    return str(int(last) + 1).zfill(len(last))


def checks(project: Project, plan: Plan, before: Shadow, copy: Shadow) -> Iterator[Check]:
    """Of a plan that is written into the copy, and not into the one before."""
    found = project.migrations
    if found is None:
        return

    def tried(do: str, job: dict[str, Any]) -> dict[str, Any]:
        said = _run(copy, found, do, job)
        if said["error"] is not None and not said["unavailable"]:
            worked = _run(before, found, "look", {"tables": []})
            said["unavailable"] = worked["error"] is not None or _lacks(copy, said["error"])
        return said

    for file in plan.files:
        tables = _MADE.findall((file.after or b"").decode())
        if file.before is not None or not file.path.startswith(f"{found.folder}/") or not tables:
            continue
        job = {"tables": tables, "file": file.path}
        names = ", ".join(tables)
        said = tried("on_empty", job)
        yield _check(f"the migration of {names} goes up, down and up on an empty database", said)
        if said["error"] is None:
            yield _drift(tables, said["drift"])
        said = tried("on_rows", job)
        yield _check(f"the migration of {names} goes up, down and up on rows", said)


def _lacks(copy: Shadow, error: str) -> bool:
    """Whether it is a package that is missing, not a file of the project's."""
    name = re.search(r"No module named '(\w+)", error)
    paths = [folder / name[1] for folder in (copy.folder, copy.root)] if name else []
    return bool(paths) and not any(
        path.exists() or path.with_suffix(".py").exists() for path in paths
    )


def upgrade(project: Project, copy: Shadow, database: str) -> str | None:
    """Brings the database to where the migrations lead; None, or what went wrong."""
    if project.migrations is None:
        return None
    error: str | None = _run(copy, project.migrations, "upgrade", {"tables": []}, database)["error"]
    return error


def _check(what: str, said: dict[str, Any]) -> Check:
    if said["error"] is None:
        return Check(what, True, said["note"])
    if said["unavailable"]:
        return Check(what, None, said["error"])
    return Check(what, False, said["error"])


def _drift(tables: list[str], drift: list[list[str]]) -> Check:
    what = "what the migration makes is what the model says"
    ours = [f"{name}: {how}" for name, how in drift if name in tables]
    if ours:
        return Check(what, False, f"Alembic would change {'; '.join(ours)}")
    others = ", ".join(sorted({name for name, _ in drift}))
    return Check(what, True, f"of other tables it would change {others}" if others else "")


def _run(
    copy: Shadow, found: Migrations, do: str, job: dict[str, Any], database: str = ""
) -> dict[str, Any]:
    if not database:
        with copy.database() as made:
            return _run(copy, found, do, job, made)
    folder = copy.folder / PurePosixPath(found.ini).parent if found.ini else copy.root
    answer, file = copy.scratch / f"{database}.answer", copy.scratch / f"{database}.job"
    file.write_text(
        json.dumps(
            {
                **job,
                "do": do,
                "ini": str(copy.folder / found.ini) if found.ini else "",
                "location": str((copy.folder / found.folder).parent),
                "answer": str(answer),
            }
        )
    )
    done = copy.run(
        "-B", alembic_runner.__file__, str(file),
        seconds=_SECONDS, folder=folder, database=database,
    )  # fmt: skip
    if not answer.exists():
        return {"error": done.last_words, "unavailable": True}
    said: dict[str, Any] = json.loads(answer.read_text())
    said["unavailable"] = "NotHere" in (said["error"] or "")
    return said
