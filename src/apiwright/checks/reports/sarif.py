"""The report as SARIF 2.1.0, which code scanning shows beside the code.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from apiwright.checks.baseline import fingerprint
from apiwright.checks.findings import Finding, Report, Severity, Where
from apiwright.checks.rule import Check

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS: dict[Severity, str] = {"high": "error", "medium": "warning", "low": "note"}
_SCORES: dict[Severity, str] = {"high": "8.0", "medium": "5.0", "low": "2.0"}
"""GitHub's high, medium and low."""


def sarif(report: Report, checks: Iterable[Check[Any]]) -> str:
    """`checks`: all there are, of which those that found something are described."""
    pages = {check.name: check for check in checks}
    rules = sorted({finding.rule for finding in report.findings})
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Apiwright",
                        "semanticVersion": version("apiwright"),
                        "rules": [_rule(pages[name]) for name in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    "%SRCROOT%": {"description": {"text": "The project's folder."}}
                },
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {
                                "level": "note",
                                "message": {"text": f"Not analysed: {one.what}: {one.why}"},
                            }
                            for one in report.not_analysed
                        ],
                    }
                ],
                "results": [_result(one, rules) for one in report.findings],
            }
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _rule(check: Check[Any]) -> dict[str, Any]:
    page = check.page
    sections = [f"## {heading}\n\n{text}" for heading, text in page.sections.items()]
    return {
        "id": check.name,
        "name": "".join(part.capitalize() for part in check.name.split("-")),
        "shortDescription": {"text": page.summary},
        "fullDescription": {"text": page.sections.get("What it finds", page.summary)},
        "help": {"text": page.summary, "markdown": "\n\n".join([page.summary, *sections])},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {
            "tags": ["security"],
            "precision": "very-high" if check.proof == "request" else "high",
            "security-severity": _SCORES[check.severity],
        },
    }


def _result(finding: Finding, rules: list[str]) -> dict[str, Any]:
    parts = [finding.message, finding.evidence, finding.curl]
    if finding.where.path:
        parts.insert(0, f"{finding.where.method} {finding.where.path}:")
    mark = "\n".join(part or "" for part in fingerprint(finding))
    result = {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": "\n".join(filter(None, parts))},
        "locations": [_location(finding.where)],
        "partialFingerprints": {"apiwright/v1": hashlib.sha256(mark.encode()).hexdigest()},
    }
    if related := [
        _location(one) | {"id": number, "message": {"text": str(one)}}
        for number, one in enumerate(finding.related, 1)
        if one.file is not None
    ]:
        result["relatedLocations"] = related
    return result


def _location(where: Where) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(where.file or ""), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": where.line or 1},
        }
    }
    if where.within:
        location["logicalLocations"] = [{"fullyQualifiedName": where.within}]
    return location
