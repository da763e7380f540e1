"""A feature whose removal changes one known logit by a known amount, and nothing else.

The model's blocks add nothing, so the stream at the last hook is the token's embedding. The feature
holds up one entry of it against another, so that taking it away only moves a number from one entry
to the other: the final norm stays what it is. One token's logit reads the first entry, none the
second.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from app.precompute.ablation.texts import Mount
from app.precompute.model.language_model import LanguageModel
from app.precompute.studies.effects.removing import Firings, remove
from app.precompute.studies.effects.replay import choose_way
from app.sae.dictionary import Dictionary
from tests.conftest import D_VOCAB, SIZE, save_tokenizer

HOOK, SIZE_OF_IT, GAIN = "blocks.1.hook_resid_post", 3.0, 2.0
FIRES_ON, PROMOTES, OTHER = 5, 77, 9


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """Two blocks that add nothing; token 5 has 3 in its first entry; token 77 reads that entry."""
    import transformers

    folder = tmp_path_factory.mktemp("planted")
    config: Any = transformers.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, n_positions=32, tie_word_embeddings=False, **SIZE
    )
    config.bos_token_id = config.eos_token_id = 0
    torch.manual_seed(0)
    plain: Any = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for block in plain.transformer.h:
            for layer in (block.attn.c_proj, block.mlp.c_proj):
                layer.weight.zero_()
                layer.bias.zero_()
        plain.transformer.wpe.weight.zero_()
        plain.transformer.wte.weight[:, :2] = 0
        plain.transformer.wte.weight[FIRES_ON, 0] = SIZE_OF_IT
        plain.lm_head.weight[:, :2] = 0
        plain.lm_head.weight[PROMOTES, 0] = GAIN
    plain.save_pretrained(folder)
    save_tokenizer(folder)
    return LanguageModel.load(folder)


def test_one_logit_falls_by_what_was_planted(
    model: LanguageModel, tiny_dictionary: Callable[..., Dictionary]
) -> None:
    W_dec = torch.zeros(24, 16)
    W_dec[7, 0], W_dec[7, 1] = 1, -1
    mount = Mount(replace(tiny_dictionary(16), W_dec=W_dec), HOOK)
    tokens = np.array([[0, OTHER, FIRES_ON, PROMOTES, FIRES_ON, OTHER]])
    counted = np.ones((1, 6), bool)
    firings = Firings(
        *(np.array(column) for column in ([0, 0], [7, 7], [0, 0], [2, 4], [3.0, 3.0]))
    )
    way = {HOOK: choose_way(model, HOOK, tokens[0], 3)}
    found = remove(model, [mount], way, tokens, counted, firings, 3)

    logits = model.logits(torch.from_numpy(tokens))[0, 2].double().numpy()
    x = model.activations(torch.from_numpy(tokens), [HOOK])[HOOK][0, 2].double().numpy()
    falls = GAIN * SIZE_OF_IT / np.sqrt(x.var() + 1e-5)
    changed = logits.copy()
    changed[PROMOTES] -= falls
    before, after = (values - np.log(np.exp(values).sum()) for values in (logits, changed))
    assert falls > 1
    for i, next_token in ((0, PROMOTES), (1, OTHER)):
        assert found.delta_ce[i, 0] == pytest.approx(
            before[next_token] - after[next_token], abs=1e-5
        )
        assert found.kl[i] == pytest.approx((np.exp(before) * (before - after)).sum(), rel=1e-4)
        assert found.lost_id[i].tolist() == [PROMOTES, -1, -1]  # every other token gains
        assert found.lost_from[i, 0] == pytest.approx(np.exp(before[PROMOTES]), rel=1e-4)
        assert found.lost_to[i, 0] == pytest.approx(np.exp(after[PROMOTES]), rel=1e-4)
    # Blocks that look back add nothing: what follows is as it was.
    np.testing.assert_allclose(found.delta_ce[0, 1:], 0, atol=1e-6)
    assert np.isnan(found.delta_ce[1, 1:]).all()
    assert D_VOCAB > PROMOTES
