"""SARIF against the standard's schema: the part of it that is written here, where every object is
closed, so that what the schema does not know is refused; and what GitHub's code scanning asks for
on top of the standard.
"""

import json
from typing import Any

import jsonschema_rs
import pytest

from apiwright.checks.check import all_checks
from apiwright.checks.findings import Finding, Report, Where
from apiwright.checks.reports.sarif import sarif
from apiwright.project.facts import NotSeen

TEXT = {"type": "string"}
MESSAGE = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": TEXT, "markdown": TEXT},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}


def closed(required: str, /, **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "required": required.split(),
        "additionalProperties": False,
        "properties": properties,
    }


def many(of: object, *, unique: bool = False) -> dict[str, object]:
    return {"type": "array", "items": of, "uniqueItems": unique}


LOCATION = closed(
    "physicalLocation",
    id={"type": "integer", "minimum": -1},
    message=MESSAGE,
    physicalLocation=closed(
        "artifactLocation region",
        artifactLocation=closed("uri", uri={**TEXT, "format": "uri-reference"}, uriBaseId=TEXT),
        region=closed("startLine", startLine={"type": "integer", "minimum": 1}),
    ),
    logicalLocations=many(closed("fullyQualifiedName", fullyQualifiedName=TEXT), unique=True),
)
RULE = closed(
    "id shortDescription fullDescription help",
    id=TEXT,
    name=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed("level", level=LEVEL),
    properties=closed(
        "tags precision security-severity",
        **{
            "tags": many(TEXT, unique=True),
            "precision": {"enum": ["very-high", "high", "medium", "low"]},
            "security-severity": {**TEXT, "pattern": r"^(10|\d)\.\d$"},
        },
    ),
)
RESULT = closed(
    "ruleId message locations partialFingerprints",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations={**many(LOCATION), "minItems": 1},
    relatedLocations=many(LOCATION, unique=True),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
)
RUN = closed(
    "tool results",
    tool=closed(
        "driver", driver=closed("name rules", name=TEXT, semanticVersion=TEXT, rules=many(RULE))
    ),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    originalUriBaseIds={
        "type": "object",
        "additionalProperties": closed("description", description=MESSAGE),
    },
    invocations=many(
        closed(
            "executionSuccessful",
            executionSuccessful={"type": "boolean"},
            toolExecutionNotifications=many(closed("message", level=LEVEL, message=MESSAGE)),
        )
    ),
    results=many(RESULT),
)
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **closed(
        "version runs",
        **{"$schema": {**TEXT, "format": "uri"}, "version": {"enum": ["2.1.0"]}, "runs": many(RUN)},
    ),
}
NAMES = sorted({check.name for check in all_checks()})
REPORT = Report(
    findings=tuple(
        Finding(
            name,
            "high",
            "code",
            Where("app/ta sks.py", number, "GET", "/tasks", "Tasks.get"),
            "It is bad. Mend it.",
            "x = 1",
            "curl http://127.0.0.1:8000/tasks",
            (
                Where("app/b.py", 4),
                Where("app/b.py", 5, "GET", "/b"),
                Where(None, None, "GET", "/"),
            ),
        )
        for number, name in enumerate(NAMES, 1)
    ),
    not_analysed=(NotSeen("the running app", "it does not import"),),
)


@pytest.fixture
def document() -> Any:  # JSON
    return json.loads(sarif(REPORT, all_checks()))


def test_it_is_valid_sarif(document: Any) -> None:
    jsonschema_rs.validate(SCHEMA, document)


def test_every_result_names_its_rule(document: Any) -> None:
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == NAMES
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_places_are_relative_to_the_project(document: Any) -> None:
    location = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location == {
        "artifactLocation": {"uri": "app/ta%20sks.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 1},
    }
    assert "%SRCROOT%" in document["runs"][0]["originalUriBaseIds"]


def test_the_message_tells_the_route_and_the_evidence(document: Any) -> None:
    said = document["runs"][0]["results"][0]["message"]["text"]
    assert said == ("GET /tasks:\nIt is bad. Mend it.\nx = 1\ncurl http://127.0.0.1:8000/tasks")


def test_a_fingerprint_does_not_depend_on_the_line(document: Any) -> None:
    first, *_ = REPORT.findings
    moved = Finding(
        first.rule, "high", "code", Where("app/ta sks.py", 99, "GET", "/tasks", "Tasks.get"), ""
    )
    other = json.loads(sarif(Report((moved,), ()), all_checks()))
    result = other["runs"][0]["results"][0]
    key = "partialFingerprints"
    assert result[key] == document["runs"][0]["results"][0][key]


def test_a_report_without_findings_is_valid() -> None:
    document = json.loads(sarif(Report((), ()), all_checks()))
    jsonschema_rs.validate(SCHEMA, document)
    assert document["runs"][0]["results"] == []


def test_what_was_not_analysed_is_a_note(document: Any) -> None:
    (note,) = document["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "Not analysed: the running app: it does not import"
