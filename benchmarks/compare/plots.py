"""Results as pictures: one bar for everybody, from the least to the most of all rounds a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.compare.scenario import Row, Scenario
from benchmarks.compare.statistics import summary

OURS, THEIRS, LIMIT = "#b5341f", "#9aa5b1", "#52606d"


def draw(scenario: Scenario, rows: Sequence[Row], directory: Path) -> list[Path]:
    """Write a PNG and an SVG of the scenario's first figure; returns where.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    mpl.rcParams["svg.hashsalt"] = "jobsup"  # the same figures give the same file
    figure = scenario.compared[0]
    groups = {setup: _bars(scenario, rows, setup) for setup in dict.fromkeys(row.setup for row in rows)}
    groups = {setup: bars for setup, bars in groups.items() if bars}
    if not groups:
        return []
    heights = [len(bars) + 1 for bars in groups.values()]
    picture, axes = pyplot.subplots(
        len(groups), 1, figsize=(8, 0.3 * sum(heights) + 1), squeeze=False, height_ratios=heights, layout="constrained"
    )
    for axis, (setup, bars) in zip(axes[:, 0], groups.items(), strict=True):
        _draw_group(axis, setup, bars)
    axes[-1, 0].set_xlabel(f"{figure} ({'more' if scenario.more else 'less'} is better)")
    picture.suptitle(scenario.title)
    paths = [directory / f"{scenario.name}.{suffix}" for suffix in ("png", "svg")]
    for path in paths:
        picture.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(picture)
    return paths


def _bars(scenario: Scenario, rows: Sequence[Row], setup: str) -> list[tuple[Row, float, float, float]]:
    found = []
    for row in rows:
        known = [value for value in row.values(scenario.compared[0]) if value is not None]
        if row.setup == setup and known:
            of = summary(known)
            found.append((row, of.median, of.least, of.most))
    # Drawn from below: the best ends up at the top.
    return sorted(found, key=lambda bar: bar[1], reverse=not scenario.more)


def _draw_group(axis, setup: str, bars: Sequence[tuple[Row, float, float, float]]) -> None:  # type: ignore[no-untyped-def]
    colours = {"jobsup": OURS, "bare": LIMIT}
    medians = [median for _, median, _, _ in bars]
    axis.barh(
        [f"{row.peer} {row.variant}" for row, *_ in bars],
        medians,
        color=[colours.get(row.peer, THEIRS) for row, *_ in bars],
        xerr=[[median - least for _, median, least, _ in bars], [most - median for _, median, _, most in bars]],
        error_kw={"linewidth": 1},
    )
    wide = max(medians) > 20 * max(min(medians), 1e-9)
    axis.set_xscale("log" if wide else "linear")
    axis.set_title(f"{setup} (logarithmic)" if wide else setup, loc="left", fontsize=9)
    axis.tick_params(labelsize=8)
