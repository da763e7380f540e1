"""Texts run through the model once: activations on every token, what it expected, what fires.

Takes requests of both kinds and runs those that came together as one padded pass. Gives an answer
for each. Knows no queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from app.live.limits import Limits, LiveError
from app.live.loading import Held, LiveModel, LiveSae
from app.live.protocol import (
    ActivationsAnswer,
    ActivationsAsked,
    Asked,
    FeatureRead,
    Prediction,
    TopAnswer,
    TopAsked,
    TopFeature,
)
from app.precompute.model.forward import Visitor

LOGIT_ELEMENTS = 2**25
"""Most logits of one pass, 128 MB; a single text may be longer."""

DECIMALS = 6
"""Numbers are told to so many significant digits, which is what float32 holds."""


@dataclass(frozen=True)
class Prepared:
    """A request whose text is tokenized and whose dictionaries are found."""

    asked: Asked
    saes: list[LiveSae]
    token_ids: list[int]

    @property
    def model(self) -> LiveModel:
        return self.saes[0].model


def live_sae(held: Held, address: str, feature_index: int = 0) -> LiveSae:
    """The dictionary at an address, which has this feature. LiveError where there is none."""
    if address not in held.saes:
        reason = "is not at hand" if address in held.absent else "is not in the atlas"
        raise LiveError(
            404, f"The dictionary {address} {reason}: live are {', '.join(held.saes) or 'none'}."
        )
    found = held.saes[address]
    if feature_index >= found.sae.record.n_features:
        last = found.sae.record.n_features - 1
        raise LiveError(
            404, f"{address} has no feature {feature_index}: it has features 0 to {last:,}."
        )
    return found


def tokenize(asked: Asked, sae: LiveSae, limits: Limits) -> list[int]:
    """What the model reads. LiveError where it is nothing, too long, or has unknown ids."""
    model = sae.model.language_model
    if asked.token_ids is not None:
        ids = list(asked.token_ids)
        if ids and max(ids) >= model.d_vocab:
            raise LiveError(
                400, f"There is no token {max(ids)}: the model has 0 to {model.d_vocab - 1:,}."
            )
    else:
        ids = model.tokenizer(asked.text, add_special_tokens=False, verbose=False)["input_ids"]
        if sae.sae.corpus.prepend_bos and sae.model.bos_id is not None:
            ids = [sae.model.bos_id, *ids]
    longest = min(limits.tokens, model.n_ctx)
    if len(ids) > longest:
        reason = "is as much as the model takes" if longest == model.n_ctx else "is the limit here"
        raise LiveError(
            413, f"The text has {len(ids):,} tokens and {longest:,} {reason}: shorten it."
        )
    if not ids:
        raise LiveError(400, "The text is empty: give at least one character.")
    return ids


def counted(model: LiveModel, token_ids: Sequence[int]) -> list[bool]:
    """Which tokens the atlas' statistics would count."""
    return [i > 0 and token not in model.special_ids for i, token in enumerate(token_ids)]


def texts(model: LiveModel, token_ids: Sequence[int]) -> list[str]:
    """The exact text of each token."""
    return [model.tokens[i] for i in token_ids]


def prepare(asked: Asked, held: Held, limits: Limits) -> Prepared:
    """A request ready to run. LiveError where it can't be."""
    if isinstance(asked, ActivationsAsked):
        saes = [live_sae(held, asked.sae, max(asked.features))]
    else:
        assert isinstance(asked, TopAsked)
        saes = [live_sae(held, address) for address in dict.fromkeys(asked.saes)]
    if len({id(sae.model) for sae in saes}) > 1:
        raise LiveError(400, "Dictionaries of different models read different tokens: ask apart.")
    ids = tokenize(asked, saes[0], limits)
    if isinstance(asked, ActivationsAsked) and asked.at is not None and asked.at >= len(ids):
        raise LiveError(400, f"There is no position {asked.at}: the text has {len(ids)} tokens.")
    if isinstance(asked, TopAsked):
        _span(asked, len(ids))
    return Prepared(asked, saes, ids)


def _span(asked: TopAsked, n: int) -> tuple[int, int]:
    """First position and the one behind the last. LiveError where the text has no such span."""
    start, stop = asked.start or 0, n if asked.stop is None else asked.stop
    if not start < stop <= n:
        raise LiveError(
            400, f"There is no span {start} to {stop}: the text has {n} tokens, from 0 on."
        )
    return start, stop


@torch.no_grad()
def run(batch: Sequence[Prepared]) -> list[ActivationsAnswer | TopAnswer]:
    """The answers, in order. All are of one model; short texts are padded on the right."""
    model = batch[0].model.language_model
    hooks = list(dict.fromkeys(sae.hook_name for item in batch for sae in item.saes))
    width = max(len(item.token_ids) for item in batch)
    tokens = torch.zeros(len(batch), width, dtype=torch.long)
    for row, item in zip(tokens, batch, strict=True):
        row[: len(item.token_ids)] = torch.tensor(item.token_ids)
    if any(isinstance(item.asked, ActivationsAsked) for item in batch):
        found, logits = _with_logits(item_model=batch[0].model, tokens=tokens, hooks=hooks)
    else:
        found, logits = model.activations(tokens, hooks), None
    answers: list[ActivationsAnswer | TopAnswer] = []
    for row, item in enumerate(batch):
        n = len(item.token_ids)
        own = {name: values[row, :n] for name, values in found.items()}
        if isinstance(item.asked, ActivationsAsked):
            assert logits is not None
            answers.append(_activations(item, item.asked, own, logits[row, :n]))
        else:
            assert isinstance(item.asked, TopAsked)
            answers.append(_top(item, item.asked, own))
    return answers


def fits(batch: Sequence[Prepared], further: Prepared) -> bool:
    """Whether one more request can share the pass."""
    if further.model is not batch[0].model:
        return False
    width = max(len(item.token_ids) for item in [*batch, further])
    return (len(batch) + 1) * width * further.model.language_model.d_vocab <= LOGIT_ELEMENTS


def rounded(values: Tensor | np.ndarray) -> list[float]:
    """Numbers as JSON tells them."""
    array = values.detach().float().cpu().numpy() if isinstance(values, Tensor) else values
    return [float(f"{value:.{DECIMALS + 1}g}") for value in array.tolist()]


def _with_logits(
    item_model: LiveModel, tokens: Tensor, hooks: list[str]
) -> tuple[dict[str, Tensor], Tensor]:
    found: dict[str, Tensor] = {}

    def reader(name: str) -> Visitor:
        def visit(activation: Tensor) -> None:
            found[name] = activation.detach().flatten(start_dim=2)

        return visit

    logits = item_model.language_model.logits(tokens, {name: reader(name) for name in hooks})
    return found, logits


def _activations(
    item: Prepared,
    asked: ActivationsAsked,
    found: dict[str, Float[Tensor, "pos _d_in"]],
    logits: Float[Tensor, "pos d_vocab"],
) -> ActivationsAnswer:
    (sae,) = item.saes
    acts, hidden_pre = encode(sae, found[sae.hook_name], asked.features)
    at = len(item.token_ids) - 1 if asked.at is None else asked.at
    following = torch.tensor(item.token_ids[1:], device=logits.device)
    scores = logits[:-1].float()
    log_probs = scores.gather(1, following[:, None])[:, 0] - scores.logsumexp(dim=1)
    k = min(asked.n_predictions, logits.shape[1])
    best = logits[at].float().log_softmax(dim=0).topk(k)
    predictions = zip(best.indices.tolist(), rounded(best.values), strict=True)
    return ActivationsAnswer(
        token_ids=item.token_ids,
        tokens=texts(item.model, item.token_ids),
        counted=counted(item.model, item.token_ids),
        log_probs=[None, *rounded(log_probs)],
        features=[
            FeatureRead(
                feature_index=index,
                activations=rounded(acts[:, column]),
                hidden_pre=rounded(hidden_pre[:, column]),
            )
            for column, index in enumerate(asked.features)
        ],
        at=at,
        predictions=[
            Prediction(token_id=i, token=item.model.tokens[i], log_prob=value)
            for i, value in predictions
        ],
    )


def encode(
    sae: LiveSae, x: Float[Tensor, "pos d_in"], features: Sequence[int]
) -> tuple[Float[Tensor, "pos n"], Float[Tensor, "pos n"]]:
    """(feature_acts, hidden_pre) of some features on every token."""
    own = x.to(sae.dictionary.W_enc.device).float()
    return sae.dictionary.encode_features(own, torch.tensor(list(features)))


def _top(
    item: Prepared, asked: TopAsked, found: dict[str, Float[Tensor, "pos _d_in"]]
) -> TopAnswer:
    start, stop = _span(asked, len(item.token_ids))
    counts = counted(item.model, item.token_ids)
    places = [i for i in range(start, stop) if counts[i]]
    n_firing = n_dense = 0
    listed: list[TopFeature] = []
    for sae in item.saes if places else []:
        x = found[sae.hook_name][torch.tensor(places)]
        acts = sae.dictionary.encode(x.to(sae.dictionary.W_enc.device).float()).float().cpu()
        strongest, where = (part.numpy() for part in acts.max(dim=0))
        firing = np.flatnonzero(strongest > 0)
        dense = sae.density[firing] > asked.max_density
        n_firing += len(firing)
        n_dense += int(dense.sum())
        kept = firing[~dense]
        share = strongest[kept] / sae.max_activation[kept]
        order = np.lexsort((kept, -strongest[kept], *_key(asked, sae, kept, strongest, share)))
        n_on = (acts > 0).sum(dim=0).numpy()
        for i in order[: asked.size].tolist():
            index = int(kept[i])
            listed.append(
                TopFeature(
                    sae=sae.sae.address,
                    feature_index=index,
                    activation=float(strongest[index]),
                    position=places[int(where[index])],
                    share=float(share[i]) if np.isfinite(share[i]) else None,
                    density=float(sae.density[index]),
                    n_positions=int(n_on[index]),
                )
            )
    return TopAnswer(
        token_ids=item.token_ids,
        tokens=texts(item.model, item.token_ids),
        counted=counts,
        start=start,
        stop=stop,
        n_firing=n_firing,
        n_dense=n_dense,
        features=sorted(listed, key=lambda found: _rank(asked, found))[: asked.size],
    )


def _key(
    asked: TopAsked, sae: LiveSae, kept: np.ndarray, strongest: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, ...]:
    """What comes first in the order, for `lexsort`: smaller is earlier."""
    if asked.sort == "share":
        return (-np.nan_to_num(share, nan=-1.0, posinf=-1.0),)
    if asked.sort == "rarity":
        return (sae.density[kept],)
    return ()


def _rank(asked: TopAsked, found: TopFeature) -> tuple[float, float, str, int]:
    """The same over several dictionaries; ties by address and feature_index."""
    share = -1.0 if found.share is None else found.share
    first = {"activation": -found.activation, "share": -share, "rarity": found.density}[asked.sort]
    return first, -found.activation, found.sae, found.feature_index
