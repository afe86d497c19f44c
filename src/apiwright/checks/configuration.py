"""`[tool.apiwright]` in the project's pyproject.toml."""

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

from apiwright.checks.findings import Severity
from apiwright.errors import ApiwrightError

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The worst first."""
_KEYS = {"disable", "exclude", "fail-on"}


@dataclass(frozen=True)
class Configuration:
    disable: tuple[str, ...] = ()
    """Names of checks that do not run."""
    exclude: tuple[str, ...] = ()
    """Files, like "scripts/*", of which nothing is reported."""
    fail_on: Severity | None = None

    def excludes(self, file: str | None) -> bool:
        return file is not None and any(fnmatchcase(file, pattern) for pattern in self.exclude)


def read(folder: Path) -> Configuration:
    """Raises ApiwrightError for what it does not know: a misspelt name would quietly do nothing."""
    path = folder / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return Configuration()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ApiwrightError(f"{path} cannot be read: {error}.", "Correct it.") from None
    tools = document.get("tool", {})
    table = tools.get("apiwright", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        _refuse("it is no table", "Write [tool.apiwright].")
    if unknown := set(table) - _KEYS:
        _refuse(f"it has {', '.join(sorted(unknown))}", f"There are {', '.join(sorted(_KEYS))}.")
    fail_on = table.get("fail-on")
    if fail_on is not None and fail_on not in SEVERITIES:
        _refuse(f"fail-on is {fail_on!r}", f"It may be {', '.join(SEVERITIES)}.")
    return Configuration(_names(table, "disable"), _names(table, "exclude"), fail_on)


def _names(table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        _refuse(f"{key} is {value!r}", "It is a list of texts.")
    return tuple(value)


def _refuse(what: str, todo: str) -> None:
    raise ApiwrightError(f"[tool.apiwright] in pyproject.toml: {what}.", todo)
