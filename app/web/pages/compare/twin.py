"""The JSON twin of a comparison: exact numbers, what is not known is null.

Takes the features' material and what was counted of pairs, tokens and texts. Token texts of the
windows are those of the feature pages, by id. Knows no page.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.db.catalog import Sae
from app.stats.wording import plain
from app.web.pages.compare.contexts import ComparedText
from app.web.pages.compare.pairs import Pairs
from app.web.pages.compare.tokens import ComparedTokens
from app.web.pages.feature.activation_panel import bin_edges
from app.web.pages.feature.material import Material


def compare_json(
    sae: Sae,
    materials: Sequence[Material],
    pairs: Pairs,
    tokens: ComparedTokens,
    texts: Sequence[ComparedText],
) -> dict[str, Any]:
    """Everything the page compares."""
    return {
        "model": sae.record.model,
        "sae": sae.record.sae,
        "features": [_feature_json(material) for material in materials],
        "pairs": [
            {
                name: None if isinstance(value, float) and math.isnan(value) else value
                for name, value in asdict(pair).items()
            }
            for pair in pairs.rows
        ],
        "pairs_n_tokens": pairs.n_tokens,
        "pairs_exact": pairs.exact,
        "shared_tokens": [
            {
                "token_id": row.token.token_id,
                "token": row.token.token,
                "shares": _shares(materials, row.token.token_id),
            }
            for row in tokens.shared
        ],
        "texts": [_text_json(item) for item in texts],
    }


def _feature_json(material: Material) -> dict[str, Any]:
    record, histogram = material.record, material.panels.histogram
    return {
        "sae": material.sae.record.sae,
        "feature_index": record.feature_index,
        "summary": {"sentence": plain(record.summary), "short": plain(record.short)},
        "n_active": record.n_active,
        "density": record.density,
        "max_activation": record.max_activation,
        "activation_histogram": None
        if histogram is None
        else {"edges": bin_edges(histogram), "counts": histogram.counts.tolist()},
    }


def _shares(materials: Sequence[Material], token_id: int) -> list[float | None]:
    """By feature: the token's share of its activation; null where it isn't listed."""
    found: list[float | None] = []
    for material in materials:
        panel = material.panels.tokens
        places = [] if panel is None else (panel.token_id == token_id).nonzero()[0]
        found.append(None if panel is None or len(places) == 0 else float(panel.share[places[0]]))
    return found


def _text_json(item: ComparedText) -> dict[str, Any]:
    n = len(item.token_ids)
    return {
        "sae": item.sae.record.sae,
        "feature_index": item.feature_index,
        "context_id": item.context_id,
        "position": item.position,
        "window_start": item.start,
        "token_ids": item.token_ids,
        "activations": {
            str(line.named): [line.values.get(item.start + i, 0.0) for i in range(n)]
            if line.known
            else None
            for line in item.lines
        },
    }
