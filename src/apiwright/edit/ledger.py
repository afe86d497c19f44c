"""The ledger: what was applied, one file for each change set, in `.apiwright/changes/`.

The files are meant to be committed. Each is written once, under a name of its own, so that two
people on two branches do not meet in one.
"""

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from apiwright.edit.edits import Edit
from apiwright.edit.files import digest
from apiwright.edit.lines import Splice, split
from apiwright.edit.plan import NewFile, Plan
from apiwright.errors import ApiwrightError

FOLDER = ".apiwright/changes"
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Made:
    """An edit, and the lines that it put there."""

    edit: Edit
    splice: Splice


@dataclass(frozen=True)
class Touched:
    """A file that a change set made or edited, with its digests before and after."""

    path: str
    before: str
    after: str
    text: str | None = None
    """The whole text of a file that was made."""
    edits: tuple[Made, ...] = ()


@dataclass(frozen=True)
class ChangeSet:
    id: str
    """The name of its file, without `.json`: `20260102T030405Z-add-resource-note`."""
    name: str
    plan: str
    files: tuple[Touched, ...]
    folders: tuple[str, ...] = ()
    """Those that were made."""

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.id}.json"

    @classmethod
    def of(cls, plan: Plan, folders: tuple[str, ...], after: str, now: datetime) -> Self:
        """`after` is the id of the latest change set: a clock that was put back does not change
        the order."""
        slug = re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-")[:60] or "change"
        if after and now.strftime(_TIME) <= after.partition("-")[0]:
            latest = datetime.strptime(after.partition("-")[0], _TIME).replace(tzinfo=UTC)
            now = latest + timedelta(seconds=1)
        made: dict[str, list[Made]] = {}
        for step in plan.steps:
            if step.splice is not None and not isinstance(step.change.edit, NewFile):
                made.setdefault(step.path, []).append(Made(step.change.edit, step.splice))
        files = tuple(
            Touched(
                file.path,
                digest(file.before),
                digest(file.after),
                (file.after or b"").decode("utf-8", "replace") if file.before is None else None,
                tuple(made.get(file.path, ())) if file.before is not None else (),
            )
            for file in plan.files
        )
        return cls(f"{now.strftime(_TIME)}-{slug}", plan.name, plan.id, files, folders)

    def without(self, files: tuple[Touched, ...]) -> Self:
        return replace(self, files=files)

    def as_bytes(self) -> bytes:
        told = {
            "version": 1,
            "name": self.name,
            "plan": self.plan,
            "folders": list(self.folders),
            "files": [_file_as_json(file) for file in self.files],
        }
        return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, id: str, content: bytes) -> Self:  # noqa: A002
        told = json.loads(content)
        if told["version"] != 1:
            raise ValueError("it was written by a later version of Apiwright")
        files = tuple(_file_from_json(file) for file in told["files"])
        return cls(id, told["name"], told["plan"], files, tuple(told["folders"]))


def change_sets(root: Path) -> list[ChangeSet]:
    """The earliest first. Raises ApiwrightError when one cannot be read."""
    found = []
    for file in sorted((root / FOLDER).glob("*.json")):
        try:
            found.append(ChangeSet.from_bytes(file.stem, file.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ApiwrightError(
                f"{FOLDER}/{file.name} cannot be read: {error!r}.",
                "Restore it as it was committed, or delete it: then that change cannot be undone.",
            ) from None
    return found


def _file_as_json(file: Touched) -> dict[str, object]:
    told: dict[str, object] = {"path": file.path, "before": file.before, "after": file.after}
    if file.text is not None:
        return {**told, "text": split(file.text)}
    edits = [
        {
            **made.edit.as_json(),
            "at": made.splice.at,
            "took": list(made.splice.took),
            "put": list(made.splice.put),
        }
        for made in file.edits
    ]
    return {**told, "edits": edits}


def _file_from_json(told: dict[str, object]) -> Touched:
    text, edits = told.get("text"), told.get("edits", [])
    assert isinstance(edits, list)
    return Touched(
        str(told["path"]),
        str(told["before"]),
        str(told["after"]),
        "".join(text) if isinstance(text, list) else None,
        tuple(map(_made_from_json, edits)),
    )


def _made_from_json(told: dict[str, object]) -> Made:
    at, took, put = told["at"], told["took"], told["put"]
    assert isinstance(at, int)
    assert isinstance(took, list)
    assert isinstance(put, list)
    rest = {key: value for key, value in told.items() if key not in ("at", "took", "put")}
    return Made(Edit.from_json(rest), Splice(at, tuple(took), tuple(put)))
