"""Writes the invented atlas: one model, one corpus, any number of dictionaries of one size.

Takes a path and sizes, gives the published file through `AtlasWriter`. Knows no page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from app import __version__
from app.db.records import (
    ContextRecord,
    CorpusRecord,
    FeatureBundle,
    ModelRecord,
    QualityRecord,
    RankingMode,
    SaeRecord,
    TokenPanel,
    TokenRanking,
)
from app.db.writer import AtlasWriter
from app.demo.synthetic.activations import invent
from app.demo.synthetic.connections import Connected
from app.demo.synthetic.directions import make_directions
from app.demo.synthetic.events import corpus_of, write_contexts, write_events
from app.demo.synthetic.examples import ABLATION_WINDOW
from app.demo.synthetic.feature import SAMPLED_CONTEXTS, make_feature
from app.demo.synthetic.firings import FiringMaker
from app.demo.synthetic.geometry import make_geometry
from app.demo.synthetic.map import make_map
from app.demo.synthetic.matches import Invented, make_matches
from app.demo.synthetic.pruning import make_pruning
from app.demo.synthetic.studies import Studied
from app.demo.synthetic.text import SyntheticText, make_text
from app.stats.quality import QualityFigures

MODEL = "synthetic"
D_IN = 64
_KEPT_FEATURES = 100


def build_synthetic_atlas(
    path: Path,
    n_features: int = 200,
    d_vocab: int = 500,
    n_contexts: int = 64,
    context_size: int = 128,
    seed: int = 0,
    hostile: bool = False,
    saes: tuple[str, ...] = ("resid-2-1k", "resid-1-1k"),
    model: str = MODEL,
    events: bool = False,
    scattered: float = 0.0,
) -> Path:
    """An atlas of one model at `path`; the same arguments give the same content.

    An atlas that stands there already is added to. With `events` every firing is written beside it,
    as precompute would have shipped them. `scattered` is the share of firings that lie on tokens of
    all kinds, as those of real dictionaries do.

    Holds a float32 matrix [n_features, d_vocab] for the logits of one dictionary at a time.
    """
    text = make_text(d_vocab, n_contexts, context_size, np.random.default_rng(seed), hostile)
    with AtlasWriter(path, {"name": "synthetic", "version": __version__, "seed": str(seed)}) as out:
        model_id = out.add_model(_model(model, text), text.tokens)
        corpus = _corpus(text, seed, hostile)
        corpus_id = out.add_corpus(model_id, corpus, text.occurrences, text.documents)
        if events:
            write_contexts(path, model, corpus.hash, text)
        out.add_contexts(
            corpus_id,
            (
                ContextRecord(i, text.token_ids[i], text.document_ids[i])
                for i in range(len(text.token_ids))
            ),
        )
        counted = corpus_of(text, corpus.hash)
        heights = {name: 7 * _block(number) + 7 for number, name in enumerate(saes)}
        connected, sae_ids = Connected(seed, heights), dict[str, int]()
        held: dict[int, tuple[str, Invented]] = {}
        for number, name in enumerate(saes):
            maker = FiringMaker(text, seed, number, scattered)
            firings = [maker.firings(i) for i in range(n_features)]
            n_active = np.array([item.n_active for item in firings])
            if events:
                write_events(path, model, name, text, firings)
            invented = invent(counted, firings, D_IN, seed, number)
            quality = _quality(n_active, corpus.n_counted, invented.figures())
            record = _sae(model, name, number, n_active.size, quality, seed)
            sae_id = sae_ids[name] = out.add_sae(model_id, corpus_id, record)
            connected.add(name, firings)
            logits = _logits(n_features, d_vocab, seed, number)
            panels: list[TokenPanel | None] = []
            rows = make_directions(n_features, D_IN, seed, number)
            dense = n_active > 1e-4 * corpus.n_counted
            geometry, columns = make_geometry(rows, n_active > 0, dense, seed)
            bundles = _bundles(maker, text, logits, panels, record.architecture != "topk")
            studied = Studied(firings, counted, text)
            out.add_features(sae_id, map(studied.bundle, _with_columns(bundles, columns)))
            studied.store(out, sae_id)
            out.add_token_rankings(sae_id, dict(_rankings(panels, logits, text)))
            out.add_direction_map(sae_id, make_map(n_features, seed, number))
            out.add_directions(sae_id, (rows[i : i + 256] for i in range(0, n_features, 256)))
            out.add_study(sae_id, geometry)
            invented.store(out, sae_id, record.hook_name, quality)
            out.add_study(sae_id, make_pruning(firings, record, corpus, seed))
            held[sae_id] = record.hook_name, Invented(rows, n_active > 0)
        _connect(out, connected, sae_ids)
        for (own, (hook, first)), (other, (place, second)) in permutations(held.items(), 2):
            if hook == place:
                out.add_study(own, make_matches(first, second, seed), other)
        out.publish()
    return path


def _connect(out: AtlasWriter, connected: Connected, sae_ids: dict[str, int]) -> None:
    pairs, features = connected.found()
    for (sae, other), record in pairs.items():
        out.add_study(sae_ids[sae], record, sae_ids[other])
    for sae, records in features.items():
        out.add_feature_studies(sae_ids[sae], records)


def _block(number: int) -> int:
    """Where a dictionary sits: the first of two a block above the second."""
    return 2 - number % 2


def _bundles(
    maker: FiringMaker,
    text: SyntheticText,
    logits: Float[ndarray, "n_features d_vocab"],
    panels: list[TokenPanel | None],
    own_threshold: bool,
) -> Iterator[FeatureBundle]:
    """All features in order; their token panels are appended to `panels` for the rankings."""
    for index, row in enumerate(logits):
        bundle = make_feature(
            index,
            maker.firings(index),
            text,
            row.astype(np.float64),
            len(logits),
            np.random.default_rng([*maker.seed, index, 1]),
            own_threshold=own_threshold,
        )
        panels.append(bundle.panels.tokens)
        yield bundle


def _with_columns(
    bundles: Iterator[FeatureBundle], columns: Mapping[str, Float[ndarray, " n_features"]]
) -> Iterator[FeatureBundle]:
    """The same, their rows with what studies found; None where undefined."""
    for bundle in bundles:
        index = bundle.record.feature_index
        found = {name: values[index].item() for name, values in columns.items()}
        known = {name: None if value != value else value for name, value in found.items()}
        yield replace(bundle, record=replace(bundle.record, **known))


def _logits(
    n_features: int, d_vocab: int, seed: int, sae: int
) -> Float[ndarray, "n_features d_vocab"]:
    rng = np.random.default_rng([seed, sae, 2])
    logits = rng.standard_normal((n_features, d_vocab), dtype=np.float32)
    boosted = rng.integers(1, d_vocab, size=(n_features, 4))
    np.put_along_axis(logits, boosted, rng.uniform(3, 8, boosted.shape).astype(np.float32), axis=1)
    return logits - logits.mean(axis=1, keepdims=True)


def _rankings(
    panels: list[TokenPanel | None],
    logits: Float[ndarray, "n_features d_vocab"],
    text: SyntheticText,
) -> Iterator[tuple[RankingMode, Iterator[tuple[int, TokenRanking]]]]:
    rows = [(index, panel) for index, panel in enumerate(panels) if panel is not None]
    index = np.concatenate([np.full(panel.token_id.size, i) for i, panel in rows])
    token_id = np.concatenate([panel.token_id for _, panel in rows])
    share = np.concatenate([panel.share for _, panel in rows])
    n_active = np.concatenate([panel.n_active for _, panel in rows])
    rate = n_active / text.occurrences[token_id]
    by_token = np.argsort(token_id, kind="stable")
    starts = np.searchsorted(token_id[by_token], np.arange(len(text.tokens) + 1))

    def events(score: Float[ndarray, " n"]) -> Iterator[tuple[int, TokenRanking]]:
        for token in np.flatnonzero(np.diff(starts)):
            here = by_token[starts[token] : starts[token + 1]]
            best = here[np.lexsort((index[here], -score[here]))][:_KEPT_FEATURES]
            yield (
                int(token),
                TokenRanking(index[best], score[best], share[best], n_active[best], here.size),
            )

    yield "fires", events(share)
    yield "rate", events(rate)
    yield "promotes", _logit_rankings(logits, 1)
    yield "suppresses", _logit_rankings(logits, -1)


def _logit_rankings(
    logits: Float[ndarray, "n_features d_vocab"], sign: int
) -> Iterator[tuple[int, TokenRanking]]:
    for token in range(1, logits.shape[1]):
        column = logits[:, token].astype(np.float64)
        best: Int[ndarray, " n"] = np.argsort(-sign * column, kind="stable")[:_KEPT_FEATURES]
        best = best[sign * column[best] > 0]
        empty = np.zeros(0)
        yield (
            token,
            TokenRanking(
                best, column[best], empty, empty.astype(np.int64), int((sign * column > 0).sum())
            ),
        )


def _model(model: str, text: SyntheticText) -> ModelRecord:
    return ModelRecord(
        model=model,
        name="invented, no weights",
        architecture="none",
        n_layers=4,
        d_model=64,
        d_vocab=len(text.tokens),
        n_ctx=text.token_ids.shape[1],
        weights_hash="0" * 16,
        tokenizer_hash="0" * 16,
    )


def _corpus(text: SyntheticText, seed: int, hostile: bool) -> CorpusRecord:
    n_contexts, context_size = text.token_ids.shape
    return CorpusRecord(
        name="invented lines",
        source="app.demo.synthetic",
        hash=f"synthetic-{seed}-{hostile}-{n_contexts}x{context_size}x{len(text.tokens)}",
        n_contexts=n_contexts,
        context_size=context_size,
        n_tokens=n_contexts * (context_size - 1),
        n_documents=len(text.documents),
        packing="packed",
        prepend_bos=True,
        position_zero="position 0 is not counted and never chosen as an example",
    )


def _sae(
    model: str,
    name: str,
    number: int,
    d_sae: int,
    quality: QualityRecord,
    seed: int,
) -> SaeRecord:
    return SaeRecord(
        model=model,
        sae=name,
        hook_name=f"blocks.{_block(number)}.hook_resid_post",
        sae_format="none",
        architecture="topk" if number % 2 else "jumprelu",
        d_in=D_IN,
        d_sae=d_sae,
        convention="invented; decoder norms between 0.8 and 1.2",
        weights_hash=f"synthetic-{number}",
        linear_path="the residual stream, directly",
        quality=quality,
        n_tokens_unproducible=4,
        n_tokens_outlier=1,
        mean_final_norm_scale=6.5,
        ablation={"examples": 10, "window": ABLATION_WINDOW, "replacements": 1},
        hidden_pre_sample={"n_contexts": SAMPLED_CONTEXTS},
        recipe={"generator": "app.demo.synthetic", "seed": seed},
    )


def _quality(
    n_active: Int[ndarray, " n_features"], n_tokens: int, figures: QualityFigures
) -> QualityRecord:
    """Counted and measured; what needs a model is fixed and invented."""
    clean, spliced, mean_ablated, zero_ablated = 2.41, 2.58, 6.32, 6.90
    return QualityRecord(
        l0=float(n_active.sum() / n_tokens),
        mse=figures.mse,
        explained_variance=figures.explained_variance,
        cosine=figures.cosine,
        gamma=figures.gamma,
        n_dead=int((n_active == 0).sum()),
        n_dense_1=int((n_active > 0.01 * n_tokens).sum()),
        n_dense_10=int((n_active > 0.1 * n_tokens).sum()),
        ce_clean=clean,
        ce_spliced=spliced,
        ce_zero_ablated=zero_ablated,
        ce_mean_ablated=mean_ablated,
        ce_clean_error=0.011,
        ce_spliced_error=0.012,
        ce_zero_ablated_error=0.031,
        ce_mean_ablated_error=0.024,
        delta_ce=spliced - clean,
        delta_ce_error=0.004,
        kl=0.16,
        ce_recovered_mean=(mean_ablated - spliced) / (mean_ablated - clean),
        ce_recovered_zero=(zero_ablated - spliced) / (zero_ablated - clean),
        kl_error=0.003,
        n_ce_tokens=n_tokens // 4,
        n_ce_contexts=16,
        spliced_positions="counted positions; position 0 and special tokens keep their own",
    )
