"""`apiwright new NAME`: a new backend, copied from the reference app under its own name."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, requires, version
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from apiwright.errors import ApiwrightError
from apiwright.generators.files import files_in

if TYPE_CHECKING:  # the bare package makes projects without libcst
    from apiwright.edit.plan import Plan

    Planner = Callable[[Path], Plan]

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 40  # a role of the database is the name and a few letters more, 63 bytes at most
_RESOURCES = re.compile(r"(^|[_/])(project|task|tag|template)s?[_.]")
"""What the reference app shows, and a bare one goes without."""


@dataclass(frozen=True)
class NewProject:
    folder: Path
    files: tuple[str, ...]
    """Relative to the folder, in alphabetical order."""
    requirement: str
    """What its pyproject.toml says for Apiwright (PEP 508)."""


def write(
    name: str,
    parent: Path,
    *,
    bare: bool = False,
    parts: "Mapping[str, Planner] | None" = None,
) -> NewProject:
    """Write the project `name` into a new folder of that name in `parent`, whole or not at all;
    `bare`: with accounts only; `parts`: what is put in besides, by the extra that it needs.

    Raises ApiwrightError for a name that cannot be used, a folder that exists, and whatever the
    disk refuses.
    """
    _refuse_bad(name)
    folder = parent / name
    if os.path.lexists(folder):
        raise ApiwrightError(
            f"{folder} exists already.", "Choose another name, or move it out of the way."
        )
    requirement = _requirement()
    draft = parent / f".{name}.{os.getpid()}"
    try:
        draft.mkdir()
        written = {
            _copy(file, draft, name, requirement, list(parts or {}))
            for file in _files_to_copy(bare)
        }
        for plan in (parts or {}).values():
            written |= _add(draft, plan(draft))
        draft.rename(folder)
    except OSError as error:
        raise ApiwrightError(
            f"{folder} could not be written: {error.strerror}.",
            "Nothing was left behind. Make room, or choose a folder that you may write to.",
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return NewProject(folder, tuple(sorted(written)), requirement)


def _refuse_bad(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ApiwrightError(
            f"{name!r} cannot be the name of a project.",
            "Use lower-case letters and digits, beginning with a letter, words joined by - or _:"
            " shop, my-shop. The folder is made where you are.",
        )
    if len(name) > _LONGEST:
        raise ApiwrightError(
            f"The name has {len(name)} characters.", f"Use at most {_LONGEST}: roles carry it too."
        )
    if f"{name}_".startswith(("pg-", "pg_")):
        raise ApiwrightError(
            f"Names that begin with {name!r} belong to Postgres.", "Choose another name."
        )
    required = (re.match(r"[\w-]+", requirement) for requirement in requires("apiwright") or ())
    if name == "apiwright" or name in {match[0] for match in required if match}:
        raise ApiwrightError(
            f"{name!r} is the name of a package that the project needs.", "Choose another name."
        )


def _files_to_copy(bare: bool) -> list[tuple[str, Traversable]]:
    files = dict(files_in("reference_app"))
    if bare:
        instead = dict(files_in("bare_app"))
        files = {
            path: file for path, file in files.items() if not _RESOURCES.search(path)
        } | instead
    return list(files.items())


def _add(draft: Path, plan: "Plan") -> set[str]:
    for file in plan.files:
        assert file.after is not None
        target = draft / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.after)
    return {file.path for file in plan.files}


def _copy(
    file: tuple[str, Traversable],
    draft: Path,
    name: str,
    requirement: str,
    parts: Sequence[str],
) -> str:
    path, source = file
    words = re.split("[-_]", name)
    text = source.read_text(encoding="utf-8")
    for old, new in (
        ("reference_app", "_".join(words)),
        ("reference-app", "-".join(words)),
        ("Reference App", " ".join(words).title()),
    ):
        text = text.replace(old, new)
    if path == "pyproject.toml":
        text = _with_requirement(text, requirement, parts)
    target = draft / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="\n")
    return path


def _with_requirement(pyproject: str, requirement: str, extras: Sequence[str]) -> str:
    rest = requirement.removeprefix("apiwright")
    wanted = f"[{','.join(extras)}]" if extras else ""
    text = pyproject.replace('"apiwright"', json.dumps(f"apiwright{wanted}{rest}"))
    text = text.replace('"apiwright[tools]"', json.dumps(f"apiwright[tools]{rest}"))
    if " @ " in requirement:
        text = text.replace(
            "[tool.hatch.build",
            "[tool.hatch.metadata]\nallow-direct-references = true\n\n[tool.hatch.build",
            1,
        )
    return text


def _requirement() -> str:
    """By version; or, when Apiwright itself came from a folder, a file or a repository, that
    source (PEP 610)."""
    source = Distribution.from_name("apiwright").read_text("direct_url.json")
    if source is None:
        major, minor, *_ = version("apiwright").split(".")
        return f"apiwright>={version('apiwright')},<{major}.{int(minor) + 1}"
    direct = json.loads(source)
    if "vcs_info" in direct:
        vcs = direct["vcs_info"]
        return f"apiwright @ {vcs['vcs']}+{direct['url']}@{vcs['commit_id']}"
    return f"apiwright @ {direct['url']}"
