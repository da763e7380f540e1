"""Small records to write atlases from; every test says only what it is about."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.db.records import (
    ContextRecord,
    CorpusRecord,
    ExampleGroup,
    FeatureBundle,
    FeaturePanels,
    FeatureRecord,
    HistogramPanel,
    ModelRecord,
    QualityRecord,
    SaeRecord,
    TokenRecord,
)
from app.db.writer import AtlasWriter

CONTEXT_SIZE = 8

MODEL = ModelRecord("tiny", "tiny", "GPTNeoXForCausalLM", 2, 4, 5, 16, "weights", "tokenizer")
CORPUS = CorpusRecord(
    "text", "text.txt", "corpus-hash", 3, CONTEXT_SIZE, 21, 1, "packed", True, "not counted"
)
SAE = SaeRecord(
    model="tiny",
    sae="first",
    hook_name="blocks.0.hook_resid_post",
    sae_format="saelens",
    architecture="jumprelu",
    d_in=4,
    d_sae=3,
    convention="none",
    weights_hash="sae-weights",
    linear_path="residual stream",
    quality=QualityRecord(l0=1.5),
    n_tokens_unproducible=0,
    n_tokens_outlier=0,
    mean_final_norm_scale=None,
    ablation={},
    hidden_pre_sample={},
    recipe={"command": "none"},
)
FEATURE = FeatureRecord(
    feature_index=0,
    n_active=2,
    density=2 / 21,
    max_activation=3.0,
    mean_activation=2.0,
    std_activation=1.0,
    skewness=0.0,
    kurtosis=1.0,
    n_contexts_active=2,
    decoder_norm=1.0,
    threshold=None,
    encoder_decoder_cosine=0.5,
    top_token_id=1,
    top_token_share=0.75,
    top_token_rate=0.5,
    context_share=None,
    ablation_token_id=None,
    ablation_token_effect=None,
    run_length=1.0,
    span_fill=None,
    lives_as=0,
    max_logit=0.25,
    position_zero_n_active=0,
    position_zero_max=0.0,
    summary=[["text", "Fires on "], ["number", "9.5%"], ["text", " of tokens."]],
    short=[["text", "short"]],
    sparkline=b"\x01\xff",
    ablation_strip=b"",
    top_tokens=[1],
)


def top_examples(context_ids: list[int], activations: list[float]) -> ExampleGroup:
    n = len(context_ids)
    return ExampleGroup(
        context_id=np.array(context_ids, np.uint32),
        position=np.full(n, 3, np.uint16),
        activation=np.array(activations, np.float32),
        hidden_pre=np.full(n, np.nan, np.float32),
        band=np.full(n, -1, np.int8),
        repeats=np.ones(n, np.uint32),
        window_start=np.zeros(n, np.uint16),
        window_stop=np.full(n, CONTEXT_SIZE, np.uint16),
        firing_indptr=np.arange(n + 1, dtype=np.uint32),
        firing_position=np.full(n, 3, np.uint16),
        firing_activation=np.array(activations, np.float32),
        band_low=np.zeros(0),
        band_high=np.zeros(0),
        band_n_active=np.zeros(0, np.int64),
        band_share=np.zeros(0),
        n_candidates=n,
    )


def bundle(feature_index: int, **values: Any) -> FeatureBundle:
    """A feature that differs from `FEATURE` in the values given, with a matching histogram."""
    record = replace(FEATURE, feature_index=feature_index, **values)
    counts = np.array([record.n_active, 0], np.uint32)
    histogram = HistogramPanel(record.max_activation or 1.0, counts)
    panels = FeaturePanels(histogram, None, None, None, None, None, None)
    return FeatureBundle(record, panels, {"top": top_examples([0, 2], [3.0, 1.0])}, {})


def tokens() -> list[TokenRecord]:
    texts = ["<bos>", " self", "self", "Self", "\n"]
    return [
        TokenRecord(i, text, text, text.encode(), i == 0, i != 0) for i, text in enumerate(texts)
    ]


def contexts() -> list[ContextRecord]:
    ids = np.array([0, 1, 2, 3, 4, 1, 2, 3], np.uint16)
    return [ContextRecord(i, ids, np.zeros(CONTEXT_SIZE, np.int32)) for i in range(3)]


WriteAtlas = Callable[..., Path]


@pytest.fixture
def write_atlas(tmp_path: Path) -> WriteAtlas:
    """Writes (or adds to) an atlas and returns its path."""

    def write(
        bundles: list[FeatureBundle] | None = None,
        *,
        name: str = "atlas.db",
        model: ModelRecord = MODEL,
        sae: SaeRecord = SAE,
        d_sae: int | None = None,
        replace_sae: bool = False,
    ) -> Path:
        path = tmp_path / name
        bundles = bundles if bundles is not None else [bundle(i) for i in range(3)]
        with AtlasWriter(path, {"feature-atlas": "test"}) as writer:
            model_id = writer.add_model(model, tokens())
            occurrences = np.array([0, 9, 6, 3, 3])
            corpus_id = writer.add_corpus(model_id, CORPUS, occurrences, ["text.txt"])
            writer.add_contexts(corpus_id, contexts())
            record = replace(sae, d_sae=d_sae or len(bundles))
            sae_id = writer.add_sae(model_id, corpus_id, record, replace=replace_sae)
            writer.add_features(sae_id, bundles)
            writer.publish()
        return path

    return write
