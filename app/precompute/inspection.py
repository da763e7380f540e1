"""The check after every load, by itself: one dictionary, one model, about two thousand tokens.

Takes what a user typed, gives the figures and what the job would say to them. Without a corpus the
text is Python's own language reference, which every Python brings. Writes nothing that stays.
"""

import pydoc_data.topics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import AtlasError
from app.precompute.corpus.documents import Source, from_documents, open_corpus
from app.precompute.corpus.tokens import TokenSettings, build_contexts
from app.precompute.model.language_model import LanguageModel
from app.precompute.preparation import VERIFIED_TOKENS, sampled
from app.precompute.settings import PrecomputeSettings
from app.precompute.targets import device_of, load_targets, shared_bos, shared_context_size
from app.sae.verify import Verification, measured, verify
from app.stats.corpus import Corpus

BUILT_IN = "Python's language reference (built in)"


@dataclass(frozen=True)
class Checked:
    """What a dictionary does on real activations."""

    hook_name: str
    hook_name_out: str | None
    corpus: str
    n_tokens: int
    prepend_bos: bool
    figures: Verification
    convention: str
    """with a constant input scale settled, where the files left it open"""
    complaint: str | None
    """why the job would refuse it; None where it would not"""


@dataclass(frozen=True)
class _Text:
    """A document in memory."""

    name: str
    text: str


def check_on_model(settings: PrecomputeSettings, has_corpus: bool) -> Checked:
    """The figures of the one dictionary of `settings` on its corpus, or on the built-in text.

    Raises:
        AtlasError: model, dictionary and corpus don't go together, or the sample has no variation.
    """
    source = _source(settings, has_corpus)
    with tempfile.TemporaryDirectory() as folder:
        model = LanguageModel.load(settings.model, device_of(settings.device), settings.dtype)
        _, targets = load_targets(settings, model, Path(folder))
        corpus = _contexts(settings, source, model, targets, Path(folder))
        ((target, x, y),) = sampled(model, targets, corpus)
        figures = measured(target.weights, x, y, target.hooks)
        try:
            verify(target.weights, x, y, target.hooks)
            complaint = None
        except AtlasError as error:
            complaint = str(error)
    return Checked(
        hook_name=target.hook_name,
        hook_name_out=target.hook_name_out,
        corpus=settings.corpus if has_corpus else BUILT_IN,
        n_tokens=len(x),
        prepend_bos=shared_bos(settings, targets),
        figures=figures,
        convention=target.dictionary.config.convention,
        complaint=complaint,
    )


def _contexts(
    settings: PrecomputeSettings,
    source: Source,
    model: LanguageModel,
    targets: list,
    folder: Path,
) -> Corpus:
    size = shared_context_size(settings, targets, model.n_ctx)
    # As many contexts as are looked at, and one for what is special in them.
    n_contexts = -(-VERIFIED_TOKENS // (size - 1)) + 1
    tokens = TokenSettings(size, settings.packing, shared_bos(settings, targets), n_contexts * size)
    build_contexts(source, model.tokenizer, tokens, folder, model.d_vocab, model.n_ctx)
    return Corpus.open(folder)


def _source(settings: PrecomputeSettings, has_corpus: bool) -> Source:
    if has_corpus:
        return open_corpus(settings.corpus, text_field=settings.text_field, split=settings.split)
    return from_documents(_topics(), BUILT_IN)


def _topics() -> Iterator[_Text]:
    for name, text in sorted(pydoc_data.topics.topics.items()):
        yield _Text(name, text)
