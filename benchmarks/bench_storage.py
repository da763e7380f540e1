"""Bytes a feature takes in a finished atlas, table by table, against 8,192.

Builds an invented atlas with the settings the limit is stated for (262k tokens in contexts of 128,
20 top + 25 interval + 25 quantile + 10 silent examples with windows of 64 tokens, ablated text) or
takes one there is (`--atlas`). Pages of the file are counted, so that what SQLite leaves empty
counts too. Contexts, the words in them and event files are whole-corpus content and stand apart, as
does the file of decoder rows. Then what packing, writing and reading cost, as processor time.
Writes the section "Storage" of RESULTS.md.
"""

import argparse
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.db.catalog import list_saes
from app.db.directions import decoders_folder
from app.db.engine import open_atlas
from app.db.examples import get_groups
from app.db.features import get_panels
from app.db.stored.ablations import pack_ablations
from app.db.stored.examples import pack_examples
from app.db.stored.panels import pack_panels
from app.demo.synthetic import build_synthetic_atlas
from benchmarks.results import table, write_section

LIMIT = 8_192
N_FEATURES = 4_096
D_VOCAB = 4_096
N_CONTEXTS, CONTEXT_SIZE = 2_048, 128
SCATTERED = 0.3
"""Share of firings on tokens of all kinds: about what a real dictionary of this size has."""

GROUPS = {
    "panels": ("feature_panel",),
    "examples and ablated text": ("feature_example",),
    "token rankings": ("token_ranking",),
    "scalars and summary": ("feature",),
    "search": ("example_places", "feature_tokens", "summary_word"),
    "vocabulary, map, names": (),
}
"""Tables of each row; those named nowhere are in the last."""
WHOLE_CORPUS = ("context", "text_word", "text_layout", "document")
STORED_PRECISION = (
    "Firings are exact; logits, lifts, shares, means, effects and the pre-activations of silent "
    "tokens keep 16 significant bits (effects of their example's baseline), off by less than "
    "0.0016%."
)
"""What is lost, for people."""


def main() -> None:
    """Builds or opens, measures, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, help="an atlas to measure instead of an invented one")
    parser.add_argument("--features", type=int, default=N_FEATURES)
    options = parser.parse_args()
    if options.atlas is not None:
        body = section(options.atlas, options.atlas.name)
        print(body)
        return
    with TemporaryDirectory() as folder:
        path = build(Path(folder) / "atlas.db", options.features)
        body = section(path, f"An invented atlas of {options.features:,} features")
    print(body)
    write_section("Storage: `python -m benchmarks.bench_storage`", body)


def build(path: Path, n_features: int) -> Path:
    """The invented atlas; two to three minutes for 4,096 features."""
    return build_synthetic_atlas(
        path, n_features, D_VOCAB, N_CONTEXTS, CONTEXT_SIZE, saes=("one",), scattered=SCATTERED
    )


def section(path: Path, name: str) -> str:
    """The table of an atlas, what it leaves out, and the times."""
    sizes, n_features = table_sizes(path), count_features(path)
    named = {one for tables in (*GROUPS.values(), WHOLE_CORPUS) for one in tables}
    rest = tuple(one for one in sizes if one not in named)
    rows = [
        (group, sum(sizes.get(one, 0) for one in tables or rest) / n_features)
        for group, tables in GROUPS.items()
    ]
    total = sum(size for _, size in rows)
    whole = sum(sizes.get(one, 0) for one in WHOLE_CORPUS) / n_features
    decoders = sum(one.stat().st_size for one in decoders_folder(path).glob("*")) / n_features
    lines = [(group, f"{size:,.0f}") for group, size in rows]
    lines.append(("**together**", f"**{total:,.0f}**"))
    verdict = "within" if total <= LIMIT else "over"
    return "\n\n".join(
        [
            f"{name}: {total:,.0f} bytes a feature, {verdict} {LIMIT:,}.",
            table(("part of the file", "bytes a feature"), lines),
            f"Not counted: whole contexts and their words {whole:,.0f}, decoder rows beside the "
            f"atlas {decoders:,.0f} bytes a feature; event files. {STORED_PRECISION}",
            _times(path),
        ]
    )


def table_sizes(path: Path) -> dict[str, int]:
    """Bytes of all pages of each table, its indexes with it.

    Raises:
        SystemExit: this SQLite was built without its `dbstat` table.
    """
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return dict(
            connection.execute(
                "SELECT coalesce(item.tbl_name, dbstat.name), sum(pgsize) FROM dbstat "
                "LEFT JOIN sqlite_schema AS item ON item.name = dbstat.name GROUP BY 1"
            )
        )
    except sqlite3.OperationalError as error:
        raise SystemExit(f"This SQLite can't count its pages ({error}).") from error
    finally:
        connection.close()


def count_features(path: Path) -> int:
    """Features of all dictionaries."""
    with open_atlas(path).connect() as connection:
        return sum(sae.record.n_features for sae in list_saes(connection))


def _times(path: Path) -> str:
    """Processor time to read a feature's panels and examples back, and to pack them again."""
    with open_atlas(path).connect() as connection:
        sae = list_saes(connection)[0]
        sae_id, n_features = sae.sae_id, sae.record.n_features
        chosen = range(0, n_features, max(1, n_features // 500))
        panels = [get_panels(connection, sae_id, index) for index in chosen]
        groups = [get_groups(connection, sae_id, index) for index in chosen]
        read_panels = _milliseconds(lambda i: get_panels(connection, sae_id, i), chosen)
        read_groups = _milliseconds(lambda i: get_groups(connection, sae_id, i), chosen)
    examples = [{name: found for name, (found, _) in group.items()} for group in groups]
    ablations = [
        {name: found for name, (_, found) in group.items() if found} for group in groups
    ]  # fmt: skip
    rows = [
        ("panels", _packing(pack_panels, panels), read_panels),
        ("examples", _packing(pack_examples, examples), None),
        ("ablated text", _packing(pack_ablations, ablations), None),
        ("all groups with their ablated text", None, read_groups),
    ]
    return table(
        ("of one feature", "pack, ms", "query and unpack, ms"),
        [(name, _shown(pack), _shown(read)) for name, pack, read in rows],
    )


def _packing(pack: Callable[[list[Any]], list[bytes]], features: list[Any]) -> float:
    """The least time of three rounds for all features together, a feature's share."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        pack(features)
        rounds.append((time.process_time() - start) / len(features) * 1e3)
    return min(rounds)


def _milliseconds(call: Callable[[Any], object], items: Sequence[Any]) -> float:
    """The least mean of three rounds over all items."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for item in items:
            call(item)
        rounds.append((time.process_time() - start) / len(items) * 1e3)
    return min(rounds)


def _shown(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.2f}"


if __name__ == "__main__":
    main()
