"""A plan as people read it, and as programs do."""

import difflib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from apiwright.edit.edits import CouldNot
from apiwright.edit.files import FileChange, decoded
from apiwright.edit.lines import BOM, split, without_end
from apiwright.edit.plan import NewFile, Plan, Step
from apiwright.edit.status import Applied
from apiwright.edit.undo import Undoing


def text(plan: Plan) -> str:
    """Explanation; files; code; environment variables; checks; assumptions; what is left to do."""
    parts = [
        plan.explanation or f"{plan.name[:1].upper()}{plan.name[1:]}.",
        _section("Files", tree(plan.files)),
        _section("Code", "\n".join(map(code, plan.files))),
        _section("Environment variables", _variables(plan)),
        _section("Checks", "\n".join(_checks(plan))),
        _section("Assumed", "\n".join(_assumptions(plan))),
        _section("To do by hand", "\n".join(_by_hand(plan))),
    ]
    if plan.is_empty:
        parts[1:3] = ["Everything is there already: nothing to do."]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(plan: Plan) -> dict[str, object]:
    return {
        "id": plan.id,
        **plan.as_json(),
        "steps": [_step(step) for step in plan.steps],
        "files": [
            {
                "path": file.path,
                "kind": "new" if file.before is None else "changed",
                **({"text": _text(file)} if file.before is None else {"diff": diff(file)}),
            }
            for file in plan.files
        ],
    }


def of_undoing(undoing: Undoing | None) -> str:
    """What an undo will do, in the same form."""
    if undoing is None:
        return "Nothing was applied here: nothing to undo.\n"
    ours = [file for file in undoing.files if file.path != undoing.change_set.path]
    kept = [
        f"{each.path}: could not take back: {each.what}: {each.why}."
        + (f"\n{_indented(each.lines)}" if each.lines else "")
        for each in undoing.kept
    ]
    parts = [
        f"Take back `{undoing.change_set.name}`.",
        _section("Files", tree(ours)),
        _section("Code", "\n".join(diff(file) for file in ours if file.after is not None)),
        _section("Stays", "\n".join(kept)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def undoing_as_json(undoing: Undoing | None) -> dict[str, object]:
    if undoing is None:
        return {"id": None, "files": [], "kept": []}
    return {
        "id": undoing.change_set.id,
        "name": undoing.change_set.name,
        "files": [
            {
                "path": file.path,
                "kind": "removed" if file.after is None else "changed",
                "diff": diff(file),
            }
            for file in undoing.files
            if file.path != undoing.change_set.path
        ],
        "kept": [asdict(each) for each in undoing.kept],
    }


def of_status(applied: Sequence[Applied]) -> str:
    rows = []
    for each in applied:
        rows.append(f"{each.change_set.name}  ({each.change_set.id})")
        rows += [f"  {part.state:<14}{part.path}: {part.what}" for part in each.parts]
    return "\n".join(rows or ["Nothing was applied here."]) + "\n"


def status_as_json(applied: Sequence[Applied]) -> list[dict[str, object]]:
    return [
        {
            "id": each.change_set.id,
            "name": each.change_set.name,
            "parts": [asdict(part) for part in each.parts],
        }
        for each in applied
    ]


def tree(files: Sequence[FileChange]) -> str:
    """The files in their folders: `+` new, `~` changed, `-` removed."""
    marks = {
        file.path: "+" if file.before is None else "-" if file.after is None else "~"
        for file in files
    }
    entries = set(marks)
    for path in marks:
        while path := posixpath.dirname(path):
            entries.add(f"{path}/")
    rows = []
    for entry in sorted(entries, key=_order):
        path = entry.rstrip("/")
        name = posixpath.basename(path) + ("/" if entry != path else "")
        row = "  " * path.count("/") + name
        if entry in marks:
            row = f"{row:<40} {marks[entry]}"
        rows.append(row)
    return "\n".join(rows)


def code(file: FileChange) -> str:
    """The whole text of a new file; of a changed one, the difference."""
    if file.before is not None:
        return diff(file)
    return f"+++ {file.path}\n{_text(file)}"


def diff(file: FileChange) -> str:
    rows = difflib.unified_diff(
        _rows(file.path, file.before),
        _rows(file.path, file.after),
        file.path,
        file.path,
        lineterm="",
    )
    return "\n".join(rows) + "\n"


def _order(entry: str) -> list[tuple[bool, str]]:
    """Folders before the files beside them, each followed by what is in it."""
    *folders, last = entry.rstrip("/").split("/")
    return [*((False, name) for name in folders), (not entry.endswith("/"), last)]


def _rows(path: str, content: bytes | None) -> list[str]:
    try:
        text = decoded(path, content or b"").removeprefix(BOM)
    except CouldNot:
        text = (content or b"").decode("latin-1")
    return [without_end(row) for row in split(text)]


def _text(file: FileChange) -> str:
    return (file.after or b"").decode("utf-8", "replace")


def _section(title: str, body: str) -> str:
    return f"{title}:\n{body.rstrip()}" if body.strip() else ""


def _variables(plan: Plan) -> str:
    return (
        "\n".join(
            f"{each.name}={each.example}" + (f"  # {each.purpose}" if each.purpose else "")
            for each in plan.variables
        )
        or "(none)"
    )


def _checks(plan: Plan) -> Iterator[str]:
    for check in plan.checks:
        result = {True: "ok", False: "FAILED", None: "NOT VERIFIED"}[check.passed]
        yield f"{result}  {check.what}" + (f": {check.detail}" if check.detail else "")


def _assumptions(plan: Plan) -> Iterator[str]:
    for each in plan.assumptions:
        yield each.what + (f" ({each.path}:{each.line})" if each.path else "")


def _by_hand(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if step.outcome == "could not":
            edit = step.change.edit
            yield f"{step.path}: could not {_what(step)}: {step.reason}."
            yield _indented(edit.paste)


def _what(step: Step) -> str:
    return "write it" if isinstance(step.change.edit, NewFile) else str(step.change.edit)


def _step(step: Step) -> dict[str, object]:
    told: dict[str, object] = {
        "path": step.path,
        "what": str(step.change.edit),
        "outcome": step.outcome,
    }
    if step.outcome == "could not":
        told |= {"reason": step.reason, "paste": step.change.edit.paste}
    return told


def _indented(code: str) -> str:
    return "\n".join(f"    {row}".rstrip() for row in code.splitlines())
