"""The twin's key `reading`: a tested reading as exact numbers and places.

Takes the panel, gives JSON values; None where no reading was asked. Knows no page.
"""

from typing import Any

from app.web.pages.reading.answer import Answer, PartMeaning, TokenShare
from app.web.pages.reading.cases import CaseWindow
from app.web.pages.reading.panel import ReadingPanel


def reading_json(panel: ReadingPanel) -> dict[str, Any] | None:
    """The answer, or why there is none."""
    if panel.absent:
        return {"text": panel.typed, "absent": panel.absent}
    return None if panel.answer is None else {"text": panel.typed, **_answer(panel.answer)}


def _answer(answer: Answer) -> dict[str, Any]:
    score = answer.score
    return {
        "n_tokens": score.n_tokens,
        "n_contexts": answer.n_contexts,
        "n_contexts_all": answer.n_contexts_all,
        "n_says_yes": score.n_says_yes,
        "n_fires": score.n_fires,
        "n_both": score.n_both,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "density": score.density,
        "activation_mass": score.mass,
        "activation_mass_both": score.mass_both,
        "activation_mass_share": score.mass_share,
        "bands": {
            "edges": score.band_edges,
            "n_fires": score.band_n_fires,
            "n_both": score.band_n_both,
        },
        "parts": [_part(part) for part in answer.parts],
        "fires_though_no": [_case(case) for case in answer.missed],
        "silent_though_yes": [_case(case) for case in answer.silent],
        "fires_and_yes": [_case(case) for case in answer.hits],
        "fires_though_no_tokens": [_token(side) for side in answer.missed_tokens],
        "silent_though_yes_tokens": [_token(side) for side in answer.silent_tokens],
    }


def _part(part: PartMeaning) -> dict[str, Any]:
    return {
        "text": part.source,
        "kind": part.kind,
        "n_places": part.n_places,
        "n_token_ids": part.n_token_ids,
        "tokens": [
            {"token_id": token.token_id, "token": token.token, "n_places": n}
            for token, n in part.tokens
        ],
    }


def _token(side: TokenShare) -> dict[str, Any]:
    return {
        "token_id": side.token.token_id,
        "token": side.token.token,
        "n_counterexamples": side.n,
        "n_same_answer": side.n_of,
    }


def _case(case: CaseWindow) -> dict[str, Any]:
    window = case.window
    return {
        "context_id": case.context_id,
        "position": window.peak,
        "document": case.document,
        "activation": case.activation,
        "window_start": window.start,
        "token_ids": [token.token_id for token in window.tokens],
        "tokens": [token.token for token in window.tokens],
        "activations": [
            window.activations.get(window.start + i, 0.0) for i in range(len(window.tokens))
        ],
    }
