from collections.abc import Iterable
from dataclasses import replace

from apiwright.checks.findings import Finding, Where
from apiwright.checks.merge import merged
from apiwright.checks.rule import Check

READ = Finding("open-door", "medium", "code", Where("auth.py", 3), "Nothing is verified.", "x = 1")
SEEN = Finding(
    "open-door",
    "high",
    "request",
    Where("tasks.py", 9, "GET", "/tasks"),
    "It answered.",
    "200 OK",
    "curl /tasks",
)


def at(finding: Finding, *related: Where, **where: str | int) -> Finding:
    return replace(finding, where=replace(finding.where, **where), related=related)  # type: ignore[arg-type]  # by name


def test_what_was_read_and_seen_at_one_route_is_one_finding_with_the_request_as_proof() -> None:
    (one,) = merged([at(READ, SEEN.where), SEEN], [])
    assert (one.where.file, one.where.line, one.message) == ("auth.py", 3, "Nothing is verified.")
    assert (one.severity, one.proof, one.evidence, one.curl) == (
        "high", "request", "200 OK", "curl /tasks",
    )  # fmt: skip
    assert SEEN.where in one.related


def test_several_routes_with_one_cause_are_one_finding() -> None:
    other = at(SEEN, path="/notes", line=20)
    (one,) = merged([SEEN, other, at(READ, SEEN.where, other.where)], [])
    assert one.where.file == "auth.py"
    assert {SEEN.where, other.where} <= set(one.related)


def test_two_mistakes_in_one_route_stay_two() -> None:
    first, second = at(READ, SEEN.where), at(READ, SEEN.where, line=8)
    found = merged([first, second, SEEN], [])
    assert [(one.where.line, one.proof) for one in found] == [(3, "request"), (8, "code")]


def test_what_has_nothing_to_do_with_each_other_stays_apart() -> None:
    elsewhere = at(SEEN, path="/other", line=50)
    assert len(merged([at(READ, SEEN.where), elsewhere], [])) == 2
    assert len(merged([at(READ, SEEN.where), replace(SEEN, rule="loud-door")], [])) == 2


def test_a_check_says_that_another_finds_the_same() -> None:
    def nothing(code: object) -> Iterable[Finding]:
        return ()

    nothing.__module__ = "apiwright.checks.probes.open_door"
    probe = Check(nothing, "high", "request", same_as=("bare-door",))
    (one,) = merged([replace(at(READ, SEEN.where), rule="bare-door"), SEEN], [probe])
    assert one.rule == "open-door"


def test_the_same_place_is_said_once() -> None:
    assert len(merged([READ, READ], [])) == 1
    assert len(merged([SEEN, SEEN], [])) == 1


def test_two_checks_may_each_say_that_the_other_finds_the_same() -> None:
    def nothing(code: object) -> Iterable[Finding]:
        return ()

    nothing.__module__ = "apiwright.checks.probes.open_door"
    door = Check(nothing, "high", "code", same_as=("bare-door",))
    for findings in (
        [READ, replace(READ, rule="bare-door")],
        [replace(READ, rule="bare-door"), READ],
    ):
        (one,) = merged(findings, [door])
        assert one.rule == "open-door"


def test_a_rule_that_finds_what_several_probes_see_takes_them_all() -> None:
    def nothing(code: object) -> Iterable[Finding]:
        return ()

    nothing.__module__ = "apiwright.checks.rules.open_door"
    door = Check(nothing, "high", "code", same_as=("a-window", "the-roof"))
    window = replace(SEEN, rule="a-window")
    roof = at(replace(SEEN, rule="the-roof"), path="/notes", line=20)
    (one,) = merged([at(READ, window.where, roof.where), window, roof], [door])
    assert (one.rule, one.proof) == ("open-door", "request")
