"""The report for programs."""

from dataclasses import asdict
from json import dumps
from typing import Any

from apiwright.checks.findings import Finding, Report, Where


def json(report: Report) -> str:
    document = {
        "findings": [_finding(one) for one in report.findings],
        "not_analysed": [asdict(one) for one in report.not_analysed],
        "checked": dict(report.checked),
        "notes": list(report.notes),
    }
    return dumps(document, indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "proof": finding.proof,
        **_where(finding.where),
        "message": finding.message,
        "evidence": finding.evidence,
        "curl": finding.curl,
        "related": [_where(one) for one in finding.related],
    }


def _where(where: Where) -> dict[str, Any]:
    return {
        "file": where.file,
        "line": where.line,
        "method": where.method,
        "path": where.path,
    }
