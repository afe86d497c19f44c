"""The files of a project: which paths are its own, and what is in them as text."""

import hashlib
import io
import re
import tokenize
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from apiwright.edit.edits import CouldNot
from apiwright.errors import ApiwrightError, Refused

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_NOT_OURS = {".git", ".apiwright"}


@dataclass(frozen=True)
class FileChange:
    """What a file holds before and after; None: there is no such file."""

    path: str
    before: bytes | None
    after: bytes | None


def digest(content: bytes | None) -> str:
    """Nothing for no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def place(root: Path, path: str) -> str:
    """The path, from the root, of the file that this path leads to, symbolic links followed.

    Raises ApiwrightError for a path that is not one inside the project, or that another system
    would take for an existing one.
    """
    parts = path.split("/")
    bad = _FORBIDDEN.search(path) or any(part in ("", ".", "..") for part in parts)
    if bad or any(part != part.strip() or part.endswith(".") for part in parts):
        raise ApiwrightError(
            f"{path!r} is not the path of a file in the project.",
            "Use names joined by /, from the project's folder: app/routes/notes.py.",
        )
    if parts[0] in _NOT_OURS:
        raise ApiwrightError(f"{path} is not the project's to change.", "Choose another path.")
    root = root.resolve()
    try:
        real = root.joinpath(*parts).resolve()
    except (OSError, RuntimeError) as error:
        raise Refused(f"{path} cannot be followed: {error}.", "Correct the link.") from None
    if not real.is_relative_to(root) or real.relative_to(root).parts[0] in _NOT_OURS:
        raise Refused(
            f"{path} leads outside of the project, to {real}.",
            "Apiwright changes files of the project only. Change that one by hand.",
        )
    if root.joinpath(*parts).is_symlink() and not real.exists():
        raise Refused(f"{path} is a link to a file that is not there.", "Correct the link.")
    if real.exists() and not real.is_file():
        raise Refused(f"{path} is not a file.", "Move it out of the way, or choose another path.")
    _refuse_lookalike(root, real)
    return real.relative_to(root).as_posix()


def _refuse_lookalike(root: Path, real: Path) -> None:
    folder = root
    for part in real.relative_to(root).parts:
        if not folder.is_dir():
            if folder.exists():
                raise Refused(f"{folder} is a file, not a folder.", "Choose another path.")
            return
        names = {entry.name for entry in folder.iterdir()}
        for name in names if part not in names else ():
            if folded(name) == folded(part):
                raise Refused(
                    f"{(folder / part).relative_to(root)} and {name}, which exists, differ in"
                    " upper and lower case alone.",
                    "Some systems take them for one file. Choose another name.",
                )
        folder = folder / part


def folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def refuse_lookalikes(paths: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(folded(path), path)
        if other != path:
            raise Refused(
                f"{path} and {other} differ in upper and lower case alone.",
                "Some systems take them for one file. Choose another name.",
            )


def content(root: Path, path: str) -> bytes | None:
    """Raises ApiwrightError when it cannot be read."""
    try:
        return (root / path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ApiwrightError(f"{path} cannot be read: {error.strerror}.", "Correct that.") from None


def decoded(path: str, content: bytes) -> str:
    """A byte order mark stays, as the first character. Raises CouldNot."""
    try:
        return content.decode(_encoding(path, content))
    except (UnicodeDecodeError, SyntaxError, LookupError):
        raise CouldNot("it is not text in the encoding that it says, or UTF-8") from None


def encoded(path: str, text: str, like: bytes) -> bytes:
    """In the encoding that the file had. Raises CouldNot."""
    encoding = _encoding(path, like)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise CouldNot(f"its encoding, {encoding}, has no letters for it") from None


def _encoding(path: str, content: bytes) -> str:
    if PurePosixPath(path).suffix not in (".py", ".pyi"):
        return "utf-8"
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return "utf-8" if encoding == "utf-8-sig" else encoding


def refuse_conflict_markers(path: str, content: bytes) -> None:
    starts = [
        number
        for number, line in enumerate(content.splitlines(), 1)
        if line.startswith((b"<<<<<<< ", b">>>>>>> "))
    ]
    if len(starts) > 1:
        raise Refused(
            f"{path} has conflict markers, in line {starts[0]}.", "Resolve the conflict first."
        )
