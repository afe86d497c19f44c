import ast

import pytest

from apiwright.checks.findings import Finding, Where
from apiwright.checks.suppressions import read
from apiwright.project.files import Source

NAMES = frozenset({"open-door", "sql-injection"})
ALLOW = "# apiwright: allow open-door, because the door is for all"


def allows(text: str, line: int, rule: str = "open-door") -> bool:
    finding = Finding(rule, "high", "code", Where("main.py", line), "It is open.")
    return read([source(text)], NAMES).allows(finding)


def source(text: str) -> Source:
    return Source("main.py", ast.parse(text), text.encode())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"x = 1  {ALLOW}\ny = 2\n", 1),
        (f"{ALLOW}\nx = 1\n", 2),
        (f"{ALLOW}\n# and more is said here\nx = 1\n", 3),
        (f"def f():\n    {ALLOW}\n    return 1\n", 3),
        (f"{ALLOW}\n@route\n@login\ndef f(): ...\n", 4),
        (f"@route  {ALLOW}\ndef f(): ...\n", 2),
        ("# apiwright: allow open-door because it is\nx = 1\n", 2),
    ],
)
def test_a_comment_on_the_line_or_above_it_allows(text: str, line: int) -> None:
    assert allows(text, line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"x = 1  {ALLOW}\ny = 2\n", 2),
        (f"{ALLOW}\n\nx = 1\n", 3),
        (f"{ALLOW}\nx = 1\ny = 2\n", 3),
        (f"text = '''\n{ALLOW}\n'''\n", 2),
    ],
)
def test_a_comment_allows_nothing_further_away(text: str, line: int) -> None:
    assert not allows(text, line)


def test_a_comment_allows_only_the_rule_it_names() -> None:
    assert not allows(f"x = 1  {ALLOW}\n", 1, "sql-injection")


def test_a_comment_without_a_reason_does_not_count_and_is_said() -> None:
    text = "x = 1  # apiwright: allow open-door\n"
    assert not allows(text, 1)
    (said,) = read([source(text)], NAMES).not_counted
    assert said.what == "the comment at main.py:1"
    assert "without saying why" in said.why


def test_a_comment_that_names_no_rule_is_said() -> None:
    (said,) = read([source("x = 1  # apiwright: allow opendoor, because\n")], NAMES).not_counted
    assert said.why == "there is no check named opendoor"
