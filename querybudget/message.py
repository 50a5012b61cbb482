"""How findings are laid out, in a failing test and on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from querybudget.findings import Finding

_WIDEST = 60
"""Characters of a column beyond which it does not push the next one further to the right."""


def listing(findings: Sequence[Finding]) -> Iterator[str]:
    """Two or three lines for each finding: count, what, path, place; the statement; the advice."""
    if not findings:
        return
    first = max(len(str(finding.count)) for finding in findings)
    what = min(_WIDEST, max(len(finding.what) for finding in findings))
    path = min(_WIDEST, max(len(finding.path) for finding in findings))
    for finding in findings:
        columns = [
            f"{finding.count:>{first + 1}}×  {finding.what:<{what}}",
            f"{finding.path:<{path}}",
            finding.location,
        ]
        yield "  ".join(filter(None, columns))
        indent = " " * (first + 4)
        if finding.kind in ("n_plus_one", "duplicate") and not finding.advice.startswith((".select", ".prefetch")):
            yield indent + short(finding.shape)
        yield f"{indent}→ {finding.advice}"


def short(shape: str) -> str:
    """A statement to recognise: no quotes, no columns of the SELECT, no table before a column of the only one."""
    text = re.sub(r"^SELECT (?!COUNT|MAX|MIN|SUM|AVG).*? FROM ", "SELECT … FROM ", shape.replace('"', ""), count=1)
    tables = re.findall(r"(?:FROM|JOIN|INTO|UPDATE) ([\w.]+)", text)
    return text.replace(f"{tables[0]}.", "") if len(set(tables)) == 1 else text


_STYLES = (
    (re.compile(r"^(\S+ \S+: )(.*?)(, budget \S+)"), "\x1b[1m{0[0]}\x1b[31m{0[1]}\x1b[39m{0[2]}\x1b[0m"),
    (re.compile(r"^( *)(\d+×)(  .*?)(  \S+:\d+)$"), "{0[0]}\x1b[1;31m{0[1]}\x1b[0m{0[2]}\x1b[36m{0[3]}\x1b[0m"),
    (re.compile(r"^( +→ )(.*)$"), "{0[0]}\x1b[32m{0[1]}\x1b[0m"),
    (re.compile(r"^(With (?:these|this) changes?: )(.*)$"), "\x1b[1m{0[0]}\x1b[32m{0[1]}\x1b[0m"),
    (re.compile(r"^(Dearest fields: )(.*)$"), "\x1b[1m{0[0]}\x1b[0m{0[1]}"),
)


def coloured(message: str) -> str:
    """The message for a terminal: what costs is red, what helps is green."""
    return "\n".join(map(_coloured, message.splitlines()))


def _coloured(line: str) -> str:
    for pattern, style in _STYLES:
        if match := pattern.match(line):
            return style.format(match.groups()) + line[match.end() :]
    return line
