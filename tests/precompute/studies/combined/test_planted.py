"""A conjunction and an alternative that were planted are found through the whole job.

The model has one block. Attention is even, so that at every token the stream holds how often the
tokens A and B came before; the MLP's neurons cut that off below and above. At the token P, and
nowhere else, feature 0 fires if A or B came before it, feature 1 if both did, feature 2 always.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae
from app.db.engine import open_atlas
from app.db.features import get_feature
from app.db.studies import get_feature_study, get_study
from app.db.study_records.combined import CombinedExample, CombinedStudy, FeatureCombined
from app.precompute.ablation.combined import most_tokens
from app.precompute.model.language_model import LanguageModel
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.combined import study as stage
from tests.conftest import SIZE, save_tokenizer

A, B, P, PEAK, CONTEXT_SIZE = 40, 41, 42, 16, 24
LARGE, STEEP, SILENT = 40.0, 20.0, -2.0
COUNT, MARK, CONSTANT, SEEN = (0, 4), (1, 5), (2, 3), (6, 7)
"""Pairs of entries of the stream; one is always the other's negative, so that its mean is 0."""


@pytest.fixture(scope="module")
def model_folder_planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import transformers

    folder = tmp_path_factory.mktemp("planted")
    config: Any = transformers.GPT2Config(
        n_embd=16, n_inner=8, n_layer=1, n_head=1, n_positions=32, tie_word_embeddings=False, **SIZE
    )
    config.bos_token_id = config.eos_token_id = 0
    torch.manual_seed(0)
    plain: Any = transformers.GPT2LMHeadModel(config)
    scale = LARGE / np.sqrt(8)  # what layer norm divides by, nearly
    with torch.no_grad():
        block, embedding = plain.transformer.h[0], plain.transformer.wte.weight
        for tensor in (
            embedding,
            plain.transformer.wpe.weight,
            *block.attn.parameters(),
            *block.mlp.parameters(),
        ):
            tensor.zero_()
        put(embedding, slice(None), CONSTANT, LARGE)
        for token in (A, B):
            put(embedding, token, SEEN, 1.0)
        put(embedding, P, MARK, 1.0)
        block.attn.c_attn.weight[SEEN[0], 2 * 16] = scale
        put(block.attn.c_proj.weight, 0, COUNT, float(PEAK))
        for neuron, threshold in enumerate((0.3, 0.8, 1.2, 1.8)):
            block.mlp.c_fc.weight[COUNT[0], neuron] = STEEP * scale
            block.mlp.c_fc.weight[MARK[0], neuron] = 10 * STEEP * scale
            block.mlp.c_fc.bias[neuron] = -STEEP * (10 + threshold)
        block.mlp.c_fc.weight[MARK[0], 4] = STEEP * scale
        block.mlp.c_fc.bias[4] = -STEEP / 2
    plain.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def put(tensor: torch.Tensor, row: Any, pair: tuple[int, int], value: float) -> None:
    tensor[row, pair[0]], tensor[row, pair[1]] = value, -value


def write_dictionary(folder: Path) -> Path:
    """Feature 0 has neurons 0 and 1, feature 1 has 2 and 3, feature 2 has 4."""
    W_enc = np.zeros((8, 3))
    W_enc[[0, 1], 0] = W_enc[[2, 3], 1] = 1, -1
    W_enc[4, 2] = 1
    folder.mkdir()
    tensors = {"W_enc": W_enc, "b_enc": np.full(3, SILENT), "W_dec": W_enc.T.copy()}
    tensors |= {"b_dec": np.zeros(8)}
    save_file(
        {k: v.astype(np.float32) for k, v in tensors.items()}, folder / "sae_weights.safetensors"
    )
    config = {
        "architecture": "standard", "d_in": 8, "d_sae": 3, "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "metadata": {"hook_name": "blocks.0.mlp.hook_post", "prepend_bos": True},
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def corpus(path: Path) -> Path:
    """Forty contexts of filler; in six of them P, with A and B some places before it."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(100, 250, (40, CONTEXT_SIZE))
    tokens[:, 0] = 0
    for row in range(6):
        first, second = rng.choice(np.arange(PEAK - 10, PEAK), 2, replace=False)
        tokens[row, [first, second, PEAK]] = A, B, P
    np.save(path, tokens.astype(np.int32))
    return path


@pytest.fixture(scope="module")
def planted(
    model_folder_planted: Path, tmp_path_factory: pytest.TempPathFactory
) -> PrecomputeSettings:
    folder = tmp_path_factory.mktemp("run")
    settings = PrecomputeSettings(
        model=str(model_folder_planted),
        sae=[str(write_dictionary(folder / "sae"))],
        name=["tiny/planted"],
        corpus=str(corpus(folder / "tokens.npy")),
        output=folder / "atlas.db",
        verify=False,
        ablation_examples=4,
        ablation_interval_examples=0,
        ablation_window=14,
        replacements=1,
        context_examples=4,
        combined_examples=3,
        quality_contexts=2,
    )
    return settings


@pytest.fixture(scope="module")
def found(planted: PrecomputeSettings) -> Any:
    """(connection, dictionary, price, tokens really run)."""
    prices, n_run = [], [0]
    study, real = stage.STUDY, LanguageModel.activations_at

    def price(at_hand: Any) -> Any:
        prices.append(study.price(at_hand))
        return prices[-1]

    def counting(self: Any, places: Any, tokens: Any, *args: Any, **kwargs: Any) -> Any:
        n_run[0] += tokens.numel()
        return real(self, places, tokens, *args, **kwargs)

    def measure(at_hand: Any, asked: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LanguageModel, "activations_at", counting)
            return study.task.work(at_hand, asked)

    replaced = type(study)(
        study.listed, study.unit, type(study.task)(measure, "model"), price, study.pieces,
        study.harvest,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.precompute.studies.registry.STUDIES", (replaced,))
        run(planted, reporter=Reporter())
    atlas = open_atlas(planted.output)
    with atlas.connect() as connection:
        yield connection, find_sae(connection, "tiny", "planted"), prices[0], n_run[0]
    atlas.close()


def examples_of(connection: Connection, sae: Sae, index: int) -> list[CombinedExample]:
    record = get_feature_study(connection, FeatureCombined, sae.sae_id, index)
    return [] if record is None else record.examples


def test_the_features_are_told_apart(found: Any) -> None:
    connection, sae, _, _ = found
    study = get_study(connection, CombinedStudy, sae.sae_id)
    assert study is not None
    assert (study.n_alternative, study.n_conjunction, study.n_features) == (1, 1, 2)
    records = [get_feature(connection, sae.sae_id, index) for index in range(3)]
    shares = [record.pair_interaction for record in records if record is not None]
    assert shares[0] == pytest.approx(-10 / 8, rel=0.05)
    assert shares[1] == pytest.approx(12 / 10, rel=0.05)
    assert shares[2] is None


def test_each_pair_is_the_one_that_was_planted(found: Any) -> None:
    connection, sae, _, _ = found
    for index, sign in ((0, -1), (1, 1)):
        examples = examples_of(connection, sae, index)
        assert 1 <= len(examples) <= 3
        for example in examples:
            tokens = example.token_ids[example.pair_positions - example.first]
            places = [int(np.flatnonzero(tokens == token)[0]) for token in (A, B)]
            size = abs(example.hidden_pre_baseline)
            assert sign * example.interactions[places[0], places[1]] / size > 1
            others = np.delete(np.delete(example.interactions, places, 0), places, 1)
            assert np.abs(others / size).max() < 0.1
            alone = example.alone[places] / size
            if index == 0:  # either suffices: each alone does next to nothing
                assert np.abs(alone).max() < 0.1
            else:
                assert alone.max() < -1
            assert example.token_ids[-1] == P


def test_the_smallest_joint_block_holds_both(found: Any) -> None:
    connection, sae, _, _ = found
    for example in examples_of(connection, sae, 0):
        (smallest,) = np.flatnonzero(example.block_smallest)
        stretch = slice(
            int(example.block_start[smallest]) - example.first,
            int(example.block_stop[smallest]) - example.first,
        )
        assert {A, B} <= set(example.token_ids[stretch].tolist())
        assert example.block_joint[0]  # the whole window
        assert example.held >= 0.5  # another context may bring an A or a B
        assert example.singles == pytest.approx(0, abs=0.2)


def test_the_price_is_never_exceeded(found: Any) -> None:
    _, _, price, n_run = found
    assert 0 < n_run <= price.n_tokens
    assert price.words == "at most 3 examples of each of 3 features"


def test_more_tokens_cost_more(found: Any) -> None:
    costs = [most_tokens(position, 32, trees=True) for position in (2, 10, 40, 100)]
    assert costs == sorted(costs)
    assert most_tokens(40, 32, trees=False) > most_tokens(40, 32, trees=True)
