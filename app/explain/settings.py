"""What decides an explanation and its scores, and the hashes under which both are kept.

What only decides how they are asked for (address, key, timeouts, how many at once) is not here:
changing it asks for nothing again. Knows no endpoint.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from app.explain.prompts.wording import PROMPT_VERSION


@dataclass(frozen=True)
class ExplainSettings:
    """One way of explaining features."""

    explainer: str
    """name of the language model that explains, as the endpoint knows it"""
    scorer: str
    """of the one that scores; may be the same"""
    seed: int = 0
    """of the choice of texts and their order"""
    temperature: float = 0.0
    wants_reading: bool = True
    """the explainer is asked to say the same as a reading, too"""
    wants_scores: bool = True
    texts_per_request: int = 10
    """most texts one scoring request asks about"""

    def explanation_identity(self, corpus_hash: str) -> str:
        """Of everything that decides the words of an explanation, besides the dictionary."""
        return _hash(
            [PROMPT_VERSION, corpus_hash, self.explainer, self.seed, self.temperature,
             self.wants_reading]
        )  # fmt: skip

    def identity(self, corpus_hash: str) -> str:
        """Of everything that decides a label and its scores, besides the dictionary."""
        return _hash([PROMPT_VERSION, corpus_hash, asdict(self)])

    def as_json(self) -> dict[str, Any]:
        """As a run keeps them."""
        return {**asdict(self), "prompt_version": PROMPT_VERSION}


def answer_key(subject: list[Any], step: str, request: dict[str, Any]) -> str:
    """The hash an answer is kept under: whatever differs is asked anew.

    Args:
        subject: model, sae, weights hash, feature_index.
        request: model, messages and temperature, as they are sent.
    """
    return _hash([PROMPT_VERSION, subject, step, request])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
