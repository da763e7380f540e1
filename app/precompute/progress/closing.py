"""The closing summary: a table that is read in five seconds, and the same for programs.

Takes the figures of all stages and the finished files, gives lines of text and plain values. Knows
no stage by name; measures sizes of files, changes none.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.db.catalog import list_saes
from app.db.directions import decoders_folder
from app.db.engine import open_atlas
from app.precompute.progress.figures import Figures, duration, peak_bytes, peak_device_bytes, size
from app.stats.event_places import events_folder


@dataclass(frozen=True)
class Sizes:
    """What lies on disk, in bytes."""

    atlas: str
    """its file name"""
    atlas_bytes: int
    n_features: int
    """of all dictionaries in the atlas, those of earlier runs too"""
    events_bytes: int
    """the folder beside it, all dictionaries and contexts"""
    decoders_bytes: int


def sizes_of(path: Path) -> Sizes:
    """Reads the sizes of a finished atlas and of what lies beside it."""
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        n_features = sum(sae.record.n_features for sae in list_saes(connection))
    atlas.close()
    return Sizes(
        path.name,
        path.stat().st_size,
        n_features,
        _folder_bytes(events_folder(path)),
        _folder_bytes(decoders_folder(path)),
    )


def closing_lines(stages: Sequence[Figures], seconds: float, sizes: Sizes) -> list[str]:
    """The table: a line a stage, the whole, what else took time, memory, sizes."""
    rest = seconds - sum(stage.seconds for stage in stages)
    rows = [("stage", "time", "share", "tokens/s", "")]
    rows += [
        (
            stage.name,
            duration(stage.seconds),
            _share(stage.seconds, seconds),
            "" if stage.tokens_per_second is None else f"{stage.tokens_per_second:,.0f}",
            _against_bound(stage),
        )
        for stage in stages
    ]
    rows.append(("between stages", duration(rest), _share(rest, seconds), "", ""))
    rows.append(("together", duration(seconds), "", "", ""))
    device = peak_device_bytes()
    memory = f"peak {size(peak_bytes())}" + ("" if device is None else f", GPU {size(device)}")
    per_feature = sizes.atlas_bytes / max(sizes.n_features, 1)
    atlas = f"{size(sizes.atlas_bytes)}, {per_feature:,.0f} bytes for each of {sizes.n_features:,}"
    beside = f"events {size(sizes.events_bytes)}, decoders {size(sizes.decoders_bytes)}"
    return [
        *_aligned(rows),
        "",
        *_pairs(("memory", memory), (sizes.atlas, f"{atlas} features"), ("beside it", beside)),
    ]


def closing_values(stages: Sequence[Figures], seconds: float, sizes: Sizes) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "seconds": seconds,
        "stages": [
            {
                "stage": stage.name,
                "seconds": round(stage.seconds, 3),
                "done": stage.done,
                "unit": stage.unit,
                "tokens_per_second": _rounded(stage.tokens_per_second),
                "of_bound": _rounded(stage.of_bound),
            }
            for stage in stages
        ],
        "peak_bytes": peak_bytes(),
        "peak_device_bytes": peak_device_bytes(),
        **asdict(sizes),
    }


def _against_bound(stage: Figures) -> str:
    if stage.of_bound is None:
        return ""
    return f"{stage.of_bound:.2f} x the trial's forward + encoder"


def _share(seconds: float, whole: float) -> str:
    return f"{100 * seconds / whole:.0f}%" if whole else ""


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Names to the left, numbers to the right, the last column as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for name, *numbers, last in rows:
        cells = [name.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([*cells, last]).rstrip())
    return lines


def _pairs(*pairs: tuple[str, str]) -> list[str]:
    width = max(len(name) for name, _ in pairs)
    return [f"{name.ljust(width)}  {value}" for name, value in pairs]


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
