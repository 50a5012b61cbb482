"""All findings about a set of requests: causes, plans, and what none of them reads.

As JSON: `{"endpoints": {"GET /orders": {"status", "bytes", "count", "findings", "fields", "queries"}},
"findings"}`, where a finding is `Finding.as_dict()`, a query `Query.as_dict()` without values, and a
field `{"path", "queries", "share"}`. The outer findings are those that only all requests together show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpRequest

from querybudget.costs import field_costs
from querybudget.findings import Finding
from querybudget.message import listing
from querybudget.plans import missing_indexes
from querybudget.reads import judge_reads
from querybudget.replay import Answer, replay


@dataclass(frozen=True, slots=True)
class Report:
    """`answers`: by endpoint. `findings`: of each endpoint. `shared`: about what no request reads."""

    answers: Mapping[str, Answer]
    findings: Mapping[str, list[Finding]]
    shared: list[Finding]

    @property
    def has_findings(self) -> bool:
        return bool(self.shared) or any(self.findings.values())

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        for endpoint, answer in self.answers.items():
            yield f"{endpoint}: {answer.count} queries, status {answer.status}, {len(answer.body):,} bytes"
            yield from listing(self.findings[endpoint])
        if self.shared:
            yield "Fetched, and read by none of these requests:"
        for finding in self.shared:
            yield f"  {finding.message}  {finding.location}"
            yield f"    → {finding.advice}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON, as the module's docstring says."""
        return {
            "endpoints": {
                endpoint: {
                    "status": answer.status,
                    "bytes": len(answer.body),
                    "count": answer.count,
                    "findings": [finding.as_dict() for finding in self.findings[endpoint]],
                    "fields": [asdict(cost) for cost in field_costs(answer.queries, answer.body)],
                    "queries": [query.as_dict() for query in answer.queries],
                }
                for endpoint, answer in self.answers.items()
            },
            "findings": [finding.as_dict() for finding in self.shared],
        }


def audited(requests: Mapping[str, HttpRequest]) -> Report:
    """Make each request once, in a transaction that is rolled back, and judge them one by one and together."""
    answers = {endpoint: replay(request, audit=True) for endpoint, request in requests.items()}
    findings = {endpoint: answer.findings + missing_indexes(answer.queries) for endpoint, answer in answers.items()}
    return Report(answers, findings, judge_reads(answer.audited for answer in answers.values() if answer.audited))
