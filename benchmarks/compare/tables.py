"""Results as tables in Markdown.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.compare.scenario import Row, Scenario
from benchmarks.compare.statistics import ratio, summary


def table(scenario: Scenario, rows: Sequence[Row], command: str) -> str:
    """A section for docs/performance.md: what was run, how to repeat it, and everybody's figures."""
    lines = [f"## {scenario.title}", "", f"    {command}", "", scenario.about, ""]
    for setup in dict.fromkeys(row.setup for row in rows):
        lines += [f"**{setup}**", "", *_group(scenario, [row for row in rows if row.setup == setup]), ""]
    return "\n".join(lines)


def _group(scenario: Scenario, rows: Sequence[Row]) -> Iterable[str]:
    others = [name for name in _figures(rows) if name not in scenario.compared]
    reference = next((row for row in rows if (row.peer, row.variant) == scenario.reference), None)
    name = scenario.reference[0] if scenario.reference[1] == "default" else scenario.reference[1]
    head = ["peer", "variant"]
    for figure in scenario.compared:
        head += [figure, "least to most", f"{name} is better by"]
    yield _line([*head, *others])
    yield _line(["---"] * len([*head, *others]))
    for row in sorted(rows, key=lambda row: _rank(scenario, row)):
        values = [row.peer, row.variant]
        for figure in scenario.compared:
            values += _compared(scenario, row, reference, figure)
        yield _line([*values, *(_median(row, figure) for figure in others)])
    for row in rows:
        if row.failed:
            failures = sum(figures is None for figures in row.rounds)
            yield ""
            yield f"{row.peer} {row.variant}, {failures} of {len(row.rounds)} rounds: {row.failed}"


def _compared(scenario: Scenario, row: Row, reference: Row | None, figure: str) -> list[str]:
    known = [value for value in row.values(figure) if value is not None]
    if not known:
        return ["-", "-", "-"]
    found = summary(known)
    better = None
    if reference is not None and reference is not row:
        pair = (reference, row) if scenario.more else (row, reference)
        better = ratio(*(who.values(figure) for who in pair))
    return [f"**{shown(found.median)}**", f"{shown(found.least)} to {shown(found.most)}", shown(better, "x")]


def _rank(scenario: Scenario, row: Row) -> float:
    """Best first, failures last."""
    known = [value for value in row.values(scenario.compared[0]) if value is not None]
    if not known:
        return float("inf")
    return -summary(known).median if scenario.more else summary(known).median


def _median(row: Row, figure: str) -> str:
    known = [value for value in row.values(figure) if value is not None]
    return shown(summary(known).median) if known else "-"


def _figures(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for figures in row.rounds if figures for name in figures))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def shown(value: float | None, unit: str = "") -> str:
    """Three significant digits, whole above a hundred."""
    if value is None:
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}{unit}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}{unit}"
