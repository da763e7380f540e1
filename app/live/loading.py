"""What the live model's process holds: the model and the dictionaries an atlas was made from.

Takes the atlas and paths, gives everything loaded, or the sentence that says what does not fit: the
hashes stored in the atlas decide what is the same, never a name. Knows no request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.columns import read_columns
from app.db.engine import open_atlas
from app.db.tokens import most_frequent
from app.errors import AtlasError, closest
from app.hub.finding import at_hand, find_dictionary, find_model
from app.live.runnable import runnable
from app.precompute.ablation.stage import text_lengths
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.vocabulary import special_token_ids, vocabulary
from app.precompute.preparation import settled
from app.precompute.target import Target
from app.precompute.targets import check_widths, device_of
from app.sae.dictionary import Dictionary
from app.sae.readers import load_dictionary
from app.stats.corpus import Corpus
from app.stats.event_places import corpus_part, events_folder


@dataclass(frozen=True)
class Sources:
    """Where to look."""

    atlas: Path
    model: str = ""
    """of the model: a folder, or what the hub's cache has; empty takes what the recipe names"""
    saes: tuple[Path, ...] = ()
    """the dictionaries; empty takes what the recipe names"""
    device: str = "auto"


@dataclass(frozen=True)
class LiveModel:
    """One model, ready to run, and what its tokens are."""

    language_model: LanguageModel
    tokens: list[str]
    """exact text of every id"""
    special_ids: frozenset[int]
    """those the model has an embedding for"""
    bos_id: int | None


@dataclass(frozen=True)
class Pool:
    """The corpus behind a dictionary, as changed texts need it."""

    occurrences: Integer[np.ndarray, " d_vocab"]
    contexts: Integer[np.ndarray, "n_contexts context_size"] | None
    """None where the contexts aren't beside the atlas"""
    lengths: Integer[np.ndarray, " n_contexts"] | None
    """tokens of each that are not padding; None if all are"""


@dataclass(frozen=True)
class LiveSae:
    """One dictionary in its place."""

    sae: Sae
    dictionary: Dictionary
    model: LiveModel
    pool: Pool
    max_activation: Float[np.ndarray, " d_sae"]
    """of each feature in its corpus; NaN where it never fired"""
    density: Float[np.ndarray, " d_sae"]

    @property
    def hook_name(self) -> str:
        """Where it is read."""
        return self.sae.record.hook_name

    @property
    def output_hook(self) -> str:
        """Where its features are changed."""
        return self.sae.record.output_hook


@dataclass(frozen=True)
class Held:
    """Everything at hand."""

    saes: Mapping[str, LiveSae]
    """by `model/sae`"""
    absent: Sequence[str] = field(default=())
    """dictionaries of the atlas that are not at hand"""


def load(sources: Sources) -> Held:
    """The model and its dictionaries.

    Raises:
        AtlasError: something can't be read, is not at hand, or is not what the atlas was made from.
    """
    atlas = open_atlas(sources.atlas)
    try:
        with atlas.connect() as connection:
            every = list_saes(connection)
            saes = runnable(sources.atlas, every)
            dictionaries = _dictionaries(sources, saes)
            models: dict[tuple[str, str], LiveModel] = {}
            found = {
                sae.address: _live(connection, sources, sae, dictionaries[sae.address], models)
                for sae in saes
                if sae.address in dictionaries
            }
    finally:
        atlas.close()
    return Held(found, [sae.address for sae in every if sae.address not in found])


def _live(
    connection: Connection,
    sources: Sources,
    sae: Sae,
    dictionary: Dictionary,
    models: dict[tuple[str, str], LiveModel],
) -> LiveSae:
    dtype = sae.record.recipe.get("dtype", "float32")
    key = (sae.record.model, dtype)
    if key not in models:
        models[key] = _model(sources, sae, dtype)
    model = models[key]
    pool, corpus = _pool(connection, sources.atlas, sae)
    columns = read_columns(connection, sae.sae_id)
    return LiveSae(
        sae,
        _settled(sae, dictionary, model.language_model, corpus),
        model,
        pool,
        columns["max_activation"].astype(np.float64),
        columns["density"].astype(np.float64),
    )


def _model(sources: Sources, sae: Sae, dtype: Any) -> LiveModel:
    """The model a dictionary was run on, told by the hashes of its weights and vocabulary."""
    named = sources.model or str(sae.record.recipe.get("model", sae.model.name))
    commit = None if sources.model else sae.record.recipe.get("commits", {}).get(named)
    try:
        folder = at_hand(find_model, named, sources.atlas.parent, commit)
        folder = folder or find_model(named, commit).path  # which says what is wrong
        model = LanguageModel.load(folder, device_of(sources.device), dtype, named)
    except AtlasError as error:
        if sources.model:
            raise
        raise AtlasError(
            f"The model {named!r} of the atlas is not at hand: say where it is with --model. "
            f"({error})"
        ) from error
    if model.weights_hash() != sae.model.weights_hash:
        raise AtlasError(
            f"{named} is not the model {sae.record.model} was made from: its weights differ. Give "
            "the right one with --model."
        )
    words = vocabulary(model.tokenizer, model.d_vocab)
    if words.hash() != sae.model.tokenizer_hash:
        raise AtlasError(
            f"{named} has another tokenizer than the model {sae.record.model} was made with: its "
            "tokens would mean something else. Give the right one with --model."
        )
    tokenizer = model.tokenizer
    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    special = frozenset(i for i in special_token_ids(tokenizer) if i < model.d_vocab)
    return LiveModel(model, words.token, special, bos)


def _dictionaries(sources: Sources, saes: Sequence[Sae]) -> dict[str, Dictionary]:
    """The dictionaries by address: those given, or those that the recipes name."""
    if sources.saes:
        return _given(sources.saes, saes)
    found: dict[str, Dictionary] = {}
    missing: list[str] = []
    for sae in saes:
        recipe = sae.record.recipe
        names = dict(zip(recipe.get("saes", {}), recipe.get("sae", []), strict=False))
        named = str(names.get(sae.record.sae, sae.record.sae))
        commit = recipe.get("commits", {}).get(named)
        path = at_hand(find_dictionary, named, sources.atlas.parent, commit)
        if path is None:
            missing.append(named)
            continue
        dictionary = load_dictionary(path, sae_format=recipe.get("sae_format"))
        if dictionary.weights_hash() != _weights_hash(sae):
            raise AtlasError(
                f"{named} is not the dictionary {sae.address} was made from: its weights differ. "
                "Give the right one with --sae."
            )
        found[sae.address] = dictionary
    if not found:
        raise AtlasError(
            f"No dictionary of the atlas is at hand ({', '.join(missing)}): say where they are "
            "with --sae."
        )
    return found


def _given(paths: Sequence[Path], saes: Sequence[Sae]) -> dict[str, Dictionary]:
    found: dict[str, Dictionary] = {}
    for path in paths:
        formats = {sae.record.recipe.get("sae_format") for sae in saes}
        dictionary = load_dictionary(path, sae_format=formats.pop() if len(formats) == 1 else None)
        own = [sae for sae in saes if _weights_hash(sae) == dictionary.weights_hash()]
        if not own:
            raise AtlasError(
                f"{path} is none of the atlas' dictionaries: their weights have other hashes. It "
                f"holds {closest(path.name, [sae.address for sae in saes])}."
            )
        found |= {sae.address: dictionary for sae in own}
    return found


def _weights_hash(sae: Sae) -> str:
    """Of the file's weights, before an input scale was folded into them."""
    known = sae.record.recipe.get("saes", {}).get(sae.record.sae, {})
    return known.get("weights_hash", sae.record.weights_hash)


def _settled(
    sae: Sae, dictionary: Dictionary, model: LanguageModel, corpus: Corpus | None
) -> Dictionary:
    record = sae.record
    check_widths(model, sae.address, dictionary, record.hook_name, record.hook_name_out)
    target = Target(
        record.sae, dictionary.to(model.device), record.hook_name, Path(), record.hook_name_out
    )
    if not dictionary.config.input_scale_unsettled:
        return target.weights
    if corpus is None:
        raise AtlasError(
            f"The input scale of {sae.address} was estimated on its corpus, which is not beside "
            "the atlas: put the events folder back, or leave this dictionary out with --sae."
        )
    (found,) = settled(model, [target], corpus)
    return found.weights


def _pool(connection: Connection, atlas: Path, sae: Sae) -> tuple[Pool, Corpus | None]:
    occurrences = np.zeros(sae.model.d_vocab, np.int64)
    for token_id, n in most_frequent(connection, sae.corpus_id, sae.model.d_vocab):
        occurrences[token_id] = n
    try:
        corpus = Corpus.open(events_folder(atlas) / corpus_part(sae.record.model, sae.corpus.hash))
    except AtlasError:
        corpus = None
    if corpus is None or corpus.metadata.get("hash") != sae.corpus.hash:
        return Pool(occurrences, None, None), None
    return Pool(occurrences, corpus.tokens, text_lengths(corpus)), corpus
