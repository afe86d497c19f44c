"""A file of findings that are known: what it holds is not reported again.

A finding is known by its rule, its file, and the function or route it stands in, not by its line,
which changes with every edit above it.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from apiwright.checks.findings import Finding
from apiwright.errors import ApiwrightError

_KEYS = ("rule", "file", "within", "method", "path")
Fingerprint = tuple[str | None, ...]


def fingerprint(finding: Finding) -> Fingerprint:
    where = finding.where
    return finding.rule, where.file, where.within, where.method, where.path


def write(path: Path, findings: Iterable[Finding]) -> None:
    counted = sorted(
        Counter(map(fingerprint, findings)).items(), key=lambda one: [part or "" for part in one[0]]
    )
    known = [dict(zip(_KEYS, found, strict=True)) | {"count": n} for found, n in counted]
    try:
        path.write_text(json.dumps({"findings": known}, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ApiwrightError(
            f"{path} cannot be written: {error.strerror}.", "Name a file that you may write."
        ) from None


def unknown(path: Path, findings: Iterable[Finding]) -> list[Finding]:
    """Those that the file does not hold, or not so many of.

    Raises ApiwrightError when it is no baseline."""
    left = _read(path)
    new = []
    for finding in findings:
        mark = fingerprint(finding)
        if left[mark] > 0:
            left[mark] -= 1
        else:
            new.append(finding)
    return new


def _read(path: Path) -> Counter[Fingerprint]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Counter(
            {tuple(one[key] for key in _KEYS): int(one["count"]) for one in document["findings"]}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ApiwrightError(
            f"{path} is not a baseline: {type(error).__name__}: {error}.",
            "Delete it, and the next run writes it anew.",
        ) from None
