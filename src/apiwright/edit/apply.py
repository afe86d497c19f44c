"""Writing to a project, all or nothing: the only place that does.

What is to be written is put aside first, next to the files it will replace, and a journal says
where; only then is anything replaced, by renaming. Killed at any point, the next command finds
the journal and takes the project back (nothing was replaced yet) or completes it.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from stat import S_IMODE
from typing import TypedDict

from apiwright.edit.files import FileChange, content, digest, place
from apiwright.edit.ledger import ChangeSet, change_sets
from apiwright.edit.plan import Plan
from apiwright.errors import ApiwrightError, Refused

if sys.platform != "win32":
    import fcntl

SCRATCH = ".apiwright/tmp"
"""What is thrown away: the journal, the lock. Git is told to ignore it."""
_JOURNAL = f"{SCRATCH}/journal.json"


class _Entry(TypedDict):
    path: str
    before: str
    after: str


class _Journal(TypedDict):
    state: str
    """`preparing`, `replacing`, `restoring`."""
    files: list[_Entry]
    folders: list[str]
    """Those that are made, the outer ones first."""
    emptied: list[str]
    """Those that go at the end, if nothing is left in them."""


def apply(plan: Plan, root: Path, *, allow_dirty: bool = False) -> ChangeSet | None:
    """Write what the plan says, and an entry of the ledger that can undo it; None when there was
    nothing to do.

    Raises Refused when the plan is blocked, a file has changed since it was made, holds edits
    that git does not have yet (unless `allow_dirty`), or may not be written to; ApiwrightError
    when the disk refuses. Nothing has changed then.
    """
    if plan.blocked:
        step = plan.blocked[0]
        raise Refused(
            f"{step.path}: could not {step.change.edit}: {step.reason}.",
            f"Put this in by hand, then try again:\n{step.change.edit.paste}",
        )
    if not plan.files:
        return None
    with _alone(root):
        for path, seen in plan.seen:
            if place(root, path) != path or digest(content(root, path)) != seen:
                raise _stale(path)
        earlier = change_sets(root)
        if not allow_dirty:
            _refuse_dirty(root, plan.files, earlier)
        folders = tuple(_missing_folders(root, plan.files))
        latest = earlier[-1].id if earlier else ""
        made = ChangeSet.of(plan, folders, latest, datetime.now(UTC))
        _write(root, [*plan.files, FileChange(made.path, None, made.as_bytes())])
    return made


def write(root: Path, files: Sequence[FileChange], folders: Sequence[str] = ()) -> None:
    """Write what undoing says, and remove these folders where that leaves them empty."""
    with _alone(root):
        for file in files:
            if content(root, file.path) != file.before:
                raise _stale(file.path)
        _write(root, files, folders)


def recover(root: Path) -> None:
    """Complete, or take back, what was interrupted. Raises Refused when the user has changed one
    of its files since."""
    if (root / _JOURNAL).exists():
        with _alone(root):
            pass


def _stale(path: str) -> Refused:
    return Refused(
        f"{path} has changed since the plan was made.", "Run the command again for a new plan."
    )


# one at a time


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the project's lock; what an earlier command left behind is put right first."""
    with _in_words(SCRATCH):
        (root / SCRATCH).mkdir(parents=True, exist_ok=True)
        ignore = root / SCRATCH / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        lock = (root / SCRATCH / "lock").open("a")
    with lock:
        try:
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                "Another Apiwright command is changing this project.",
                "Wait until it has ended, then try again.",
            ) from None
        _put_right(root)
        yield


@contextlib.contextmanager
def _in_words(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ApiwrightError(
            f"{error.filename or what} could not be written: {error.strerror}.",
            "Nothing was changed. Make room, or see to it that you may write there.",
        ) from None


# all or nothing


def _write(root: Path, files: Sequence[FileChange], emptied: Sequence[str] = ()) -> None:
    _refuse_read_only(root, files)
    journal = _Journal(
        state="preparing",
        files=[
            _Entry(path=each.path, before=digest(each.before), after=digest(each.after))
            for each in files
        ],
        folders=_missing_folders(root, files),
        emptied=list(emptied),
    )
    with _in_words(SCRATCH):
        try:
            for state in ("preparing", "replacing", "restoring"):
                _draft(root, {**journal, "state": state})
            _turn(root, journal, "preparing")
            for folder in journal["folders"]:
                (root / folder).mkdir()
            for each in files:
                if each.after is not None:
                    _put_aside(root / each.path, each.after)
            _sync_folders(root, journal)
            _turn(root, journal, "replacing")
            for entry in journal["files"]:
                _replace(root, entry)
            _sync_folders(root, journal)
        except OSError:
            _restore(root, journal)
            raise
        _forget(root, journal)


def _put_right(root: Path) -> None:
    try:
        journal: _Journal = json.loads((root / _JOURNAL).read_bytes())
    except FileNotFoundError:
        return
    with _in_words(_JOURNAL):
        if journal["state"] != "replacing":
            _restore(root, journal)
            return
        for entry in journal["files"]:
            if _is_open(root, entry):
                _replace(root, entry)
        _sync_folders(root, journal)
        _forget(root, journal)


def _is_open(root: Path, entry: _Entry) -> bool:
    """Whether this file is still to be replaced. Raises Refused when the user changed it."""
    new = _new(root / entry["path"])
    now = digest(content(root, entry["path"]))
    if now == entry["after"] or (entry["after"] and not new.exists()):
        return False
    if now == entry["before"]:
        return True
    if not entry["after"]:
        return False  # it was to go, and is the user's now
    raise Refused(
        f"An earlier command was interrupted, and {entry['path']} has been changed since.",
        f"What it was to become is in {new.relative_to(root)}: take what you need from there,"
        " delete that file, and try again.",
    )


def _replace(root: Path, entry: _Entry) -> None:
    target = root / entry["path"]
    if entry["before"]:
        old = _old(target)
        old.unlink(missing_ok=True)
        try:
            os.link(target, old)
        except OSError:  # a file system without links
            shutil.copy2(target, old)
    if entry["after"]:
        _new(target).replace(target)
    else:
        target.unlink()


def _restore(root: Path, journal: _Journal) -> None:
    """Every file as it was. Says so first, for it may be interrupted too."""
    if journal["state"] == "replacing":
        _turn(root, journal, "restoring")
    for entry in journal["files"]:
        target = root / entry["path"]
        if _old(target).exists():
            _old(target).replace(target)
            _old(target).unlink(missing_ok=True)  # a link to the same file: then it is not moved
        elif (
            journal["state"] == "restoring"
            and not entry["before"]
            and digest(content(root, entry["path"])) == entry["after"]
        ):
            target.unlink()
        _new(target).unlink(missing_ok=True)
    _remove_empty(root, journal["folders"])
    _sync_folders(root, journal)
    _end(root)


def _forget(root: Path, journal: _Journal) -> None:
    """It is done: what it could have been taken back with is not needed any more."""
    for entry in journal["files"]:
        _new(root / entry["path"]).unlink(missing_ok=True)
        _old(root / entry["path"]).unlink(missing_ok=True)
    _remove_empty(root, journal["emptied"])
    _end(root)


def _end(root: Path) -> None:
    """Without a journal nothing is under way; what else is there, the next one writes anew."""
    for draft in ("", ".preparing", ".replacing", ".restoring"):
        (root / f"{_JOURNAL}{draft}").unlink(missing_ok=True)


def _new(target: Path) -> Path:
    return target.with_name(f".{target.name}.apiwright-new")


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.apiwright-old")


def _put_aside(target: Path, text: bytes) -> None:
    """Next to the file, so that one rename puts it in place; with the file's mode and owner."""
    with _new(target).open("wb") as file:
        file.write(text)
        if target.exists():
            status = target.stat()
            if hasattr(os, "fchown") and (status.st_uid, status.st_gid) != _owner(file.fileno()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            Path(file.name).chmod(S_IMODE(status.st_mode))
        file.flush()
        os.fsync(file.fileno())


def _owner(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_uid, status.st_gid


def _draft(root: Path, journal: _Journal) -> None:
    """Written ahead: what turns one state into the next is a rename, which needs no room."""
    with (root / f"{_JOURNAL}.{journal['state']}").open("w") as file:
        json.dump(journal, file)
        file.flush()
        os.fsync(file.fileno())


def _turn(root: Path, journal: _Journal, state: str) -> None:
    (root / f"{_JOURNAL}.{state}").replace(root / _JOURNAL)
    _sync(root / SCRATCH)
    journal["state"] = state


def _sync_folders(root: Path, journal: _Journal) -> None:
    for folder in {(root / entry["path"]).parent for entry in journal["files"]}:
        _sync(folder)


def _sync(folder: Path) -> None:
    """So that what was renamed there is there also after the power has failed."""
    if sys.platform == "win32" or not folder.is_dir():
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _missing_folders(root: Path, files: Sequence[FileChange]) -> list[str]:
    """The folders that new files need, the outer ones first."""
    missing: list[str] = []
    for file in files:
        for parent in reversed(PurePosixPath(file.path).parents):
            folder = str(parent)
            if file.after is not None and folder not in missing and not (root / folder).exists():
                missing.append(folder)
    return missing


def _remove_empty(root: Path, folders: Sequence[str]) -> None:
    for folder in reversed(folders):
        try:
            (root / folder).rmdir()
        except OSError:
            continue  # it holds something, or has gone


# what is refused


def _refuse_read_only(root: Path, files: Sequence[FileChange]) -> None:
    for file in files:
        target = root / file.path
        if file.before is None:
            continue
        if not target.stat().st_mode & 0o222 or not os.access(target, os.W_OK):
            raise Refused(f"{file.path} is read-only.", "Make it writable if it is to be changed.")


def _refuse_dirty(root: Path, files: Sequence[FileChange], earlier: Sequence[ChangeSet]) -> None:
    ours = {(file.path, file.after) for each in earlier for file in each.files}
    dirty = [
        file.path
        for file in files
        if file.before is not None and (file.path, digest(file.before)) not in ours
    ]
    if found := _uncommitted(root, dirty):
        raise Refused(
            f"Git does not have your latest edits of {', '.join(found)} yet.",
            "Commit them first, or say --allow-dirty: undo would keep them either way.",
        )


def _uncommitted(root: Path, paths: Sequence[str]) -> list[str]:
    """Those that git knows, and that are not as it last recorded them. None without git."""
    git = shutil.which("git")
    if git is None or not paths:
        return []
    done = subprocess.run(
        [git, "-C", str(root), "status", "--porcelain", "-z", "--untracked-files=no", "--", *paths],
        capture_output=True,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1"},
        check=False,
    )
    if done.returncode != 0:
        return []  # not a repository
    return [line[3:].decode(errors="replace") for line in done.stdout.split(b"\0") if line[3:]]
