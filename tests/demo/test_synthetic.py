"""The invented atlas: the same arguments, the same content; every panel filled; sums that fit."""

from pathlib import Path

import numpy as np

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.db.examples import get_contexts, get_groups
from app.db.features import get_feature, get_panels
from app.db.records import GROUPS
from app.db.tokens import get_rankings, get_tokens
from app.demo.synthetic import build_synthetic_atlas
from app.demo.synthetic.text import HOSTILE_TOKENS


def test_the_same_arguments_give_the_same_content(tmp_path: Path) -> None:
    for name in ("a.db", "b.db"):
        build_synthetic_atlas(tmp_path / name, n_features=12, saes=("one",))
    first, second = (open_atlas(tmp_path / name) for name in ("a.db", "b.db"))
    with first.connect() as a, second.connect() as b:
        for index in range(12):
            assert get_feature(a, 1, index) == get_feature(b, 1, index)
            one, two = (get_groups(c, 1, index) for c in (a, b))
            assert one.keys() == two.keys()
            for group in one:
                np.testing.assert_equal(vars(one[group][0]), vars(two[group][0]))


def test_every_panel_is_filled_and_agrees(tmp_path: Path) -> None:
    atlas = open_atlas(build_synthetic_atlas(tmp_path / "atlas.db", n_features=40, saes=("one",)))
    with atlas.connect() as connection:
        [sae] = list_saes(connection)
        living = [f for i in range(40) if (f := get_feature(connection, 1, i)) and f.n_active]
        assert 30 < len(living) <= 40 - (sae.record.quality.n_dead or 0)
        for feature in living:
            panels = get_panels(connection, 1, feature.feature_index)
            assert all(panel is not None for panel in vars(panels).values())
            assert panels.histogram is not None and panels.tokens is not None
            assert panels.histogram.counts.sum() == feature.n_active
            listed = panels.tokens.n_active.sum() + panels.tokens.left_out_n_active
            assert listed == feature.n_active
            groups = get_groups(connection, 1, feature.feature_index)
            assert groups.keys() == set(GROUPS)
            assert groups["top"][1] is not None
            contexts = get_contexts(connection, 1, groups["top"][0].context_id.tolist())
            assert len(contexts) == np.unique(groups["top"][0].context_id).size
        assert get_rankings(connection, 1, "promotes", [1])[1].score[0] > 1


def test_hostile_tokens_are_in_the_vocabulary_and_the_text(tmp_path: Path) -> None:
    path = build_synthetic_atlas(tmp_path / "a.db", n_features=4, hostile=True, saes=("one",))
    with open_atlas(path).connect() as connection:
        tokens = get_tokens(connection, 1, range(500))
        assert set(HOSTILE_TOKENS) <= {token.token for token in tokens.values()}
        ids = {i for c in get_contexts(connection, 1, range(64)).values() for i in c.token_ids}
        assert {tokens[i].token for i in ids} >= set(HOSTILE_TOKENS)
