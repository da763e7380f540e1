"""The table `examples`: one row a text of a feature, with its window and its ablated text."""

from collections.abc import Iterator
from typing import Any

from app.exchange.reader.records import Ablation, Example, Feature
from app.exchange.tables.columns import FEATURE_KEY, Column, Row, Table, key_of

_ACTIVATION, _POSITION = "activation", "position in the context, from 0"

_ABLATION = (
    Column("ablation_baseline", "float", _ACTIVATION, "at the peak without a change"),
    Column("ablation_hidden_pre", "float", "hidden_pre", "the same before the threshold"),
    Column("delete_positions", "ints", _POSITION, "of the tokens deleted, one at a time"),
    Column("delete_effects", "floats", _ACTIVATION, "at the peak: with the deletion minus without"),
    Column("delete_hidden_pre_effects", "floats", "hidden_pre", "the same before the threshold"),
    Column("replace_positions", "ints", _POSITION, "of the tokens replaced, one at a time"),
    Column("replace_effects", "floats", _ACTIVATION, "with the replacement minus without"),
    Column("replace_hidden_pre_effects", "floats", "hidden_pre", "the same before the threshold"),
    Column("context_kept", "ints", "tokens", "before the peak that keep their places"),
    Column("context_filled", "floats", "share of the baseline", "left when the text before is "
           "filled from other contexts; NaN where not measured"),
    Column("context_truncated", "floats", "share of the baseline", "left when it is cut off"),
)  # fmt: skip

COLUMNS = (
    *FEATURE_KEY,
    Column("group", "text", "", "top, interval, quantile, silent or near"),
    Column("rank", "int", "", "place in the group, from 0"),
    Column("context_id", "int", "", "row of the corpus array; of an import by order of "
           "appearance"),
    Column("document", "text", "", "name of what the token stands in"),
    Column("position", "int", _POSITION, "of the token it was chosen for; null where imported "
           "files don't say where texts begin"),
    Column("activation", "float", _ACTIVATION, "there; 0 for silent examples and near misses"),
    Column("hidden_pre", "float", "hidden_pre", "pre-activation there"),
    Column("band", "int", "", "of the interval or quantile, from 0 for the weakest"),
    Column("band_low", "float", _ACTIVATION, "lower end; exclusive (interval), inclusive "
           "(quantile)"),
    Column("band_high", "float", _ACTIVATION, "upper end, inclusive"),
    Column("band_n_active", "int", "tokens", "firings in the band"),
    Column("band_share", "float", "share, 0 to 1", "of the feature's firings in the band"),
    Column("repeats", "int", "contexts", "whose window up to the peak is the same"),
    Column("window_start", "int", _POSITION, "of the first token listed; likewise"),
    Column("window_index", "int", "", "of the token it was chosen for, in the lists, from 0"),
    Column("token_ids", "ints", "", "of the window; null where imported files give none"),
    Column("tokens", "texts", "", "of the window; bytes that are no text alone as \\xNN"),
    Column("activations", "floats", _ACTIVATION, "on the tokens of the window"),
    *_ABLATION,
)  # fmt: skip


def _rows(feature: Feature) -> Iterator[Row]:
    key = key_of(feature)
    return ({**key, **example_row(example)} for example in feature.examples)


def example_row(example: Example) -> dict[str, Any]:
    """The values of one text, without the feature's key."""
    band = example.band
    return {
        "group": example.group,
        "rank": example.rank,
        "context_id": example.context.context_id,
        "document": example.document,
        "position": example.position,
        "activation": example.activation,
        "hidden_pre": example.hidden_pre,
        "band": None if band is None else band.number,
        "band_low": None if band is None else band.low,
        "band_high": None if band is None else band.high,
        "band_n_active": None if band is None else band.n_active,
        "band_share": None if band is None else band.share,
        "repeats": example.repeats,
        "window_start": example.window_position,
        "window_index": example.token_index - example.window_start,
        "token_ids": _given(example.token_ids),
        "tokens": list(example.tokens),
        "activations": example.activations,
        **_ablation(example.ablation),
    }


def _given(token_ids: tuple[int | None, ...]) -> list[int | None] | None:
    """None where none is known."""
    return None if set(token_ids) == {None} else list(token_ids)


def _ablation(found: Ablation | None) -> dict[str, Any]:
    if found is None:
        return {column.name: None for column in _ABLATION}
    return {
        "ablation_baseline": found.baseline,
        "ablation_hidden_pre": found.hidden_pre_baseline,
        "delete_positions": found.delete.positions.tolist(),
        "delete_effects": found.delete.activation,
        "delete_hidden_pre_effects": found.delete.hidden_pre,
        "replace_positions": found.replace.positions.tolist(),
        "replace_effects": found.replace.activation,
        "replace_hidden_pre_effects": found.replace.hidden_pre,
        "context_kept": found.kept.tolist(),
        "context_filled": found.context_filled,
        "context_truncated": found.context_truncated,
    }


EXAMPLES = Table("examples", "One row a text, group by group in rank order.", COLUMNS, _rows)
