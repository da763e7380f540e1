"""The JSON twin of a feature's page: all groups, exact numbers, token texts as they are.

Takes a feature's material (with every context read), gives JSON values under the documented keys;
what is not a number is null. More keys may come, none goes. Knows no page.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from app.db.records import ExampleGroup, Group, LocalityPanel
from app.stats.wording import plain
from app.web.pages.examples.near_misses import Sample
from app.web.pages.examples.stored import MODES, measured_at, place_of
from app.web.pages.feature.activation_panel import bin_edges
from app.web.pages.feature.material import Material

_SCALARS = (
    "n_active", "density", "max_activation", "mean_activation", "std_activation", "skewness",
    "kurtosis", "n_contexts_active", "decoder_norm", "threshold", "encoder_decoder_cosine",
    "top_token_id", "top_token_share", "top_token_rate", "context_share", "ablation_token_id",
    "ablation_token_effect", "run_length", "span_fill", "max_logit", "position_zero_n_active",
    "position_zero_max", "region_lift", "near_share", "n_span_switches", "smoothed_share",
    "smoothed_share_shuffled", "nearest_cosine", "times_nearest", "neuron_share", "encoder_norm",
    "delta_ce", "kl", "pair_interaction",
)  # fmt: skip


def feature_json(material: Material) -> dict[str, Any]:
    """Everything known about the feature."""
    sae, record, panels = material.sae, material.record, material.panels
    return {
        "model": sae.record.model,
        "sae": sae.record.sae,
        "feature_index": record.feature_index,
        "hook_name": sae.record.hook_name or None,
        "hook_name_out": sae.record.hook_name_out,
        "summary": {"sentence": plain(record.summary), "short": plain(record.short)},
        "statistics": {
            "n_tokens": sae.corpus.n_tokens,
            "n_contexts": sae.corpus.n_contexts,
            **{name: _value(getattr(record, name)) for name in _SCALARS},
        },
        "activation_histogram": None
        if panels.histogram is None
        else {"edges": bin_edges(panels.histogram), "counts": panels.histogram.counts.tolist()},
        "logit_lens": _logit_lens(material),
        "examples": [
            _example(material, group, row)
            for group, stored in material.groups.items()
            for row in range(stored.context_id.size)
        ],
        "token_statistics": _token_statistics(material),
        "locality": None if panels.locality is None else _locality(panels.locality),
        "places": _places(material),
        "neighbors": _related(material, panels.neighbors, ("feature_index", "cosine_similarity")),
        "coactive": _related(
            material,
            panels.coactive,
            (
                "feature_index",
                "n_joint",
                "jaccard",
                "lift",
                "p_other_given_this",
                "p_this_given_other",
            ),
        ),
        "corpus": {
            "name": sae.corpus.name or None,
            "position_zero": sae.corpus.position_zero or None,
            "first_position": sae.corpus.first_position,
        },
        "imported": None if sae.record.imported is None else asdict(sae.record.imported),
        "ablation_settings": sae.record.ablation,
        "hidden_pre_sample": sae.record.hidden_pre_sample,
    }


def _locality(panel: LocalityPanel) -> dict[str, Any]:
    """The panel, and the share its counts of flicker give."""
    n = panel.n_span_silent
    return _values(asdict(panel)) | {"flicker": panel.n_span_near / n if n else None}


def _logit_lens(material: Material) -> dict[str, Any] | None:
    panel = material.panels.logit_lens
    if panel is None:
        return None
    sae = material.sae.record
    tables = {
        kind: {
            side: [
                {
                    "token_id": token_id,
                    "token": material.token(token_id).token,
                    "logit": _number(logit),
                }
                for token_id, logit in zip(
                    getattr(panel, f"{kind}_{side}_ids").tolist(),
                    getattr(panel, f"{kind}_{side}").tolist(),
                    strict=True,
                )
            ]
            for side in ("positive", "negative")
        }
        for kind in ("raw", "adjusted")
    }
    return {
        **tables,
        "histogram": {
            "edges": _value(panel.histogram_edges),
            "counts": panel.histogram_counts.tolist(),
        },
        **{name: _number(getattr(panel, name)) for name in ("mean", "std", "skewness", "kurtosis")},
        "n_tokens_unproducible": None if sae.imported else sae.n_tokens_unproducible,
        "n_tokens_outlier": None if sae.imported else sae.n_tokens_outlier,
        "linear_path": sae.linear_path or None,
        "mean_final_norm_scale": _value(sae.mean_final_norm_scale),
    }


def _example(material: Material, group: Group, row: int) -> dict[str, Any]:
    stored = material.groups[group]
    context = material.contexts[int(stored.context_id[row])]
    start, stop = int(stored.window_start[row]), int(stored.window_stop[row])
    position = int(stored.position[row])
    token_ids = context.token_ids[start:stop].tolist()
    activations = [0.0] * len(token_ids)
    inside = slice(int(stored.firing_indptr[row]), int(stored.firing_indptr[row + 1]))
    for place, value in zip(
        stored.firing_position[inside].tolist(),
        stored.firing_activation[inside].tolist(),
        strict=True,
    ):
        if start <= place < stop:  # firings of the whole context are stored
            activations[place - start] = value
    document_id = int(context.document_ids[position])
    return {
        "group": group,
        "rank": row + 1,
        "interval": _interval(stored, row),
        "context_id": context.context_id,
        "position": position,
        "document": material.documents.get(document_id),
        "activation": _number(float(stored.activation[row])),
        "hidden_pre": _number(float(stored.hidden_pre[row])),
        "below_firing": _below_firing(material, stored, row),
        "repeats": int(stored.repeats[row]),
        "window_start": start,
        "token_ids": token_ids,
        "tokens": [material.token(i).token for i in token_ids],
        "activations": activations,
        "ablations": _ablations(material, group, row),
        "context_needed": _context_needed(material, group, row),
    }


def _below_firing(material: Material, stored: ExampleGroup, row: int) -> float | None:
    """Of a token on which it is silent, where the feature has a threshold of its own."""
    if stored.activation[row] > 0:
        return None
    below = Sample.of(material.sae, material.record).below(float(stored.hidden_pre[row]))
    return None if below is None else _number(below)


def _interval(stored: ExampleGroup, row: int) -> dict[str, Any] | None:
    band = int(stored.band[row])
    if band < 0:
        return None
    n_active = int(stored.band_n_active[band])
    return {
        "low": _number(float(stored.band_low[band])),
        "high": _number(float(stored.band_high[band])),
        "share": _number(float(stored.band_share[band])),
        "n_active": None if n_active < 0 else n_active,
    }


def _ablations(material: Material, group: Group, row: int) -> list[dict[str, Any]]:
    ablations = material.ablations.get(group)
    place = None if ablations is None else place_of(ablations, row)
    if ablations is None or place is None:
        return []
    found = []
    for mode in MODES:
        measured = measured_at(ablations, place, mode)
        if measured.position.size:
            found.append(
                {
                    "mode": mode,
                    "baseline": _number(float(ablations.baseline[place])),
                    "hidden_pre_baseline": _number(float(ablations.hidden_pre_baseline[place])),
                    "positions": measured.position.tolist(),
                    "effects": _value(measured.effect),
                    "hidden_pre_effects": _value(measured.hidden_pre_effect),
                }
            )
    return found


def _context_needed(material: Material, group: Group, row: int) -> dict[str, Any] | None:
    ablations = material.ablations.get(group)
    place = None if ablations is None else place_of(ablations, row)
    if ablations is None or place is None:
        return None
    return {
        "kept": ablations.kept.tolist(),
        "activation_share": _value(ablations.context_filled[place]),
        "activation_share_truncated": _value(ablations.context_truncated[place]),
    }


def _token_statistics(material: Material) -> list[dict[str, Any]]:
    panel = material.panels.tokens
    if panel is None:
        return []
    rows = zip(
        panel.token_id.tolist(),
        panel.n_active.tolist(),
        panel.n_occurrences.tolist(),
        panel.share.tolist(),
        panel.mean.tolist(),
        panel.max.tolist(),
        strict=True,
    )
    return [
        {
            "token_id": token_id,
            "token": material.token(token_id).token,
            "n_active": n_active,
            "n_occurrences": n_occurrences,
            "rate": n_active / n_occurrences if n_occurrences else None,
            "share": _number(share),
            "mean": _number(mean),
            "max": _number(maximum),
        }
        for token_id, n_active, n_occurrences, share, mean, maximum in rows
    ]


def _places(material: Material) -> dict[str, Any] | None:
    panel = material.panels.places
    if panel is None:
        return None
    return {
        "position_n_active": panel.position_n_active.tolist(),
        "position_n_tokens": panel.position_n_tokens.tolist(),
        "n_documents_active": panel.n_documents_active,
        "documents": [
            {
                "document": material.documents.get(document_id),
                "n_active": n_active,
                "n_tokens": n_tokens,
            }
            for document_id, n_active, n_tokens in zip(
                panel.document_id.tolist(),
                panel.document_n_active.tolist(),
                panel.document_n_tokens.tolist(),
                strict=True,
            )
        ],
    }


def _related(
    material: Material, panel: object | None, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The rows of a panel of other features, each with its short form."""
    rows = _rows(panel, names)
    for row in rows:
        short = material.related.get(row["feature_index"])
        row["short"] = None if short is None else plain(short)
    return rows


def _rows(panel: object | None, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Parallel arrays of a record as one object per row."""
    if panel is None:
        return []
    columns = [_value(getattr(panel, name)) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(record: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in record.items()}


def _value(value: Any) -> Any:
    """Arrays as lists, NaN as None, everything else as it is."""
    if isinstance(value, np.ndarray):
        return [_number(item) for item in value.tolist()]
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return value if isinstance(value, int) or math.isfinite(value) else None
