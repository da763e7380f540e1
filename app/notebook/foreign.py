"""Explanations written elsewhere, as labels: what a line must hold and what it becomes.

    {"model": "…", "sae": "…", "feature_index": 12, "text": "…", "source": "…"}

and, where there is more: `explainer` (the language model), `prompt_version`, `score`,
`score_kind`, `reading`, `author`, `created_at`. The names of Neuronpedia's exports are known as
well. Takes the line's object, gives a label whose uid its content decides, so that importing it
again changes nothing. Knows no table.
"""

import json
import math
import uuid
from collections.abc import Callable
from typing import Any

from app.notebook.errors import NotAllowed
from app.notebook.limits import checked_line
from app.notebook.plausible import TIME, check_fields
from app.notebook.records import Label
from app.notebook.things import now

FindHash = Callable[[str, str, int], str]
"""From model, sae and feature_index to the weights hash; raises NotAllowed where there is none."""

_OTHER_NAMES = {
    "description": "text",
    "index": "feature_index",
    "explanationModelName": "explainer",
    "typeName": "prompt_version",
}
"""Neuronpedia's names, where they differ; its model and layer ids are other addresses than ours."""
_KNOWN = {
    "model", "sae", "feature_index", "weights_hash", "text", "reading", "source", "explainer",
    "prompt_version", "score", "score_kind", "author", "created_at",
}  # fmt: skip
_NAMESPACE = uuid.UUID("5c1f9d7e-7a52-4f0c-9b63-3f1f6f6a2d11")


def is_foreign(value: dict[str, Any]) -> bool:
    """Whether a line was not written by an export of a notebook."""
    return "uid" not in value


def label_from_elsewhere(value: dict[str, Any], source: str, find_hash: FindHash) -> Label:
    """The label a line becomes; fields that aren't known are left out.

    Args:
        source: for a line that names none.

    Raises:
        NotAllowed: a field is missing or can't be used.
    """
    value = {_OTHER_NAMES.get(name, name): held for name, held in value.items()}
    value = {name: held for name, held in value.items() if name in _KNOWN and held is not None}
    index = _index(value.get("feature_index"))
    if not value.get("model") or not value.get("sae"):
        raise NotAllowed("it names no model and sae: give them with --sae MODEL/SAE.")
    model, sae = _text(value, "model", "name", True), _text(value, "sae", "name", True)
    given = {
        "text": _text(value, "text", "label", True),
        "reading": _text(value, "reading", "reading", False),
        "source": _text({"source": source} | value, "source", "source", True),
        "explainer": _text(value, "explainer", "source", False),
        "prompt_version": _text(value, "prompt_version", "source", False),
        "score_kind": _text(value, "score_kind", "source", False),
        "score": _score(value.get("score")),
    }
    weights_hash = str(value.get("weights_hash", "")) or find_hash(model, sae, index)
    author = _text({"author": given["source"]} | value, "author", "source", True)
    identity = json.dumps([model, sae, index, weights_hash, author, given], sort_keys=True)
    at = str(value.get("created_at", ""))
    at = at if TIME.fullmatch(at) else now()
    label = Label(
        uid=uuid.uuid5(_NAMESPACE, identity).hex,
        version=1,
        author=author,
        created_at=at,
        changed_by=author,
        changed_at=at,
        withdrawn=False,
        model=model,
        sae=sae,
        feature_index=index,
        weights_hash=weights_hash,
        **given,
    )
    check_fields("label", vars(label))
    return label


def _text(value: dict[str, Any], name: str, kind: str, required: bool) -> str:
    held = value.get(name, "")
    if not isinstance(held, str):
        raise NotAllowed(f"its {name} is no text.")
    if required and not held.strip():
        raise NotAllowed(f"it has no {name}.")
    return checked_line(kind, held, required)


def _index(held: Any) -> int:
    if isinstance(held, str) and held.isascii() and held.isdecimal() and len(held) < 10:
        held = int(held)
    if isinstance(held, bool) or not isinstance(held, int) or not 0 <= held < 2**31:
        raise NotAllowed("its feature_index is no number of a feature.")
    return held


def _score(held: Any) -> float | None:
    if held is None:
        return None
    if isinstance(held, bool) or not isinstance(held, int | float) or not math.isfinite(held):
        raise NotAllowed("its score is no number.")
    return float(held)
