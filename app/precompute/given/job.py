"""The job over firings that were given: every statistic rebuilt from them, and what weights and
texts say where model and dictionaries are at hand.

Takes readers of firings over the same tokens, a tokenizer if there is one, and the settings of an
ordinary run; leaves an atlas through the stages of `app/precompute/pipeline.py`. Knows no format.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.db.records import ModelRecord
from app.errors import AtlasError
from app.hub.finding import find_model
from app.precompute.brought.limits import AtHand, absent, limited, studies
from app.precompute.corpus.token_array import ArrayRows
from app.precompute.corpus.tokens import ContextPlan, TokenSettings, first_known, write_contexts
from app.precompute.drivers.interruption import Stop
from app.precompute.given.events import GivenEvents
from app.precompute.given.source import Source
from app.precompute.given.unknown import UnknownCoder, UnknownModel
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.pretrained import load_tokenizer
from app.precompute.model.vocabulary import Vocabulary, special_token_ids, vocabulary
from app.precompute.pipeline import fetched, run_on
from app.precompute.preparation import Inputs, Loaded, load
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target
from app.precompute.workplace.recipe import run_recipe
from app.sae.dictionary import DictionaryConfig


def precompute_given(
    settings: PrecomputeSettings,
    given: Mapping[str, GivenEvents],
    source: Source,
    tokenizer: str | None,
    with_model: bool,
    reporter: Reporter | None = None,
    stop: Stop | None = None,
) -> None:
    """Runs the job and publishes the atlas at `settings.output`.

    Args:
        settings: `corpus` names the texts; `model` and `sae` are read if `with_model`.
        given: the firings by address part, over the same tokens.
        tokenizer: folder or name of the tokenizer the tokens are of; without one (and without the
            model) tokens are shown as their ids and none is known to be special.

    Raises:
        AtlasError: tokens differ between dictionaries, a tokenizer, model or dictionary doesn't fit
            them, or what an ordinary run refuses.
    """
    first = next(iter(given.values()))
    refuse_other_texts(given)
    highest = max((int(block.max()) for block in first.tokens()), default=0)
    has = AtHand(with_model, False, False, with_model, with_model, with_model)
    settings = limited(settings, has)

    def inputs_in(folder: Path, reporter: Reporter) -> Inputs:
        commits = fetched(settings, reporter) if with_model else {}
        found = (
            _with_model(settings, given, highest, folder, commits)
            if with_model
            else _alone(settings, given, source, _Words.of(tokenizer, highest), folder)
        )
        loaded, words = found

        def write(told: TokenSettings, into: Path, advance: Callable[[int], None]) -> None:
            rows = ArrayRows(
                _Rows(first), settings.corpus, loaded.model.d_vocab, words.borders, words.special
            )
            plan = ContextPlan(
                rows, rows.names, "array", first.context_size, words.bos, None, words.special,
                settings.corpus, source.name,
            )  # fmt: skip
            write_contexts(plan, told, into, loaded.model.d_vocab, loaded.model.n_ctx, advance)

        hashes = " ".join(each.tokens_hash() for each in given.values())
        told = run_recipe(settings, loaded.model_record.weights_hash, loaded.targets, commits)
        told |= {"command": f"feature-atlas import {source.format} …", "given": _told(source, has)}
        return Inputs(loaded, write, told, f"{settings.corpus} {hashes}", commits, given)

    run_on(settings, inputs_in, reporter, stop)


def _told(source: Source, has: AtHand) -> dict[str, Any]:
    """What the atlas says of where its firings came from."""
    return {
        **asdict(source),
        "absent": absent(has),
        "studies": studies(has),
        "left_out": list(source.left_out),
    }


def refuse_other_texts(given: Mapping[str, GivenEvents]) -> None:
    """Refuses dictionaries whose firings are over different tokens.

    Raises:
        AtlasError: they are.
    """
    hashes = {sae: each.tokens_hash() for sae, each in given.items()}
    first = next(iter(hashes))
    for sae, found in hashes.items():
        if found != hashes[first]:
            raise AtlasError(
                f"{sae} was cached over other tokens than {first}: import their folders one by one."
            )


@dataclass(frozen=True)
class _Words:
    """What is known of the tokens."""

    vocabulary: Vocabulary
    special: Sequence[int]
    borders: Sequence[int]
    """BOS and EOS, which stand between documents"""
    bos: int | None

    @classmethod
    def of(cls, tokenizer: str | None, highest: int) -> "_Words":
        """Of a tokenizer; without one ids stand for themselves."""
        if tokenizer is None:
            texts = [f"<{i}>" for i in range(highest + 1)]
            none = np.zeros(len(texts), bool)
            return cls(Vocabulary(texts, [b""] * len(texts), texts, none, none), (), (), None)
        read = load_tokenizer(find_model(tokenizer).path, tokenizer)
        return cls.of_tokenizer(read, max(len(read), highest + 1))

    @classmethod
    def of_tokenizer(cls, tokenizer: Any, d_vocab: int) -> "_Words":
        borders = {first_known(tokenizer, "bos", "eos"), first_known(tokenizer, "eos", "bos")}
        return cls(
            vocabulary(tokenizer, d_vocab),
            special_token_ids(tokenizer),
            sorted(i for i in borders if i is not None),
            first_known(tokenizer, "bos", "eos"),
        )


class _Rows:
    """Rows of tokens as an array is read: by length and in slices."""

    def __init__(self, given: GivenEvents) -> None:
        self._given = given
        self.shape = (given.n_sequences, given.context_size)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._given.rows(rows.start, min(rows.stop, len(self)))


def _with_model(
    settings: PrecomputeSettings,
    given: Mapping[str, GivenEvents],
    highest: int,
    folder: Path,
    commits: Mapping[str, str],
) -> tuple[Loaded, _Words]:
    """Model and dictionaries as an ordinary run reads them."""
    loaded = load(settings, folder, commits)
    model = loaded.model
    assert isinstance(model, LanguageModel)
    if highest >= model.d_vocab:
        raise AtlasError(
            f"The firings are over token {highest:,}, but {settings.model} knows "
            f"{model.d_vocab:,} tokens: give the model they were cached from."
        )
    for target in loaded.targets:
        d_sae, cached = target.dictionary.config.d_sae, given[target.sae].d_sae
        if d_sae != cached:
            raise AtlasError(
                f"The dictionary {target.dictionary.config.path} has {d_sae:,} features, but "
                f"{target.sae} was cached with {cached:,}: give --sae in the order of the modules."
            )
    return loaded, _Words.of_tokenizer(model.tokenizer, model.d_vocab)


def _alone(
    settings: PrecomputeSettings,
    given: Mapping[str, GivenEvents],
    source: Source,
    words: _Words,
    folder: Path,
) -> tuple[Loaded, _Words]:
    """Only names, and firings."""
    slug, d_vocab = settings.name[0].split("/")[0], len(words.vocabulary.token)
    context_size = next(iter(given.values())).context_size
    record = ModelRecord(
        model=slug, name=source.model_name, architecture="", n_layers=None, d_model=None,
        d_vocab=d_vocab, n_ctx=None, weights_hash="", tokenizer_hash=words.vocabulary.hash(),
    )  # fmt: skip
    targets = []
    for sae, each in given.items():
        config = DictionaryConfig(
            format=source.format, architecture="", hook_name=source.hooks[sae], d_in=0,
            d_sae=each.d_sae, prepend_bos=None, context_size=context_size,
            model_name=source.model_name, convention="", path=Path(source.saes[sae]),
        )  # fmt: skip
        targets.append(
            Target(sae, UnknownCoder(config), source.hooks[sae], folder / "events" / sae)
        )
    model = UnknownModel(source.model_name, d_vocab, context_size)
    return Loaded(model, record, words.vocabulary, targets), words
