"""Imported dictionaries as an atlas: a new file, or added to one that stands there.

Takes opened sources, each once, feature by feature, and gives the published file through
`AtlasWriter`. Texts and vocabulary are stored as they come; what is only known at the end (how
many there were) is written last. Knows no format.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from app import __version__
from app.db.records import (
    CorpusRecord,
    FeatureBundle,
    ImportRecord,
    ModelRecord,
    QualityRecord,
    SaeRecord,
)
from app.db.writer import AtlasWriter
from app.errors import AtlasError
from app.exchange.building.contexts import Contexts
from app.exchange.building.feature import feature_bundle
from app.exchange.building.naming import Address, address_of
from app.exchange.building.tokenizer import Tokenizer
from app.exchange.building.vocabulary import BEHIND_IDS, Vocabulary
from app.exchange.foreign import ForeignDictionary, ForeignExplanation, ForeignFeature
from app.exchange.foreign import ForeignSource as Source

_LOOKED_AT = 512
"""Features that are read ahead to find an example"""


@dataclass(frozen=True)
class Asked:
    """What an import is told."""

    format: str
    """the importer's name"""
    title: str
    """how pages call it"""
    path: Path
    """what was read"""
    addresses: Sequence[Address] = ()
    """where the dictionaries are to stand, in their order; none makes them of the source's names"""
    tokenizer: Tokenizer | None = None
    replace: bool = False


@dataclass(frozen=True)
class Imported:
    """What an import wrote."""

    address: Address
    n_features: int
    n_contexts: int
    weights_hash: str
    n_explanations: int


Explained = Callable[[Address, int, ForeignExplanation], None]
"""Is told every explanation with its feature"""


def build_atlas(
    output: Path, sources: Sequence[Source], asked: Asked, explained: Explained | None = None
) -> list[Imported]:
    """All sources, or none: until they are published the file is what it was.

    Raises:
        AtlasError: a source can't be read, its place is taken, or its model stands there with a
            vocabulary of its own that doesn't have the source's tokens.
    """
    addresses = _addresses(sources, asked)
    generator = {"name": "feature-atlas import", "version": __version__, "format": asked.format}
    done: list[Imported] = []
    with AtlasWriter(output, generator) as out:
        for source, address in zip(sources, addresses, strict=True):
            done.append(_Import(out, source, address, asked, explained).run())
        out.publish()
    return done


def _addresses(sources: Sequence[Source], asked: Asked) -> Sequence[Address]:
    own = [address_of(one.dictionary.model, one.dictionary.sae) for one in sources]
    if asked.addresses and len(asked.addresses) != len(own):
        n = len(own)
        raise AtlasError(
            f"{asked.path} holds {n} dictionar{'y' if n == 1 else 'ies'} "
            f"({', '.join(map(str, own))}), not {len(asked.addresses)}: give --name once for each, "
            "in this order, or not at all."
        )
    addresses = asked.addresses or own
    for address in addresses:
        if addresses.count(address) > 1:
            raise AtlasError(f"{asked.path} holds {address} twice: give each a --name of its own.")
    return addresses


class _Import:
    """One source on its way."""

    def __init__(
        self,
        out: AtlasWriter,
        source: Source,
        address: Address,
        asked: Asked,
        explained: Explained | None,
    ) -> None:
        self._out, self._asked, self._explained = out, asked, explained
        self._of = source.dictionary
        self._address = address
        self._features = source.features
        self._seen: set[int] = set()
        self._last = -1
        self._n_explanations = 0
        self._n_dead = 0
        self._counts_all = True
        """whether every feature so far says how often it fires"""

    def run(self) -> Imported:
        features = iter(self._features())
        ahead = _up_to_example(features)
        given = any(e.token_ids is not None for one in ahead for e in one.examples)
        model_id, model, vocabulary = self._model(given)
        corpus_id = self._out.add_corpus(model_id, self._corpus(""), np.zeros(0, np.int64), ())
        contexts = Contexts(lambda found: self._out.add_contexts(corpus_id, found, known=False))
        sae_id = self._out.add_sae(model_id, corpus_id, self._sae(), self._asked.replace)
        bundles = self._bundles(chain(ahead, features), vocabulary, contexts)
        self._out.add_features(sae_id, self._with_tokens(bundles, model_id, vocabulary))
        contexts.flush()
        if not self._seen:
            raise AtlasError(f"{self._asked.path} holds no feature: nothing was imported.")
        self._out.add_tokens(model_id, vocabulary.take_new())
        if model.imported:
            self._out.set_model(model_id, replace(model, d_vocab=len(vocabulary)))
        corpus = self._corpus(contexts.digest(), contexts)
        self._out.set_corpus(corpus_id, corpus, contexts.documents)
        record = self._sae()
        self._out.set_sae(sae_id, record)
        return Imported(
            self._address,
            len(self._seen),
            contexts.n_contexts,
            record.weights_hash,
            self._n_explanations,
        )

    def _bundles(
        self, features: Iterator[ForeignFeature], vocabulary: Vocabulary, contexts: Contexts
    ) -> Iterator[FeatureBundle]:
        dead = {int(i) for i in self._of.dead}
        for feature in features:
            index = feature.feature_index
            if index in self._seen:
                raise AtlasError(
                    f"{feature.where} is feature {index} again, expected each once: remove one."
                )
            self._seen.add(index)
            dead.discard(index)
            silent = is_dead(feature)
            self._n_dead += silent
            self._counts_all &= feature.n_active is not None or feature.density is not None
            if silent and feature.examples:
                feature = replace(feature, examples=())
            yield feature_bundle(feature, silent, vocabulary, contexts)
            if self._explained is not None:
                for explanation in feature.explanations:
                    self._explained(self._address, index, explanation)
                    self._n_explanations += 1
        for index in sorted(dead):
            self._seen.add(index)
            self._n_dead += 1
            yield feature_bundle(ForeignFeature(index), True, vocabulary, contexts)

    def _with_tokens(
        self, bundles: Iterator[FeatureBundle], model_id: int, vocabulary: Vocabulary
    ) -> Iterator[FeatureBundle]:
        """Stores the vocabulary's new entries as they come."""
        for number, bundle in enumerate(bundles):
            yield bundle
            if number % _LOOKED_AT == 0:
                self._out.add_tokens(model_id, vocabulary.take_new())

    def _model(self, given: bool) -> tuple[int, ModelRecord, Vocabulary]:
        """The model with the vocabulary there is: the atlas', the tokenizer's, or none yet."""
        tokenizer = self._asked.tokenizer
        standing = self._out.find_model(self._address.model)
        if standing is not None:
            model_id, model = standing
            if tokenizer is not None:
                raise AtlasError(
                    f"The atlas has a vocabulary of {model.model} already: leave out --tokenizer."
                )
            closed = "" if model.imported else f"{model.model}'s in this atlas"
            tokens = self._out.tokens(model_id)
            return model_id, model, Vocabulary(tokens, closed=closed)
        own = list(tokenizer.tokens) if tokenizer is not None else []
        readings = tokenizer.readings if tokenizer is not None else ()
        model = ModelRecord(
            model=self._address.model,
            name=self._of.model,
            architecture="",
            n_layers=None,
            d_model=None,
            d_vocab=len(own),
            n_ctx=None,
            weights_hash="",
            tokenizer_hash=tokenizer.hash if tokenizer is not None else "",
            imported=True,
        )
        behind = BEHIND_IDS if given else 0
        model_id = self._out.add_model(model, own)
        return model_id, model, Vocabulary(own, readings, own_from=behind)

    def _corpus(self, digest: str, contexts: Contexts | None = None) -> CorpusRecord:
        of = self._of
        said = {"n_contexts": of.n_contexts, "context_size": of.context_size}
        return CorpusRecord(
            name=of.corpus or "",
            source=self._asked.path.name,
            hash=f"import {self._address} {digest}",
            n_contexts=0 if contexts is None else contexts.n_contexts,
            context_size=0 if contexts is None else contexts.longest,
            n_tokens=of.n_tokens,
            n_documents=0 if contexts is None else len(contexts.documents),
            packing="examples",
            prepend_bos=None,
            position_zero="",
            first_position=None if contexts is None else contexts.first_position,
            settings={name: value for name, value in said.items() if value is not None},
        )

    def _sae(self) -> SaeRecord:
        of = self._of
        return SaeRecord(
            model=self._address.model,
            sae=self._address.sae,
            hook_name=of.hook_name or "",
            hook_name_out=of.hook_name_out,
            sae_format=self._asked.format,
            architecture="",
            d_in=of.d_in,
            d_out=of.d_out,
            d_sae=of.d_sae,
            convention="",
            weights_hash=identity(self._asked.format, of),
            linear_path="",
            quality=QualityRecord(n_dead=self._n_dead if self._counts_all else None),
            n_tokens_unproducible=0,
            n_tokens_outlier=0,
            mean_final_norm_scale=None,
            ablation={},
            hidden_pre_sample={},
            recipe={"command": f"feature-atlas import {self._asked.format} {self._asked.path}"},
            imported=ImportRecord(
                format=self._asked.format,
                title=self._asked.title,
                source=self._asked.path.name,
                model_name=of.model,
                sae_name=of.sae,
                n_features=len(self._seen),
                n_indices=max(self._seen, default=-1) + 1,
                absent=list(of.absent),
                approximate=list(of.approximate),
                settings=of.source,
            ),
        )


def identity(format: str, of: ForeignDictionary) -> str:
    """Stands for the hash of the weights, which no source has: what a source calls the dictionary.

    So labels written on it stay its own when it is imported again.
    """
    return f"import:{format}:{of.model}/{of.sae}"


def is_dead(feature: ForeignFeature) -> bool:
    """Whether a source says that it never fired: it counts no firing and shows none."""
    counted = feature.n_active if feature.n_active is not None else feature.density
    if counted != 0 or (feature.max_activation or 0) > 0:
        return False
    return not any(np.any(np.asarray(e.activations) > 0) for e in feature.examples)


def _up_to_example(features: Iterator[ForeignFeature]) -> list[ForeignFeature]:
    """Features up to the first that has an example."""
    found: list[ForeignFeature] = []
    for feature in islice(features, _LOOKED_AT):
        found.append(feature)
        if feature.examples:
            break
    return found
