"""What was applied to a project, and what of it has changed since."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apiwright.edit.apply import recover
from apiwright.edit.edits import CouldNot
from apiwright.edit.files import content, decoded, digest, place
from apiwright.edit.ledger import ChangeSet, Made, Touched, change_sets

State = Literal["as applied", "changed since", "gone"]


@dataclass(frozen=True)
class Part:
    """A file that was made, or an edit of one, and what has become of it."""

    path: str
    what: str
    state: State


@dataclass(frozen=True)
class Applied:
    change_set: ChangeSet
    parts: tuple[Part, ...]


def status(root: Path) -> list[Applied]:
    """The earliest change set first."""
    recover(root)
    return [
        Applied(each, tuple(part for file in each.files for part in _parts(root, file)))
        for each in change_sets(root)
    ]


def _parts(root: Path, touched: Touched) -> list[Part]:
    now = content(root, place(root, touched.path))
    if touched.text is not None:
        state: State = "as applied" if digest(now) == touched.after else "changed since"
        return [Part(touched.path, "new file", "gone" if now is None else state)]
    return [
        Part(
            touched.path,
            str(made.edit),
            "as applied" if digest(now) == touched.after else _state(touched.path, now, made),
        )
        for made in touched.edits
    ]


def _state(path: str, now: bytes | None, made: Made) -> State:
    if now is None:
        return "gone"
    try:
        text = decoded(path, now)
        if made.edit.holds(text):
            return "as applied"
        return "gone" if made.edit.remove(text, made.splice) == text else "as applied"
    except CouldNot:
        return "changed since"
