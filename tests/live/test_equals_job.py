"""What the live model says of a stored context is what the job stored of it."""

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.engine import open_atlas
from app.db.examples import get_contexts, get_groups
from app.live.owner import Owner
from app.live.protocol import (
    AblationAnswer,
    AblationAsked,
    ActivationsAnswer,
    ActivationsAsked,
    TopAnswer,
    TopAsked,
)
from tests.live.made import MLP, RESID, Made


@pytest.fixture(scope="module")
def connection(made: Made) -> Iterator[Connection]:
    atlas = open_atlas(made.atlas)
    with atlas.connect() as connection:
        yield connection
    atlas.close()


@pytest.fixture(scope="module", params=[RESID, MLP])
def sae(connection: Connection, request: pytest.FixtureRequest) -> Sae:
    return next(sae for sae in list_saes(connection) if sae.address == request.param)


def stored_ids(connection: Connection, sae: Sae, context_id: int) -> list[int]:
    return get_contexts(connection, sae.corpus_id, [context_id])[context_id].token_ids.tolist()


def firing_features(connection: Connection, sae: Sae) -> list[int]:
    return [f for f in range(24) if "top" in get_groups(connection, sae.sae_id, f)]


def test_activations(owner: Owner, connection: Connection, sae: Sae) -> None:
    n_compared = 0
    for feature in firing_features(connection, sae):
        group = get_groups(connection, sae.sae_id, feature)["top"][0]
        for row, context_id in enumerate(group.context_id.tolist()):
            ids = stored_ids(connection, sae, context_id)
            asked = ActivationsAsked(token_ids=ids, sae=sae.address, features=[feature])
            found = ActivationsAnswer(**owner.ask("activations", asked).future.result(60))
            expected = np.zeros(len(ids))
            own = slice(int(group.firing_indptr[row]), int(group.firing_indptr[row + 1]))
            expected[group.firing_position[own]] = group.firing_activation[own]
            measured = np.where(found.counted, found.features[0].activations, 0)
            np.testing.assert_allclose(measured, expected, atol=1e-3 * expected.max())
            n_compared += 1
    assert n_compared > 20


def test_ablated_text_and_the_context_needed(
    owner: Owner, connection: Connection, sae: Sae
) -> None:
    """The same window, the same draws: replacements and fillings are the job's own."""
    n_compared = 0
    for feature in firing_features(connection, sae):
        group, ablations = get_groups(connection, sae.sae_id, feature)["top"]
        assert ablations is not None
        for i, rank in enumerate(ablations.rank.tolist()):
            asked = AblationAsked(
                token_ids=stored_ids(connection, sae, int(group.context_id[rank])),
                sae=sae.address,
                feature_index=feature,
                position=int(group.position[rank]),
                measures=["ablation", "context"],
            )
            found = AblationAnswer(**owner.ask("ablation", asked).future.result(60))
            baseline = float(ablations.baseline[i])
            assert found.baseline == pytest.approx(baseline, rel=1e-4)
            assert found.ablation is not None and found.context is not None
            for effects in found.ablation:
                way = effects.mode
                indptr = getattr(ablations, f"{way}_indptr")
                own = slice(int(indptr[i]), int(indptr[i + 1]))
                assert effects.positions == getattr(ablations, f"{way}_position")[own].tolist()
                expected = getattr(ablations, f"{way}_effect")[own]
                size = max(abs(baseline), abs(float(ablations.hidden_pre_baseline[i])))
                np.testing.assert_allclose(effects.effects, expected, atol=0.01 * size)
            kept = np.isin(ablations.kept, found.context.kept)
            stored = ablations.context_filled[i, kept], ablations.context_truncated[i, kept]
            shares = found.context.activation_share, found.context.truncated_share
            for share, value in zip(shares, stored, strict=True):
                np.testing.assert_allclose(np.array(share, float), value, atol=0.01)
            n_compared += 1
    assert n_compared > 20


def test_top_features_are_those_of_every_feature(
    owner: Owner, connection: Connection, sae: Sae
) -> None:
    ids = stored_ids(connection, sae, 1)
    every = ActivationsAsked(token_ids=ids, sae=sae.address, features=list(range(24)))
    read = ActivationsAnswer(**owner.ask("activations", every).future.result(60))
    acts = np.array([feature.activations for feature in read.features])
    acts[:, ~np.array(read.counted)] = 0
    span = acts[:, 3:9]
    asked = TopAsked(token_ids=ids, saes=[sae.address], start=3, stop=9, size=200)
    found = TopAnswer(**owner.ask("top", asked).future.result(60))
    strongest = span.max(axis=1)
    assert found.n_firing == (strongest > 0).sum() == len(found.features)
    order = np.argsort(-strongest, kind="stable")[: found.n_firing]
    assert [item.feature_index for item in found.features] == order.tolist()
    for item in found.features:
        own = span[item.feature_index]
        assert item.activation == pytest.approx(own.max(), rel=1e-4)
        assert item.position == 3 + own.argmax()
        assert item.n_positions == (own > 0).sum()


def test_top_features_by_share_and_rarity_over_several_dictionaries(
    owner: Owner, connection: Connection
) -> None:
    saes = {sae.address: sae for sae in list_saes(connection)}
    ids = stored_ids(connection, saes[RESID], 2)

    def ask(**more: object) -> TopAnswer:
        body = {"token_ids": ids, "saes": [RESID, MLP], "size": 200, **more}
        return TopAnswer(**owner.ask("top", TopAsked.model_validate(body)).future.result(60))

    everything = ask()
    assert {item.sae for item in everything.features} == {RESID, MLP}
    by_share = [item.share for item in ask(sort="share").features]
    assert by_share == sorted(by_share, key=lambda share: -(share or -1))
    rarest = [item.density for item in ask(sort="rarity").features]
    assert rarest == sorted(rarest)
    middle = rarest[len(rarest) // 2]
    sparse = ask(max_density=middle)
    assert sparse.n_firing == everything.n_firing
    assert sparse.n_dense == sum(density > middle for density in rarest)
    assert len(sparse.features) == sparse.n_firing - sparse.n_dense
    assert len(ask(size=5, sort="share").features) == 5
    assert [item.share for item in ask(size=5, sort="share").features] == by_share[:5]
