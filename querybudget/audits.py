"""All findings about a set of requests: causes, plans, and what none of them reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.http import HttpRequest

from querybudget.documents import Document, Endpoint, detailed, document, endpoint_part, growth_by_cause
from querybudget.findings import Finding
from querybudget.ledger import Ledger
from querybudget.message import listing
from querybudget.plans import missing_indexes, plan_of
from querybudget.reads import judge_reads
from querybudget.replay import Answer, replay


@dataclass(frozen=True, slots=True)
class Report:
    """`answers`: by request, "GET /orders/5". `findings`: of each request. `shared`: about what no request reads."""

    answers: Mapping[str, Answer]
    findings: Mapping[str, list[Finding]]
    shared: list[Finding]

    @property
    def has_findings(self) -> bool:
        return bool(self.shared) or any(self.findings.values())

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        for request, answer in self.answers.items():
            yield f"{request}: {answer.count} queries, status {answer.status}, {len(answer.body):,} bytes"
            if answer.is_error:
                yield "  not an answer that says much: try --as, --header or --query"
            yield from listing(self.findings[request])
        if self.shared:
            yield "Fetched, and read by none of these requests:"
        for finding in self.shared:
            yield f"  {finding.message}  {finding.location}"
            yield f"    → {finding.advice}"

    def document(self, names: Mapping[str, str], ledger: Ledger) -> Document:
        """For JSON and HTML, with the plan of each read. `names`: the ledger's name of each request."""
        return document("audit", (self._endpoint(request, names[request], ledger) for request in names), self.shared)

    def _endpoint(self, request: str, name: str, ledger: Ledger) -> Endpoint:
        answer, findings = self.answers[request], self.findings[request]
        return endpoint_part(
            name,
            ledger,
            detailed(answer.queries, findings, answer.body, plan=plan_of),
            request=request,
            queries=answer.count,
            status=answer.status,
            bytes=len(answer.body),
            growth=growth_by_cause(answer.queries, findings),
        )


def audited(requests: Mapping[str, HttpRequest], advance: Callable[[], None] = lambda: None) -> Report:
    """Make each request once, in a transaction that is rolled back, and judge them one by one and together.

    `advance` is called after each.
    """
    answers = {}
    for name, request in requests.items():
        answers[name] = replay(request, audit=True)
        advance()
    findings = {name: answer.findings + missing_indexes(answer.queries) for name, answer in answers.items()}
    return Report(answers, findings, judge_reads(answer.audited for answer in answers.values() if answer.audited))
