"""The records that say what was run: model, vocabulary, corpus, dictionary, settings.

Takes the things themselves and gives `app.db` records. Computes nothing.
"""

from collections.abc import Iterator
from typing import Any

from app.db.records import CorpusRecord, ModelRecord, QualityRecord, SaeRecord, TokenRecord
from app.precompute.ablation.context_needed import KEPT
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.vocabulary import Vocabulary
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target
from app.precompute.weights.logit_lens import LensFacts
from app.precompute.workplace.recipe import without_folder
from app.stats.corpus import Corpus

_IN_CORPUS_RECORD = {
    *("name", "source", "hash", "n_contexts", "context_size", "n_tokens", "packing"),
    *("prepend_bos", "position_zero"),
}


def model_record(model: LanguageModel, slug: str, name: str, words: Vocabulary) -> ModelRecord:
    """The model under its address part; `name` is what pages call it."""
    return ModelRecord(
        model=slug,
        name=name,
        architecture=type(model.plain).__name__,
        n_layers=model.n_layers,
        d_model=model.d_model,
        d_vocab=model.d_vocab,
        n_ctx=model.n_ctx,
        weights_hash=model.weights_hash(),
        tokenizer_hash=words.hash(),
    )


def token_records(words: Vocabulary) -> Iterator[TokenRecord]:
    """Every vocabulary entry, by id."""
    columns = zip(
        words.token, words.piece, words.bytes, words.special, words.producible, strict=True
    )
    for token_id, (token, piece, token_bytes, special, producible) in enumerate(columns):
        yield TokenRecord(token_id, token, piece, token_bytes, bool(special), bool(producible))


def corpus_record(corpus: Corpus) -> CorpusRecord:
    """The corpus as its stored metadata describe it."""
    known = {key: corpus.metadata[key] for key in _IN_CORPUS_RECORD}
    known["source"] = without_folder(known["source"])
    rest = {key: corpus.metadata[key] for key in corpus.metadata if key not in _IN_CORPUS_RECORD}
    return CorpusRecord(**known, n_documents=len(corpus.document_names), settings=rest)


def ablation_record(settings: PrecomputeSettings) -> dict[str, Any]:
    """The ablated-text settings pages state; empty where the stage is skipped."""
    if not settings.ablation_examples and not settings.ablation_interval_examples:
        return {}
    return {
        "top_examples": settings.ablation_examples,
        "interval_examples": settings.ablation_interval_examples,
        "window": settings.ablation_window,
        "replacements": settings.replacements,
        "context_examples": settings.context_examples,
        "context_draws": settings.context_draws,
        "kept": list(KEPT),
        "seed": settings.seed,
    }


def sae_record(
    model_slug: str,
    target: Target,
    quality: QualityRecord,
    lens: LensFacts,
    mean_final_norm_scale: float | None,
    recipe: dict[str, Any],
    *,
    ablation: dict[str, Any],
    hidden_pre_contexts: int,
) -> SaeRecord:
    """One dictionary and how it was run."""
    config = target.dictionary.config
    return SaeRecord(
        model=model_slug,
        sae=target.sae,
        hook_name=target.hook_name,
        sae_format=config.format,
        architecture=config.architecture,
        d_in=config.d_in or None,
        d_sae=config.d_sae,
        convention=config.convention,
        weights_hash=target.dictionary.weights_hash(),
        linear_path=lens.linear_path or "",
        quality=quality,
        n_tokens_unproducible=lens.n_unproducible,
        n_tokens_outlier=lens.n_outlier,
        mean_final_norm_scale=mean_final_norm_scale,
        ablation=ablation,
        hidden_pre_sample={"n_contexts": hidden_pre_contexts, "dtype": "float16"},
        recipe=recipe,
        hook_name_out=target.hook_name_out,
        d_out=target.d_out if target.hook_name_out else None,
    )
