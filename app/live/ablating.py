"""What one feature's activation at one token rests on, measured when somebody asks.

The definitions and the code are the job's own: on a stored context, with the settings stored in the
atlas, it measures what the job measured. Takes a request, gives its answer; `pause` is called
between texts and may raise. Knows no queue.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float

from app.live.limits import Limits, LiveError
from app.live.loading import Held, LiveSae
from app.live.protocol import (
    AblationAnswer,
    AblationAsked,
    Block,
    Blocks,
    ContextLeft,
    Effects,
    Minimal,
    Pairs,
    Removal,
)
from app.live.reading import counted, encode, live_sae, rounded, texts, tokenize
from app.precompute.ablation.ablation import Ablation, AblationSettings, ablate
from app.precompute.ablation.combined import remove_blocks, remove_occurrences, remove_pairs
from app.precompute.ablation.context_needed import ContextNeededSettings, context_needed
from app.precompute.ablation.deletions import Deletions
from app.precompute.ablation.minimal import SHARE, minimal_text
from app.precompute.ablation.texts import Example, Mount

Pause = Callable[[], None]


def measure(asked: AblationAsked, held: Held, limits: Limits, pause: Pause) -> AblationAnswer:
    """Everything asked for. LiveError where the text, the feature or the token doesn't exist."""
    sae = live_sae(held, asked.sae, asked.feature_index)
    ids = tokenize(asked, sae, limits)
    activations = _activations(sae, ids, asked.feature_index)
    position = _position(asked, sae, ids, activations)
    mount = Mount(sae.dictionary, sae.hook_name)
    example = Example(asked.feature_index, np.array(ids), position)
    deletions = Deletions(
        sae.model.language_model,
        mount,
        asked.feature_index,
        example.tokens[: position + 1],
        pause,
    )
    window = ablation_settings(sae).window
    wanted = set(asked.measures)
    return AblationAnswer(
        token_ids=ids,
        tokens=texts(sae.model, ids),
        counted=counted(sae.model, ids),
        feature_index=asked.feature_index,
        position=position,
        baseline=deletions.baseline,
        hidden_pre_baseline=deletions.hidden_pre_baseline,
        activations=rounded(activations),
        ablation=_ablation(sae, mount, example, pause) if "ablation" in wanted else None,
        context=_context(sae, mount, example, pause) if "context" in wanted else None,
        blocks=_blocks(deletions, window) if "blocks" in wanted else None,
        pairs=_pairs(deletions) if "pairs" in wanted else None,
        minimal=_minimal(deletions, sae) if "minimal" in wanted else None,
        silent=not deletions.baseline > 0,
    )


def ablation_settings(sae: LiveSae) -> AblationSettings:
    """Those of the job that made the atlas; its defaults where it skipped the stage."""
    stored, default = sae.sae.record.ablation, AblationSettings()
    return AblationSettings(
        int(stored.get("window", default.window)),
        int(stored.get("replacements", default.replacements)),
        int(stored.get("seed", default.seed)),
    )


def _position(
    asked: AblationAsked, sae: LiveSae, ids: list[int], activations: Float[np.ndarray, " pos"]
) -> int:
    """The token asked for, or the counted one on which the feature is strongest."""
    if asked.position is None:
        counts = np.array(counted(sae.model, ids))
        if not counts.any():
            raise LiveError(400, "The text has no token that counts: position 0 never does.")
        return int(np.argmax(np.where(counts, activations, -1)))
    if len(ids) < 2:
        raise LiveError(400, "The text is a single token: nothing stands before it.")
    if not 0 < asked.position < len(ids):
        raise LiveError(
            400,
            f"There is nothing to take away before position {asked.position}: choose one from 1 "
            f"to {len(ids) - 1}.",
        )
    return asked.position


def _activations(sae: LiveSae, ids: list[int], feature_index: int) -> Float[np.ndarray, " pos"]:
    found = sae.model.language_model.activations(torch.tensor([ids]), [sae.hook_name])
    with torch.no_grad():
        acts, _ = encode(sae, found[sae.hook_name][0], [feature_index])
    return acts[:, 0].cpu().double().numpy()


def _ablation(sae: LiveSae, mount: Mount, example: Example, pause: Pause) -> list[Effects]:
    pause()
    (found,) = ablate(
        sae.model.language_model,
        [mount],
        [example],
        sae.pool.occurrences,
        sorted(sae.model.special_ids),
        ablation_settings(sae),
        n_workers=1,
    )
    return [_effects(found.delete), _effects(found.replace)]


def _effects(found: Ablation) -> Effects:
    return Effects(
        mode=found.mode,
        positions=found.positions.tolist(),
        effects=rounded(found.effects),
        hidden_pre_effects=rounded(found.hidden_pre_effects),
    )


def _context(sae: LiveSae, mount: Mount, example: Example, pause: Pause) -> ContextLeft:
    pause()
    stored, default = sae.sae.record.ablation, ContextNeededSettings()
    contexts = sae.pool.contexts
    draws = int(stored.get("context_draws", default.draws)) if contexts is not None else 0
    (found,) = context_needed(
        sae.model.language_model,
        [mount],
        [example],
        np.zeros((0, 1), np.int64) if contexts is None else contexts,
        sae.model.special_ids,
        ContextNeededSettings(draws, int(stored.get("seed", default.seed))),
        sae.pool.lengths,
        n_workers=1,
    )
    return ContextLeft(
        kept=found.kept.tolist(),
        activation_share=_shares(found.activation_share),
        truncated_share=_shares(found.truncated_share),
    )


def _shares(values: Float[np.ndarray, " n"]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in rounded(values)]


def _blocks(deletions: Deletions, window: int) -> Blocks:
    return Blocks(
        occurrences=[
            Removal(
                positions=list(item.positions),
                effect=item.effect,
                hidden_pre_effect=item.hidden_pre_effect,
            )
            for item in remove_occurrences(deletions, window)
        ],
        blocks=[
            Block(
                positions=list(item.positions),
                effect=item.effect,
                hidden_pre_effect=item.hidden_pre_effect,
                parts=item.parts,
                joint=item.joint,
                smallest=item.smallest,
            )
            for item in remove_blocks(deletions, window)
        ],
    )


def _pairs(deletions: Deletions) -> Pairs:
    found = remove_pairs(deletions)
    return Pairs(
        positions=found.positions.tolist(),
        interactions=[rounded(row) for row in found.interactions],
    )


def _minimal(deletions: Deletions, sae: LiveSae) -> Minimal | None:
    found = minimal_text(deletions, sae.model.special_ids)
    if found is None:
        return None
    return Minimal(
        share=SHARE,
        suffix=list(found.suffix),
        suffix_share=found.suffix_share,
        fewest=None if found.fewest is None else list(found.fewest),
        fewest_share=found.fewest_share,
    )
