"""How much of its context a feature needs: the activation left when only the last tokens are kept.

Takes examples and a pool of other contexts; gives, for k = 0, 1, 2, 4, … kept tokens before the
peak, the share of the activation that is left when everything before them is text from other
contexts ("fill", positions unchanged), and when it is cut off ("truncate", which moves the text to
the start of a document). Knows nothing of how branches are run, nor of examples' origin or storage.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from app.precompute.ablation.ablation import Cost
from app.precompute.ablation.branches import Branch, BranchRunner, Plan
from app.precompute.ablation.texts import (
    Example,
    Mount,
    Reading,
    Text,
    chunks_of,
    hooks_under,
    random_stream,
    read_features,
    texts_of,
)
from app.precompute.model.model import Model
from app.precompute.model.workers import Workers

KEPT = (0, 1, 2, 4, 8, 16, 32)
"""Tokens kept before the peak, as far as the example has as many."""

SPARE_FILLERS = 4
"""Contexts drawn beyond those needed, in place of any that equals the example's own."""


@dataclass(frozen=True)
class ContextNeededSettings:
    draws: int = 2
    """Other contexts each example is filled with; shares are their mean."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ContextNeeded:
    """What is left of one example's activation. Shares are of `baseline`; above 1 is possible."""

    example: int
    """Its index among the examples asked for."""
    baseline: float
    """Activation at the peak with nothing changed."""
    kept: Integer[np.ndarray, " n_kept"]
    """Tokens kept before the peak, ascending; the peak itself and position 0 come on top."""
    activation_share: Float[np.ndarray, " n_kept"]
    """What came before is filled with other text; NaN where the baseline or `draws` is 0."""
    truncated_share: Float[np.ndarray, " n_kept"]
    """What came before is cut off; NaN where the baseline is 0."""
    draws: int
    """Other contexts behind each `activation_share`; fewer than asked for where too few are as
    long as the example, none where nothing is left to fill."""


def kept_of(position: int) -> Integer[np.ndarray, " n_kept"]:
    """The k of `KEPT` that leave at least one token to fill between position 0 and what is kept.

    Position 0 is neither kept nor filled, so a peak at position 1 has nothing to tell.
    """
    return np.array([k for k in KEPT if k < position - 1], dtype=np.int64)


class Fillers:
    """Beginnings of other contexts."""

    def __init__(
        self,
        contexts: Integer[np.ndarray, "n_contexts n_ctx"],
        lengths: Integer[np.ndarray, " n_contexts"] | None,
        special_ids: Collection[int],
        seed: int,
    ) -> None:
        """`lengths`: tokens of each context that are not padding; None if all are."""
        self._contexts = contexts
        lengths = np.full(len(contexts), contexts.shape[1]) if lengths is None else lengths
        self._longest_first = np.argsort(-lengths, kind="stable")
        self._lengths = lengths[self._longest_first]
        self._special_ids = frozenset(special_ids)
        self._seed = seed

    def draw(self, text: Text, n: int) -> list[Integer[np.ndarray, " position"]]:
        """Up to n beginnings as long as the text's, of different contexts other than its own.

        A special token at position 0 of the text (BOS) stays.
        """
        position = text.position
        stream = random_stream(self._seed, "filler", text)
        n_long = int((self._lengths >= position).sum())
        chosen = stream.choice(n_long, size=min(n_long, n + SPARE_FILLERS), replace=False)
        fillers: list[Integer[np.ndarray, " position"]] = []
        for row in self._longest_first[chosen]:
            filler = np.array(self._contexts[row, :position], dtype=np.int64)
            # Behind position 1 an equal beginning is the example's own; a lone BOS is anybody's.
            own = position > 1 and np.array_equal(filler, text.tokens[:-1])
            if len(fillers) < n and not own:
                fillers.append(filler)
        for filler in fillers:
            if int(text.tokens[0]) in self._special_ids:
                filler[0] = text.tokens[0]
        return fillers


def cost(examples: Sequence[Example], settings: ContextNeededSettings) -> Cost:
    """What `context_needed` will take: a trunk for every draw, and tails of 2·k or so."""
    n_branches = n_tokens = 0
    texts = texts_of(examples)
    for text in texts:
        kept = kept_of(text.position)
        tails = int((kept + 1).sum())
        n_branches += 1 + (settings.draws + 1) * len(kept)
        n_tokens += (settings.draws + 1) * (tails + text.position) + 1
    return Cost(len(texts), n_branches, n_tokens)


def context_needed(
    model: Model,
    mounts: Sequence[Mount],
    examples: Sequence[Example],
    contexts: Integer[np.ndarray, "n_contexts n_ctx"],
    special_ids: Collection[int],
    settings: ContextNeededSettings | None = None,
    lengths: Integer[np.ndarray, " n_contexts"] | None = None,
    n_workers: int | None = None,
) -> Iterator[ContextNeeded]:
    """The shares, example by example, those that share a text together, texts in example order.

    `contexts` is the pool to fill from, usually the corpus itself. A special token at position 0
    (BOS) stays in fills and stands before what truncation leaves. `n_workers`: how many chunks run
    side by side; see `Workers`.
    """
    settings = settings or ContextNeededSettings()
    texts = texts_of(examples)
    fillers = Fillers(contexts, lengths, special_ids, settings.seed)
    runner = BranchRunner(model, [mount.hook_name for mount in mounts])

    def plans_of(text: Text) -> list[Plan]:
        return _plans(text, fillers.draw(text, settings.draws), special_ids)

    if texts:
        runner.check(plans_of(max(texts, key=lambda text: text.position)))

    def of_chunk(twin: Model, chunk: Sequence[Text]) -> list[ContextNeeded]:
        plans: list[Plan] = []
        branches_of: list[tuple[Text, slice]] = []
        end = 0
        for text in chunk:
            own = plans_of(text)
            begin, end = end, end + sum(len(plan.branches) for plan in own)
            plans += own
            branches_of.append((text, slice(begin, end)))
        found = runner.run(plans, twin, hooks_under(chunk, examples, mounts))
        readings = read_features(mounts, examples, branches_of, found)
        return [_shares(reading, examples[reading.example].position) for reading in readings]

    workers = Workers(model, n_workers)
    for results in workers.map(of_chunk, chunks_of(texts)):
        yield from results


def _plans(
    text: Text, fillers: Sequence[Integer[np.ndarray, " position"]], special_ids: Collection[int]
) -> list[Plan]:
    """The unchanged text and its truncations, then one plan for every filler."""
    position = text.position
    starts = position - kept_of(position)
    head = 1 if int(text.tokens[0]) in special_ids else 0
    own = [Branch(position, text.tokens[position:])]
    own += [Branch(head, text.tokens[start:]) for start in starts]
    if not len(starts):
        return [Plan(text.tokens, own)]
    filled = [[Branch(int(start), text.tokens[start:]) for start in starts] for _ in fillers]
    return [Plan(text.tokens, own), *map(Plan, fillers, filled)]


def _shares(reading: Reading, position: int) -> ContextNeeded:
    kept = kept_of(position)
    baseline = float(reading.activation[0])
    if not len(kept):
        return ContextNeeded(reading.example, baseline, kept, np.zeros(0), np.zeros(0), draws=0)
    changed = reading.activation[1:].reshape(-1, len(kept))
    shares = changed / baseline if baseline else np.full(changed.shape, np.nan)
    draws = len(shares) - 1
    return ContextNeeded(
        example=reading.example,
        baseline=baseline,
        kept=kept,
        activation_share=shares[1:].mean(axis=0) if draws else np.full(len(kept), np.nan),
        truncated_share=shares[0],
        draws=draws,
    )
