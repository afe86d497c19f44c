"""A new file as the project's own formatters would have it, where they are installed."""

from collections.abc import Iterator

from apiwright.generators.shadow import Shadow
from apiwright.project.facts import Project


def formatted(project: Project, copy: Shadow, path: str, text: str, *, whole: bool = True) -> str:
    """Of a part of a file, which is not `whole`, only the layout: what its names are cannot be
    seen in it. `path` is where it will be: the configuration is found from there. In the copy it
    is not left behind."""
    draft = copy.folder / path
    before = draft.read_bytes() if draft.exists() else None
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(text, encoding="utf-8")
    for arguments in _formatters(project, whole):
        copy.run("-m", *arguments, str(draft), seconds=60, folder=draft.parent)
    made = draft.read_text(encoding="utf-8")
    draft.unlink() if before is None else draft.write_bytes(before)
    return made


def _formatters(project: Project, whole: bool) -> Iterator[tuple[str, ...]]:
    """Who uses black formats with it; who uses ruff alone may only check with it."""
    used = set(project.tools.linters)
    if "ruff" in used and whole:
        yield "ruff", "check", "--fix-only", "--quiet", "--no-cache"
    if "isort" in used and whole:
        yield "isort", "--quiet"
    if "black" in used:
        yield "black", "--quiet"
    elif "ruff" in used:
        yield "ruff", "format", "--quiet", "--no-cache"
