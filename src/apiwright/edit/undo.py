"""Taking back what a change set put into a project, and only that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from apiwright.edit.apply import recover, write
from apiwright.edit.edits import CouldNot
from apiwright.edit.files import (
    FileChange,
    content,
    decoded,
    digest,
    encoded,
    place,
    refuse_conflict_markers,
)
from apiwright.edit.ledger import FOLDER, ChangeSet, Made, Touched, change_sets
from apiwright.errors import ApiwrightError, Refused


@dataclass(frozen=True)
class Kept:
    """What is not taken back, why, and the lines in question."""

    path: str
    what: str
    why: str
    lines: str


@dataclass(frozen=True)
class Undoing:
    """What `undo` will do: a plan backwards."""

    change_set: ChangeSet
    files: tuple[FileChange, ...]
    kept: tuple[Kept, ...]


def undoing(root: Path, wanted: str = "") -> Undoing | None:
    """Work out how to take back a change set: the latest, or the one whose id or name that is or
    begins with it. None when nothing was applied.

    A file that nobody changed since becomes what it was, byte for byte. Elsewhere each edit is
    found again and taken out; one that the user changed stays, and is told. Raises Refused for a
    file in conflict.
    """
    recover(root)
    sets = change_sets(root)
    if not sets and not wanted:
        return None
    chosen = _chosen(sets, wanted)
    later = sets[sets.index(chosen) + 1 :]
    files: list[FileChange] = []
    kept: list[Kept] = []
    left: list[Touched] = []
    for touched in reversed(chosen.files):
        path = place(root, touched.path)
        before = content(root, path)
        if before is None:
            continue  # the user has removed it
        refuse_conflict_markers(path, before)
        if touched.text is None:
            after: bytes | None
            after, still = _edits_out_of(path, before, touched)
            kept += [
                Kept(path, str(made.edit), why, "".join(made.splice.added)) for made, why in still
            ]
            if still:
                left.append(replace(touched, edits=tuple(made for made, _ in still)))
        else:
            _refuse_built_upon(touched, later)
            after = None if _is_as_made(before, touched) else before
            if after is not None:
                kept.append(Kept(path, "new file", "you have changed it: it is yours now", ""))
        if after != before:
            files.append(FileChange(path, before, after))
    entry = chosen.without(tuple(reversed(left))).as_bytes() if left else None
    files.append(FileChange(chosen.path, content(root, chosen.path), entry))
    return Undoing(chosen, tuple(files), tuple(kept))


def undo(proposed: Undoing, root: Path) -> None:
    """Raises Refused when a file has changed since, and as `apply` does."""
    write(root, proposed.files, (FOLDER, *proposed.change_set.folders))


def _chosen(sets: Sequence[ChangeSet], wanted: str) -> ChangeSet:
    if not wanted:
        return sets[-1]
    found = [each for each in sets if wanted in (each.id, each.name)] or [
        each for each in sets if each.id.startswith(wanted) or each.name.startswith(wanted)
    ]
    if len(found) == 1:
        return found[0]
    names = "\n".join(each.id for each in (found or sets)) or "Nothing was applied here."
    raise ApiwrightError(
        f"{len(found) or 'No'} change sets are called {wanted!r}.", f"Name one of these:\n{names}"
    )


def _refuse_built_upon(touched: Touched, later: Sequence[ChangeSet]) -> None:
    for other in later:
        if any(file.path == touched.path for file in other.files):
            raise Refused(
                f"`{other.name}` has changed {touched.path}, which would go.",
                f"Undo that first: apiwright undo {other.id}",
            )


def _is_as_made(now: bytes, touched: Touched) -> bool:
    """Also when git has given it other line ends."""
    if digest(now) == touched.after:
        return True
    return digest(now.replace(b"\r\n", b"\n")) == touched.after


def _edits_out_of(
    path: str, before: bytes, touched: Touched
) -> tuple[bytes, list[tuple[Made, str]]]:
    """The content without the edits, and those that stay, each with the reason."""
    if digest(before) == touched.after:
        exact = _exactly(path, before, touched)
        if digest(exact) == touched.before:
            return exact, []
    try:
        text = decoded(path, before)
    except CouldNot as reason:
        return before, [(made, str(reason)) for made in touched.edits]
    still: list[tuple[Made, str]] = []
    backwards = list(reversed(touched.edits))
    for made in sorted(backwards, key=lambda made: made.edit.last):
        try:
            text = made.edit.remove(text, made.splice)
        except CouldNot as reason:
            still.append((made, str(reason)))
    after = encoded(path, text, before)
    return after, [each for made in touched.edits for each in still if each[0] is made]


def _exactly(path: str, before: bytes, touched: Touched) -> bytes:
    try:
        text = decoded(path, before)
        for made in reversed(touched.edits):
            text = made.splice.out_of(text)
        return encoded(path, text, before)
    except (CouldNot, ValueError):
        return before
