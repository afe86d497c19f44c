"""What is said about one check: by `apiwright explain`, and in docs/reference/checks.md."""

from collections.abc import Iterator, Sequence
from typing import Any

from apiwright.checks.rule import Check, Program

_PROOF = {"code": "the code", "request": "requests to the running app"}
_TITLE = {"code": "What it finds", "request": "What it tries"}
_LONGEST = 50  # lines


def page(checks: Sequence[Check[Any]], level: int = 1, *, short: bool = False) -> str:
    """Markdown. `checks`: those of one name, a rule or a probe or both. `level`: of its heading.
    `short`: without examples that are whole apps."""
    return "\n\n".join(_blocks(checks, "#" * level, short)) + "\n"


def _blocks(checks: Sequence[Check[Any]], mark: str, short: bool) -> Iterator[str]:
    first = checks[0]
    yield f"{mark} {first.name}"
    yield f"{first.page.summary}\n\n{_shown(checks)}"
    for heading, text in first.page.sections.items():
        yield f"{mark}# {heading}\n\n{text}"
        if heading == "What it finds":
            for other in checks[1:]:
                tried = other.page.sections.get(heading, "")
                yield f"{mark}# {_TITLE[other.proof]}\n\n{tried}"
    bad, good = first.bad[0], first.good[0]
    if short and _length(bad) + _length(good) > _LONGEST:
        yield f"`apiwright explain {first.name}` shows an example."
        return
    yield f"{mark}# Example\n\n{_program(bad)}"
    yield f"Nothing is said about\n\n{_program(good)}"


def _shown(checks: Sequence[Check[Any]]) -> str:
    """Severity high, shown by the code and requests to the running app."""
    if len({check.severity for check in checks}) == 1:
        shown = " and ".join(_PROOF[check.proof] for check in checks)
        return f"Severity {checks[0].severity}, shown by {shown}."
    each = (f"{check.severity} when shown by {_PROOF[check.proof]}" for check in checks)
    return f"Severity {', '.join(each)}."


def _length(program: Program) -> int:
    return sum(text.count("\n") for text in program.values())


def _program(program: Program) -> str:
    several = len(program) > 1
    return "\n\n".join(
        "```python\n" + (f"# {path}\n" if several else "") + text.strip("\n") + "\n```"
        for path, text in program.items()
    )
