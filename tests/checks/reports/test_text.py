from apiwright.checks.findings import Finding, Report, Where
from apiwright.checks.reports.text import text
from apiwright.project.facts import NotSeen

REPORT = Report(
    findings=(
        Finding(
            "open-door",
            "high",
            "request",
            Where("app/tasks.py", 9, "GET", "/tasks/{id}", "get_task"),
            "Another user's task was read. Narrow the statement to the owner.",
            "GET /tasks/1\n200 OK",
            "curl http://127.0.0.1:8000/tasks/1",
            tuple(Where("app/tasks.py", line) for line in range(20, 27)),
        ),
        Finding("loud-door", "low", "code", Where("app/main.py", 3), "It is loud.", "ring()"),
    ),
    not_analysed=(NotSeen("routes below /admin", "what is mounted there is not read"),),
    checked={"files": 3, "routes": 2, "rules": 4, "in the baseline": 0},
)


def test_a_report_for_people() -> None:
    assert (
        text(REPORT)
        == """\
HIGH  open-door
  app/tasks.py:9  in get_task  GET /tasks/{id}
    Another user's task was read. Narrow the statement to the owner.
      | GET /tasks/1
      | 200 OK
      $ curl http://127.0.0.1:8000/tasks/1
      also app/tasks.py:20
      also app/tasks.py:21
      also app/tasks.py:22
      also app/tasks.py:23
      also app/tasks.py:24
      and 2 more

LOW  loud-door
  app/main.py:3
    It is loud.
      | ring()

Not analysed, so nothing is said of it
  - routes below /admin: what is mounted there is not read

2 findings: 1 high, 1 low. Looked at: 3 files, 2 routes, 4 rules.
"""
    )


def test_a_report_without_findings() -> None:
    assert text(Report((), (), {"files": 1})) == "No findings. Looked at: 1 files.\n"
