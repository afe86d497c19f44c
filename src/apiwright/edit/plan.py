"""A plan: changes to the files of a project, worked out and not yet made."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from apiwright.edit.configuration import (
    AddLine,
    AddRequirement,
    AddTomlItem,
    AddTomlKey,
    AddVariable,
)
from apiwright.edit.edits import CouldNot, Edit
from apiwright.edit.files import (
    FileChange,
    content,
    decoded,
    digest,
    encoded,
    place,
    refuse_conflict_markers,
    refuse_lookalikes,
)
from apiwright.edit.imports import AddImport, AddModelImport
from apiwright.edit.items import AddEntry, AddItem
from apiwright.edit.lines import Splice, split
from apiwright.edit.routers import IncludeRouter
from apiwright.edit.statements import AddDefinition, AddField, AddStatement

__all__ = [
    "AddDefinition",
    "AddEntry",
    "AddField",
    "AddImport",
    "AddItem",
    "AddLine",
    "AddModelImport",
    "AddRequirement",
    "AddStatement",
    "AddTomlItem",
    "AddTomlKey",
    "AddVariable",
    "Assumption",
    "Change",
    "Check",
    "IncludeRouter",
    "NewFile",
    "Plan",
    "Step",
    "Variable",
]

Outcome = Literal["new", "edit", "already there", "could not"]


@dataclass(frozen=True)
class NewFile(Edit):
    """A file that is not there yet, with its whole text."""

    text: str

    def __str__(self) -> str:
        return f"{len(split(self.text))} lines"

    @property
    def paste(self) -> str:
        return self.text

    def _splice(self, text: str) -> Splice | None:
        return None if text == self.text else Splice(0, (), tuple(split(self.text)))

    def _remove(self, text: str, made: Splice) -> str:
        if text != self.text:
            raise CouldNot("it has been changed")
        return ""


@dataclass(frozen=True)
class Change:
    """An edit of a file, whose path is from the project's folder, with `/`."""

    path: str
    edit: Edit
    optional: bool = False
    """Where it cannot be made, the user is told what to paste, and the rest is done."""


@dataclass(frozen=True)
class Step:
    """A change, and what becomes of it."""

    change: Change
    path: str
    """That of the file itself, where the change's leads through a symbolic link."""
    outcome: Outcome
    reason: str = ""
    """Why it could not be made."""
    splice: Splice | None = None


@dataclass(frozen=True)
class Variable:
    """An environment variable that the change asks for."""

    name: str
    example: str
    purpose: str = ""


@dataclass(frozen=True)
class Check:
    """What was verified, in a copy of the project; `passed` is None when it could not be."""

    what: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True)
class Assumption:
    """What was taken for granted, and where the project says so."""

    what: str
    path: str = ""
    line: int = 0


@dataclass(frozen=True)
class Plan:
    """Made by `Plan.make`; the project is read then, and never written to."""

    name: str
    """As one would say it: `add resource Note`."""
    explanation: str
    variables: tuple[Variable, ...]
    assumptions: tuple[Assumption, ...]
    steps: tuple[Step, ...]
    """One for each change, in order."""
    files: tuple[FileChange, ...]
    """Those that change."""
    seen: tuple[tuple[str, str], ...]
    """The digest of each file that a change is about, as it was read."""
    checks: tuple[Check, ...] = ()

    @classmethod
    def make(
        cls,
        root: Path,
        name: str,
        changes: Sequence[Change],
        *,
        explanation: str = "",
        variables: Sequence[Variable] = (),
        assumptions: Sequence[Assumption] = (),
    ) -> "Plan":
        """Raises ApiwrightError for a path outside the project, and Refused for a file in
        conflict; an edit that cannot be made is a step that says so."""
        steps: list[Step] = []
        before: dict[str, bytes | None] = {}
        after: dict[str, bytes | None] = {}
        for change in changes:
            path = place(root, change.path)
            if path not in before:
                before[path] = after[path] = content(root, path)
                refuse_conflict_markers(path, before[path] or b"")
            step, after[path] = _step(path, change, after[path])
            steps.append(step)
        refuse_lookalikes(before)
        files = tuple(
            FileChange(path, before[path], after[path])
            for path in before
            if before[path] != after[path]
        )
        seen = tuple(sorted((path, digest(each)) for path, each in before.items()))
        return cls(
            name,
            explanation,
            tuple(variables),
            tuple(assumptions),
            tuple(steps),
            files,
            seen,
        )

    def with_checks(self, checks: Sequence[Check]) -> "Plan":
        return replace(self, checks=tuple(checks))

    @property
    def id(self) -> str:
        """The same for the same changes to the same files, whatever the checks said."""
        told = self.as_json()
        del told["checks"]
        said = json.dumps({**told, "seen": self.seen}, sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(step.change for step in self.steps)

    @property
    def blocked(self) -> tuple[Step, ...]:
        """What could not be made, and the rest is nothing without."""
        return tuple(
            step for step in self.steps if step.outcome == "could not" and not step.change.optional
        )

    @property
    def is_empty(self) -> bool:
        return not self.files and not self.blocked

    def as_json(self) -> dict[str, object]:
        """What a plan is made of; `preview.as_json` adds what becomes of it."""
        return {
            "name": self.name,
            "explanation": self.explanation,
            "changes": [
                {"path": each.path, "optional": each.optional, **each.edit.as_json()}
                for each in self.changes
            ],
            "environment": [asdict(each) for each in self.variables],
            "assumptions": [asdict(each) for each in self.assumptions],
            "checks": [asdict(each) for each in self.checks],
        }


def _step(path: str, change: Change, before: bytes | None) -> tuple[Step, bytes | None]:
    """What becomes of a change, and of the file's content."""
    is_new = isinstance(change.edit, NewFile)
    try:
        if before is None and not is_new:
            raise CouldNot("there is no such file")
        if is_new and before not in (None, change.edit.paste.encode()):
            raise CouldNot("it exists already, and holds something else")
        text = decoded(path, before or b"")
        splice = change.edit.splice(text)
        if splice is None and not (is_new and before is None):
            return Step(change, path, "already there"), before
        after = encoded(path, splice.into(text) if splice else text, before or b"")
    except CouldNot as reason:
        return Step(change, path, "could not", str(reason)), before
    return Step(change, path, "new" if is_new else "edit", "", splice), after
