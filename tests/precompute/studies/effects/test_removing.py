"""Removing a feature equals a loop that hooks the plain model by hand, one firing at a time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from app.precompute.ablation.texts import Mount
from app.precompute.model.language_model import LanguageModel
from app.precompute.studies.effects.removing import Firings, Removed, remove
from app.precompute.studies.effects.replay import ORDINARY, Way, choose_way, site_of
from app.precompute.studies.effects.rows import Place, most_tokens, passes
from app.sae.dictionary import Dictionary
from app.sae.normalisation import Normalisation

Models = Callable[[str], LanguageModel]
Dictionaries = Callable[..., Dictionary]
RESID, LAST, HEADS = (
    "blocks.0.hook_resid_post",
    "blocks.1.hook_resid_post",
    "blocks.1.attn.hook_z",
)
N_READ = 4


def contexts() -> tuple[np.ndarray, np.ndarray]:
    """Six texts with a BOS; some tokens are not counted."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 290, (6, 14))
    tokens[:, 0] = 0
    counted = rng.random(tokens.shape) < 0.8
    counted[:, 0] = False
    return tokens, counted


def some_firings(model: LanguageModel, mounts: list[Mount], tokens: np.ndarray) -> Firings:
    """A few firings of every dictionary, one of them at the last position, by context."""
    rng = np.random.default_rng(1)
    found = []
    for number, mount in enumerate(mounts):
        x = model.activations(torch.from_numpy(tokens), [mount.hook_name])[mount.hook_name]
        acts = mount.dictionary.encode(x).numpy()
        acts[:, 0] = 0
        where = np.argwhere(acts > 0)
        chosen = where[rng.choice(len(where), 12, replace=False)]
        chosen = np.concatenate([chosen, where[where[:, 1] == tokens.shape[1] - 1][:1]])
        found += [(c, p, number, f, acts[c, p, f]) for c, p, f in chosen]
    context, position, mount_of, feature, activation = map(
        np.array, zip(*sorted(found), strict=True)
    )
    return Firings(mount_of, feature, context, position, activation.astype(np.float32))


def by_hand(
    model: LanguageModel, mount: Mount, tokens: np.ndarray, position: int, feature: int, act: float
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of one whole context, with and without the feature at the position."""

    def change(x: Tensor) -> Tensor:
        dictionary, flat = mount.dictionary, x.flatten(start_dim=2).clone()
        own = flat[0, position]
        with_it = torch.zeros(dictionary.config.d_sae)
        with_it[feature] = act
        nothing = dictionary.decode(torch.zeros_like(with_it), own)
        flat[0, position] = own - (dictionary.decode(with_it, own) - nothing)
        return flat.reshape(x.shape)

    text = torch.from_numpy(tokens[None])
    clean, changed = model.logits(text), model.logits(text, {mount.hook_name: change})
    return clean[0].log_softmax(-1), changed[0].log_softmax(-1)


def check(
    model: LanguageModel,
    mounts: list[Mount],
    ways: dict[str, Way],
    tokens: np.ndarray,
    counted: np.ndarray,
    **more: Any,
) -> Removed:
    firings = some_firings(model, mounts, tokens)
    found = remove(model, mounts, ways, tokens, counted, firings, N_READ, **more)
    for i, (number, feature, context, position, act) in enumerate(
        zip(*(getattr(firings, name) for name in Firings.__annotations__), strict=True)
    ):
        clean, changed = by_hand(
            model, mounts[number], tokens[context], int(position), int(feature), float(act)
        )
        for offset in range(N_READ):
            target = position + offset + 1
            if target < tokens.shape[1] and counted[context, target]:
                token = tokens[context, target]
                expected = clean[target - 1, token] - changed[target - 1, token]
                assert found.delta_ce[i, offset] == pytest.approx(float(expected), abs=2e-4)
                if offset == 0:
                    assert found.next_id[i] == token
                    assert found.ce[i] == pytest.approx(-float(clean[position, token]), rel=1e-3)
            else:
                assert np.isnan(found.delta_ce[i, offset])
                assert offset or found.next_id[i] == -1
        before, after = clean[position].exp(), changed[position].exp()
        kl = (before * (clean[position] - changed[position])).sum()
        assert found.kl[i] == pytest.approx(float(kl), rel=1e-2, abs=1e-5)
        assert found.changes_likeliest[i] == (before.argmax() != after.argmax())
        moved = (after - before).sort()
        lost = found.lost_to[i] - found.lost_from[i]
        gained = found.gained_to[i] - found.gained_from[i]
        np.testing.assert_allclose(lost, moved.values[:3], atol=1e-4)
        np.testing.assert_allclose(gained, moved.values.flip(0)[:3], atol=1e-4)
        token = int(found.lost_id[i, 0])
        assert after[token] - before[token] == pytest.approx(float(lost[0]), abs=1e-4)
    assert (found.kl > 1e-3).any()
    return found


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "llama", "gemma2", "sliding", "bloom"])
@pytest.mark.parametrize("hook_name", [RESID, LAST, HEADS])
def test_removing_equals_hooks_by_hand(
    tiny_model: Models, tiny_dictionary: Dictionaries, architecture: str, hook_name: str
) -> None:
    model = tiny_model(architecture)
    mounts = [Mount(tiny_dictionary(model.hook_width(hook_name), kind="jumprelu"), hook_name)]
    tokens, counted = contexts()
    way = choose_way(model, hook_name, tokens[0], N_READ)
    assert way.skips  # blocks beneath the hook don't run again
    # "bloom" takes no positions; above the last attention of "sliding" nothing looks back.
    looks_back = architecture == "sliding" and hook_name != LAST
    assert way.trees == (architecture != "bloom" and not looks_back)
    check(model, mounts, {hook_name: way}, tokens, counted)


@pytest.mark.parametrize("way", [ORDINARY, Way(True, False), Way(False, True)])
def test_every_way_gives_the_same(
    tiny_model: Models, tiny_dictionary: Dictionaries, way: Way
) -> None:
    model = tiny_model("neox")
    mounts = [
        Mount(tiny_dictionary(16, kind="relu"), RESID),
        Mount(tiny_dictionary(16, kind="topk", seed=1), RESID),
        Mount(tiny_dictionary(16, kind="relu", seed=2), HEADS),
    ]
    tokens, counted = contexts()
    check(model, mounts, {RESID: way, HEADS: way}, tokens, counted)


def test_a_normalisation_is_undone_with_the_tokens_own_statistics(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model = tiny_model("llama")
    dictionary = replace(tiny_dictionary(16), normalisation=Normalisation("layer_norm"))
    tokens, counted = contexts()
    check(model, [Mount(dictionary, RESID)], {RESID: Way(True, True)}, tokens, counted)


def test_activations_that_are_kept_need_no_pass_of_the_model(
    tiny_model: Models, tiny_dictionary: Dictionaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("neox")
    tokens, counted = contexts()
    x = model.activations(torch.from_numpy(tokens), [RESID])[RESID]
    mounts = [Mount(tiny_dictionary(16), RESID)]
    firings = some_firings(model, mounts, tokens)
    way = {RESID: Way(True, True)}
    expected = remove(model, mounts, way, tokens, counted, firings, N_READ)

    def none(*_: object) -> None:
        pytest.fail("the model read a hook")

    monkeypatch.setattr(model, "activations", none)
    found = remove(
        *(model, mounts, way, tokens, counted, firings, N_READ),
        kept=lambda hook_name, context, position: x[
            torch.from_numpy(context), torch.from_numpy(position)
        ],
    )
    np.testing.assert_allclose(found.delta_ce, expected.delta_ce, atol=1e-5)


@pytest.mark.parametrize(
    ("hook_name", "entry", "adds", "without_blocks"),
    [
        ("hook_embed", "hook_embed", "hook_embed", 0),
        ("blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre", 1),
        ("blocks.1.hook_resid_post", "blocks.1.hook_resid_post", "blocks.1.hook_resid_post", 2),
        ("blocks.1.hook_mlp_out", "blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out", 1),
        ("blocks.1.hook_resid_mid", "blocks.1.hook_resid_pre", "blocks.1.hook_attn_out", 1),
    ],
)
def test_where_a_text_goes_on(hook_name: str, entry: str, adds: str, without_blocks: int) -> None:
    site = site_of(hook_name)
    assert (site.entry, site.adds, site.without_blocks) == (entry, adds, without_blocks)


@pytest.mark.parametrize("trees", [True, False])
def test_passes_hold_no_more_tokens_than_was_said(trees: bool) -> None:
    rng = np.random.default_rng(2)
    n_tokens, n_read, d_vocab = 60, 8, 40_000
    places = []
    for text in range(12):
        for _ in range(int(rng.integers(1, 60))):
            position = int(rng.integers(1, n_tokens))
            places.append(Place(text, position, min(n_read, n_tokens - position)))
    made = list(passes(places, d_vocab, trees, 1536))
    assert sorted(i for one in made for i in one.places) == list(range(len(places)))
    run = sum(len(row.position) for one in made for row in one.rows)
    assert run <= most_tokens(len(places), 12, n_tokens, n_read, d_vocab, trees)
    for one in made:
        for place, (row, column), (clean_row, clean) in zip(
            one.places, one.changed, one.clean, strict=True
        ):
            asked = places[place]
            assert one.rows[row].text == one.rows[clean_row].text == asked.text
            here = slice(column, column + asked.n_read)
            stop = asked.position + asked.n_read
            assert one.rows[row].position[here].tolist() == list(range(asked.position, stop))
            assert one.rows[clean_row].segment[clean] == 0
            assert one.rows[clean_row].position[clean] == asked.position
