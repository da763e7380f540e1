"""Sources become atlases: what is there is kept exactly, what isn't is None."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.check.whole import Asked as Check
from app.check.whole import check_whole
from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.db.examples import get_contexts, get_groups
from app.db.features import get_feature, get_panels
from app.db.tokens import get_tokens
from app.demo.synthetic import build_synthetic_atlas
from app.errors import AtlasError
from app.exchange.building.build import Asked, build_atlas
from app.exchange.building.naming import Address
from app.exchange.building.panels import histogram_panel
from app.exchange.foreign import (
    ForeignBand,
    ForeignFeature,
    ForeignHistogram,
    ForeignLogits,
    ForeignSource,
)
from app.exchange.reader.atlas import Atlas
from tests.exchange.building.conftest import MakeSource, example


def _asked(**more: Any) -> Asked:
    return Asked("invented", "Invented", Path("files"), **more)


def _build(atlas: Path, *sources: ForeignSource, **more: Any) -> None:
    build_atlas(atlas, sources, _asked(**more))
    for check in check_whole(atlas, Check(4, 0)):
        assert not check.problems


def test_what_a_source_has_is_kept_and_what_it_lacks_is_none(
    atlas: Path, source: MakeSource
) -> None:
    edges, counts = np.array([0.5, 1.0, 2.0, 8.0]), np.array([9.0, 0.0, 3.0])
    feature = ForeignFeature(
        7,
        density=0.0123,
        max_activation=8.0,
        skewness=1.5,
        histogram=ForeignHistogram(edges, counts),
        logits=ForeignLogits([" a", "b"], np.array([2.0, np.nan]), ["c"], np.array([-1.0])),
        examples=[example([" a", "b", "c"], [0, 8, 0.5], 1)],
    )
    _build(atlas, source(feature, n_tokens=1000, corpus="pile", hook_name="blocks.8.hook_mlp_out"))
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        (sae,) = list_saes(connection)
        assert sae.address == "gpt-2/8-res-jb"
        assert (sae.record.d_sae, sae.record.d_in, sae.record.hook_name) == (
            None, None, "blocks.8.hook_mlp_out",
        )  # fmt: skip
        assert (sae.corpus.n_tokens, sae.corpus.name) == (1000, "pile")
        assert (sae.record.n_features, sae.record.n_indices, sae.record.has_gaps) == (1, 8, True)
        record = get_feature(connection, sae.sae_id, 7)
        assert record is not None
        known = {name: value for name, value in vars(record).items() if value is not None}
        unsaid = {"summary", "short", "sparkline", "ablation_strip", "top_tokens"}
        assert known.keys() - unsaid == {
            "feature_index", "density", "max_activation", "skewness", "max_logit",
        }  # fmt: skip
        panels = get_panels(connection, sae.sae_id, 7)
        assert panels.histogram is not None and panels.logit_lens is not None
        assert panels.histogram.source_edges.tolist() == edges.tolist()
        assert panels.histogram.counts.tolist() == counts.tolist()
        assert np.isnan(panels.logit_lens.raw_positive[1])
        assert (panels.tokens, panels.locality, panels.places, panels.coactive) == (None,) * 4
    opened.close()


def test_the_same_text_is_one_context_and_an_example_knows_its_place(
    atlas: Path, source: MakeSource
) -> None:
    text, other = [" x", "y", "x"], ["y", "y"]
    first = ForeignFeature(0, examples=[example(text, [0, 1, 2], 2), example(other, [3, 0], 0)])
    second = ForeignFeature(1, examples=[example(text, [5, 0, 0], 0), example(text, [5, 0, 0], 0)])
    _build(atlas, source(first, second))
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        (sae,) = list_saes(connection)
        assert (sae.corpus.n_contexts, sae.corpus.context_size) == (2, 3)
        top, _ = get_groups(connection, sae.sae_id, 0)["top"]
        assert top.activation.tolist() == [3.0, 2.0]
        assert top.position.tolist() == [0, 2]
        again, _ = get_groups(connection, sae.sae_id, 1)["top"]
        assert (again.context_id[0], again.repeats.tolist()) == (top.context_id[1], [2])
        contexts = get_contexts(connection, sae.corpus_id, [0, 1])
        tokens = get_tokens(connection, sae.model_id, range(10))
        said = [[tokens[i].token for i in contexts[c].token_ids.tolist()] for c in (0, 1)]
        assert said == [text, other]
    opened.close()


def test_texts_without_a_firing_are_silent_and_bands_go_down(
    atlas: Path, source: MakeSource
) -> None:
    def interval(value: float, low: float, high: float):
        return example(
            ["a", f"{value:g}"], [0, value], 1, "interval", band=ForeignBand(low, high, None)
        )

    feature = ForeignFeature(
        0, max_activation=4, examples=[interval(0, 0, 2), interval(1, 0, 2), interval(3, 2, 4)]
    )
    _build(atlas, source(feature))
    with Atlas.open(atlas) as opened:
        (found,) = opened.dictionary("gpt-2", "8-res-jb").features()
        assert [(e.group, e.activation) for e in found.examples] == [
            ("interval", 3.0), ("interval", 1.0), ("silent", 0.0),
        ]  # fmt: skip
        bands = [e.band for e in found.examples[:2]]
        assert [(b.low, b.high, b.n_active, b.share) for b in bands if b is not None] == [
            (2.0, 4.0, None, None), (0.0, 2.0, None, None),
        ]  # fmt: skip


def test_shares_come_back_as_shares(atlas: Path, source: MakeSource) -> None:
    shares = ForeignHistogram(np.array([0.0, 1.0, 2.0]), np.array([0.75, 0.25]))
    _build(atlas, source(ForeignFeature(0, histogram=shares)))
    with Atlas.open(atlas) as opened:
        (found,) = opened.dictionary("gpt-2", "8-res-jb").features()
        assert found.histogram is not None
        assert found.histogram.counts.tolist() == [0.75, 0.25]


def test_dead_features_are_rows_and_a_density_of_nearly_nothing_is_unknown(
    atlas: Path, source: MakeSource
) -> None:
    rare = ForeignFeature(1, density=0.0, examples=[example(["a"], [2.0], 0)])
    _build(atlas, source(ForeignFeature(0, density=0.0), rare, dead=[5]))
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        (sae,) = list_saes(connection)
        found = [get_feature(connection, sae.sae_id, i) for i in (0, 1, 5)]
        assert [r is not None and (r.n_active, r.density) for r in found] == [
            (0, 0.0), (None, None), (0, 0.0),
        ]  # fmt: skip
    opened.close()


def test_positions_are_known_only_where_the_source_says(atlas: Path, source: MakeSource) -> None:
    known = ForeignFeature(0, examples=[example(["a", "b"], [0, 1], 1, first_position=1)])
    unknown = ForeignFeature(0, examples=[example(["a", "c"], [0, 1], 1)])
    _build(atlas, source(known), source(unknown, sae="other"))
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        firsts = [sae.corpus.first_position for sae in list_saes(connection)]
    opened.close()
    assert firsts == [1, None]


def test_a_second_import_uses_and_extends_the_vocabulary(atlas: Path, source: MakeSource) -> None:
    _build(atlas, source(ForeignFeature(0, examples=[example(["a", "b"], [0, 1], 1)])))
    more = ForeignFeature(0, examples=[example(["b", "new"], [0, 1], 1)])
    _build(atlas, source(more, sae="other"))
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        one, other = list_saes(connection)
        assert one.model_id == other.model_id and other.model.d_vocab == 3
        (context,) = get_contexts(connection, other.corpus_id, [0]).values()
        assert context.token_ids.tolist() == [1, 2]
    opened.close()


def test_a_models_own_vocabulary_is_used_and_never_added_to(
    atlas: Path, source: MakeSource
) -> None:
    build_synthetic_atlas(atlas, n_features=5, saes=("one",))
    at = {"addresses": [Address("synthetic", "imported")]}
    known = ForeignFeature(0, examples=[example([" def", " self"], [0, 1], 1)])
    unknown = ForeignFeature(0, examples=[example(["never-a-token"], [1], 0)])
    before = atlas.read_bytes()
    with pytest.raises(AtlasError, match="'never-a-token', which isn't one of synthetic's"):
        build_atlas(atlas, [source(unknown)], _asked(**at))
    assert atlas.read_bytes() == before
    build_atlas(atlas, [source(known)], _asked(**at))
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        imported = list_saes(connection)[1]
        (context,) = get_contexts(connection, imported.corpus_id, [0]).values()
        words = get_tokens(connection, imported.model_id, context.token_ids.tolist())
        assert [words[i].token for i in context.token_ids.tolist()] == [" def", " self"]
        assert not imported.model.imported
    opened.close()


def test_importing_again_is_refused_without_replace(atlas: Path, source: MakeSource) -> None:
    old = source(ForeignFeature(0, examples=[example(["a"], [1], 0)]))
    _build(atlas, old)
    before = atlas.read_bytes()
    with pytest.raises(AtlasError, match="already holds gpt-2/8-res-jb: use --replace"):
        build_atlas(atlas, [old], _asked())
    assert atlas.read_bytes() == before
    new = source(*(ForeignFeature(i, examples=[example(["b"], [1], 0)]) for i in range(2)))
    _build(atlas, new, replace=True)
    _build(atlas, new, replace=True)
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        (sae,) = list_saes(connection)
        assert (sae.record.n_features, sae.corpus.n_contexts) == (2, 1)
    opened.close()


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        (ForeignFeature(1 << 24), "the number 16777216, expected 0 to"),
        (ForeignFeature(0, density=1.5), "density 1.5, which is no share"),
        (ForeignFeature(0, max_activation=float("inf")), "max activation that is no finite"),
        (ForeignFeature(0, examples=[example(["a"], [1], 1)]), "chosen for token 1 of 1"),
        (ForeignFeature(0, examples=[example(["a"], [1, 2], 0)]), "1 tokens and 2 values"),
        (ForeignFeature(0, examples=[example(["a"], [float("nan")], 0)]), "no finite number"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_atlas(
    atlas: Path, source: MakeSource, feature: ForeignFeature, said: str
) -> None:
    with pytest.raises(AtlasError, match=said):
        build_atlas(atlas, [source(feature)], _asked())
    assert not atlas.exists() and not [*atlas.parent.glob("*.partial")]


def test_a_feature_twice_is_refused(atlas: Path, source: MakeSource) -> None:
    with pytest.raises(AtlasError, match=r"^a\.json is feature 3 again"):
        build_atlas(atlas, [source(ForeignFeature(3), ForeignFeature(3, place="a.json"))], _asked())
    with pytest.raises(AtlasError, match="holds no feature"):
        build_atlas(atlas, [source()], _asked())


def test_ids_of_the_source_are_kept(atlas: Path, source: MakeSource) -> None:
    logits = ForeignLogits(["elsewhere"], np.array([1.0]), [], np.zeros(0))
    feature = ForeignFeature(
        0, examples=[example(["a", "b"], [0, 1], 1, token_ids=[50, 7])], logits=logits
    )
    _build(atlas, source(feature))
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        (sae,) = list_saes(connection)
        (context,) = get_contexts(connection, sae.corpus_id, [0]).values()
        assert context.token_ids.tolist() == [50, 7]
        lens = get_panels(connection, sae.sae_id, 0).logit_lens
        assert lens is not None and lens.raw_positive_ids[0] >= 1 << 20
    opened.close()
    other = ForeignFeature(0, examples=[example(["not a"], [1], 0, token_ids=[50])])
    with pytest.raises(AtlasError, match="token 50 as 'not a', in the vocabulary of the model"):
        build_atlas(atlas, [source(other, sae="other")], _asked())


def test_heights_beyond_any_count_are_kept_as_shares() -> None:
    panel = histogram_panel(ForeignHistogram(np.arange(3.0), np.array([1e38, 3e38])))
    assert panel is not None and panel.in_millionths
    assert panel.counts.tolist() == [250_000, 750_000]
