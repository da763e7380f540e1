"""A text continued twice: by the model as it is, and with some features held or pushed.

A change of one unit of a feature's activation is its decoder row in the model's own scale (a
per-token normalisation undone with that token's statistics), added to the activation that the
dictionary writes: everything else there, the dictionary's error too, stays as it was. A
transcoder's activation is measured where it reads, in the same pass. `clamp` adds what is missing
to the wanted activation. Takes a request, gives its answer; `pause` is called before every token
and may raise. Knows no queue.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.live.limits import Limits, LiveError
from app.live.loading import Held, LiveModel, LiveSae
from app.live.protocol import Change, SteerAnswer, SteerAsked, Written
from app.live.reading import counted, live_sae, rounded, texts, tokenize
from app.precompute.model.forward import Visitor


@torch.no_grad()
def steer(asked: SteerAsked, held: Held, limits: Limits, pause: Callable[[], None]) -> SteerAnswer:
    """Both continuations with the log-probabilities of either model under each token.

    Both draw with the same random numbers, each token where a number falls in the cumulated
    probabilities, so that they differ by what was changed alone. LiveError where a feature, or
    room for another token, is missing.
    """
    saes = [live_sae(held, change.sae, change.feature_index) for change in asked.changes]
    if len({id(sae.model) for sae in saes}) > 1:
        raise LiveError(400, "Features of different models can't be changed at once: ask apart.")
    model = saes[0].model
    prompt = tokenize(asked, saes[0], limits)
    n_new = min(asked.n_tokens, limits.new_tokens, model.language_model.n_ctx - len(prompt))
    if n_new < 1:
        raise LiveError(
            413,
            f"The text has {len(prompt):,} tokens, which leaves the model no room to write: "
            "shorten it.",
        )
    first = len(prompt) - 1 if asked.positions == "end" else 1
    draws = torch.rand(n_new, generator=torch.Generator().manual_seed(asked.seed))
    written: list[list[int]] = [[], []]
    ended = [False, False]
    for step in range(n_new):
        pause()
        rows = [i for i in (0, 1) if not ended[i]]
        if not rows:
            break
        tokens = torch.tensor([prompt + written[i] for i in rows])
        steered = [place for place, i in enumerate(rows) if i == 1]
        changes = visitors(asked.changes, saes, steered, first) if steered else {}
        logits = model.language_model.logits(tokens, changes)[:, -1].float().cpu()
        if logits.isnan().any():
            raise LiveError(
                400,
                "The change is so strong that the model's numbers overflow: choose a weaker one.",
            )
        for place, i in enumerate(rows):
            token = draw(logits[place], asked.temperature, float(draws[step]))
            written[i].append(token)
            ended[i] = token == model.language_model.tokenizer.eos_token_id
    pause()
    plain, changed = (_judged(model, prompt, own, asked.changes, saes, first) for own in written)
    return SteerAnswer(
        token_ids=prompt,
        tokens=texts(model, prompt),
        counted=counted(model, prompt),
        plain=plain,
        steered=changed,
    )


def draw(logits: Float[Tensor, " d_vocab"], temperature: float, number: float) -> int:
    """The token at which the cumulated probabilities pass `number`, of [0, 1); likeliest at 0."""
    if temperature == 0:
        return int(logits.argmax())
    cumulated = (logits.double() / temperature).softmax(dim=0).cumsum(dim=0)
    place = int(torch.searchsorted(cumulated, number * float(cumulated[-1]), right=True))
    return min(place, len(logits) - 1)


def visitors(
    changes: Sequence[Change], saes: Sequence[LiveSae], rows: Sequence[int], first: int
) -> dict[str, Visitor]:
    """What changes the activations of these rows from a position on, by hook."""
    by_hook: dict[str, list[tuple[Change, LiveSae]]] = {}
    for change, sae in zip(changes, saes, strict=True):
        by_hook.setdefault(sae.output_hook, []).append((change, sae))
    read: dict[str, Tensor] = {}

    def visitor(hook: str) -> Visitor:
        def visit(activation: Tensor) -> Tensor | None:
            flat = activation.flatten(start_dim=2).clone()
            # All are measured on what the hook held before any of them.
            read[hook] = flat[list(rows), first:].clone()
            own = by_hook.get(hook, [])
            if not own:
                return None
            added = sum(difference(change, sae, read[sae.hook_name]) for change, sae in own)
            flat[list(rows), first:] += torch.as_tensor(added).to(flat)
            return flat.reshape(activation.shape)

        return visit

    hooks = dict.fromkeys(hook for sae in saes for hook in (sae.hook_name, sae.output_hook))
    return {hook: visitor(hook) for hook in hooks}


def difference(
    change: Change, sae: LiveSae, x: Float[Tensor, "*batch d_in"]
) -> Float[Tensor, "*batch d_out"]:
    """What a change adds to the activation that is written, in the model's scale; `x` is read."""
    dictionary = sae.dictionary
    own = x.to(dictionary.W_enc)
    amount: Float[Tensor, "*batch 1"] | float = change.strength
    if change.how == "clamp":
        feature = torch.tensor([change.feature_index])
        amount = change.strength - dictionary.encode_features(own, feature)[0]
    factor = dictionary.normalisation.measure(own).factor
    row = amount * dictionary.W_dec[change.feature_index].expand(*own.shape[:-1], -1)
    return (row if factor is None else row * factor).to(x.device)


def _judged(
    model: LiveModel,
    prompt: list[int],
    written: list[int],
    changes: Sequence[Change],
    saes: Sequence[LiveSae],
    first: int,
) -> list[Written]:
    """What was written, with its log-probabilities under both models, in one pass."""
    tokens = torch.tensor([prompt + written] * 2)
    logits = model.language_model.logits(tokens, visitors(changes, saes, [1], first))
    log_probs = _log_probs(logits[:, len(prompt) - 1 : -1].float(), tokens[:, len(prompt) :])
    plain, steered = (rounded(row) for row in log_probs)
    return [
        Written(token_id=token, token=model.tokens[token], log_prob=before, steered_log_prob=after)
        for token, before, after in zip(written, plain, steered, strict=True)
    ]


def _log_probs(
    logits: Float[Tensor, "rows n d_vocab"], tokens: Int[Tensor, "rows n"]
) -> Float[Tensor, "rows n"]:
    chosen = logits.gather(2, tokens.to(logits.device)[..., None])[..., 0]
    return chosen - logits.logsumexp(dim=2)
