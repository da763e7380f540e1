"""A feature's activation histogram in the height of a line, and its ablation strip.

Takes the bytes a list row stores, gives SVG paths: one path holds all bars of one kind, so that
fifty rows stay small. Knows no feature.
"""

from dataclasses import dataclass

from app.web.charts.scales import effect_class

SPARK_WIDTH, SPARK_HEIGHT = 75, 20
STRIP_CELL, STRIP_HEIGHT = 6, 12
NOT_MEASURED = -128


@dataclass(frozen=True)
class StripPart:
    """All cells of a strip that share one colour step."""

    css: str
    path: str


def sparkline_path(counts: bytes) -> str:
    """Bars of neighbouring pairs of bins (the larger of the two), 3 wide; empty for no firing."""
    pairs = [max(counts[i : i + 2]) for i in range(0, len(counts), 2)]
    step = SPARK_WIDTH / max(len(pairs), 1)
    return "".join(
        f"M{step * i:g} {SPARK_HEIGHT}v-{max(SPARK_HEIGHT * value / 255, 0.7):.3g}h2.4V20z"
        for i, value in enumerate(pairs)
        if value
    )


def strip_parts(percents: list[int]) -> list[StripPart]:
    """Cells of mean ablation effects in percent, by colour step; none below the first step.

    Cells that were not measured come last as one path of strokes, class `unmeasured`.
    """
    cells: dict[str, list[str]] = {}
    for i, percent in enumerate(percents):
        x = STRIP_CELL * i
        if percent == NOT_MEASURED:
            cells.setdefault("unmeasured", []).append(f"M{x} {STRIP_HEIGHT}l5.5-{STRIP_HEIGHT}")
        elif css := effect_class(percent / 100):
            cells.setdefault(css, []).append(f"M{x} 0h5.5v{STRIP_HEIGHT}h-5.5z")
    return [StripPart(css, "".join(paths)) for css, paths in cells.items()]


def strip_percents(strip: bytes) -> list[int]:
    """The signed bytes of a stored strip."""
    return [byte - 256 if byte > 127 else byte for byte in strip]
