"""Each probe on its own examples: the bad ones run and are seen, the good ones run and are not."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apiwright.checks import probes
from apiwright.checks.findings import Finding
from apiwright.checks.probe import Probed, probe, run_probes
from apiwright.checks.rule import Check, Program, in_folder
from apiwright.checks.world import World
from apiwright.errors import ApiwrightError
from apiwright.project.load import read
from tests.project.projects import write

PROBES = in_folder(probes)
EXAMPLES = [
    pytest.param(one, program, kind == "bad", id=f"{one.name}-{kind}-{number}")
    for one in PROBES
    for kind, programs in (("bad", one.bad), ("good", one.good))
    for number, program in enumerate(programs)
]


def probed(one: Check[World], program: Program, folder: Path) -> Probed:
    code = read(write(folder, dict(program)))
    return run_probes(code, [one], python=Path(sys.executable))


@pytest.mark.parametrize(("one", "program", "is_bad"), EXAMPLES)
def test_a_probe_speaks_about_its_bad_examples_alone(
    one: Check[World], program: Program, is_bad: bool, tmp_path: Path
) -> None:
    told = probed(one, program, tmp_path)
    assert not [left for left in told.not_analysed if "mistake" in left.why or "app" in left.what]
    assert {finding.rule for finding in told.findings} == ({one.name} if is_bad else set())
    assert all(each.evidence and each.curl and each.where.path for each in told.findings)


APP = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef root(): ...\n"


def made_up(function: Callable[[World], Iterator[Finding]], last: bool = False) -> Check[World]:
    return probe(severity="low", last=last)(function)


def test_a_probe_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    order = []

    def looks_back(world: World) -> Iterator[Finding]:
        order.append("last")
        yield back.finding(None, "It was asked.", evidence=str(len(world.app.heard)))

    def fails(world: World) -> Iterator[Finding]:
        order.append("first")
        world.app.request("GET", "/")
        raise LookupError("no such thing")
        yield

    def runs_out(world: World) -> Iterator[Finding]:
        order.append("second")
        raise ApiwrightError("There was no time left.", "")
        yield

    back = made_up(looks_back, last=True)
    told = run_probes(
        read(write(tmp_path, {"main.py": APP})),
        [back, made_up(fails), made_up(runs_out)],
        python=Path(sys.executable),
    )
    assert order == ["first", "second", "last"]
    assert [finding.message for finding in told.findings] == ["It was asked."]
    assert [one.why for one in told.not_analysed] == [
        "it failed, which is our mistake: LookupError: no such thing",
        "There was no time left.",
    ]
    assert told.requests > 0
    assert told.code.project.routes[0].seen == "both"


@pytest.mark.parametrize(
    ("main", "why"),
    [
        (APP + "import nowhere\n", "main.py:5: nowhere is not installed in this interpreter"),
        (APP + "raise SystemExit(2)\n", "it ends the process"),
    ],
)
def test_an_app_that_does_not_start_is_said_and_not_counted_as_safe(
    main: str, why: str, tmp_path: Path
) -> None:
    told = run_probes(read(write(tmp_path, {"main.py": main})), [], python=Path(sys.executable))
    assert [one.what for one in told.not_analysed] == ["the running app"]
    assert why in told.not_analysed[0].why
    assert told.code.project.ran is not None
    assert not told.code.project.ran.ok
