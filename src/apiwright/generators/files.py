"""The files in this package that generators copy."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

_COPIED_DOTFILES = {".env.example", ".gitignore"}


def files_in(folder: str) -> Iterator[tuple[str, Traversable]]:
    """Each with its path from the folder, with slashes."""

    def walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            hidden = entry.name.startswith(".") and entry.name not in _COPIED_DOTFILES
            if hidden or entry.name == "__pycache__":
                continue
            if entry.is_dir():
                yield from walk(entry, f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", entry

    return walk(files("apiwright.generators").joinpath(folder), "")
