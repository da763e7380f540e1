"""Every setting costs the stages that depend on it, and no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import STUDIES
from app.precompute.workplace.stage_recipes import (
    AT_ASSEMBLY,
    SETTINGS,
    SETTLED,
    WITHOUT_EFFECT,
    Facts,
    changed_settings,
    stage_recipes,
)

FACTS = Facts(
    corpus="text",
    tokenizer_hash="t",
    model_hash="m",
    dictionaries={"a": {"weights_hash": "1"}, "b": {"weights_hash": "2"}},
    context_size=20,
    prepend_bos=True,
    contexts_per_shard=None,
    sizes={"batch_contexts": 4, "tile_features": 64},
    way="the bridge",
)
EXAMPLES = {"silent examples", "ablated text"}


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., PrecomputeSettings]:
    def make(**options: Any) -> PrecomputeSettings:
        required = {"model": "m", "sae": [tmp_path], "corpus": "c", "output": tmp_path / "a.db"}
        return PrecomputeSettings(**(required | options))

    return make


def test_every_setting_is_accounted_for() -> None:
    read = {name for names in SETTINGS.values() for name in names}
    kinds = (read, SETTLED, AT_ASSEMBLY, WITHOUT_EFFECT)
    every = sorted(name for kind in kinds for name in kind)
    assert every == sorted(PrecomputeSettings.model_fields)  # each in one of them


def of(*kinds: str, saes: str = "ab") -> set[str]:
    return {f"{kind}/{sae}" for kind in kinds for sae in saes}


def with_studies(stages: set[str], *options: str) -> set[str]:
    """And the studies that read one of them or one of the options."""
    kinds = {stage.split("/")[0] for stage in stages}
    behind = {s.name for s in STUDIES if kinds & {*s.reads} or {*options} & {*s.settings}}
    return stages | behind


@pytest.mark.parametrize(
    ("option", "stages"),
    [
        ({"ablation_window": 3}, {"ablated text"}),
        ({"context_draws": 3}, {"ablated text"}),
        ({"quality_contexts": 3}, {"quality"}),
        ({"coactivation_tokens": 3}, of("co-activation")),
        ({"near_misses": 3}, of("near misses")),
        ({"direction_map": "pca"}, of("map")),
        ({"top_examples": 3}, of("statistics") | EXAMPLES),
        (
            {"hidden_pre_contexts": 3},
            of("events", "statistics", "co-activation", "near misses") | EXAMPLES | {"quality"},
        ),
        (
            {"max_tokens": 300},
            of("events", "statistics", "co-activation", "near misses")
            | EXAMPLES
            | {"quality", "tokens", "final norm"},
        ),
        ({"threads": 3, "replace": True, "decoder_megabytes": 1}, set()),
    ],
)
def test_a_setting_costs_what_depends_on_it(
    settings: Callable[..., PrecomputeSettings], option: dict[str, Any], stages: set[str]
) -> None:
    old, new = stage_recipes(settings(), FACTS), stage_recipes(settings(**option), FACTS)
    stages = with_studies(stages, *option)
    assert {stage for stage in old if old[stage] != new[stage]} == stages
    reasons = {name for stage in stages for name in changed_settings(old[stage], new[stage])}
    assert reasons == (set(option) if stages else set())


def test_another_way_of_running_the_model_costs_the_events(
    settings: Callable[..., PrecomputeSettings],
) -> None:
    """And all that reads them; the trial's sizes as well, so a run keeps those it began with."""
    behind = of("events", "statistics", "co-activation", "near misses") | EXAMPLES | {"quality"}
    for change in ({"way": "the plain modules"}, {"sizes": {"batch_contexts": 8}}):
        old, new = (stage_recipes(settings(), facts) for facts in (FACTS, replace(FACTS, **change)))
        assert {stage for stage in old if old[stage] != new[stage]} == with_studies(behind)


def test_a_dictionary_costs_only_its_own_stages_and_those_for_all(
    settings: Callable[..., PrecomputeSettings],
) -> None:
    other = replace(FACTS, dictionaries={"a": {"weights_hash": "1"}, "b": {"weights_hash": "3"}})
    old, new = stage_recipes(settings(), FACTS), stage_recipes(settings(), other)
    own = of("events", "statistics", "co-activation", "near misses", "weights", "map", saes="b")
    changed = own | EXAMPLES | {"quality"} | {study.name for study in STUDIES}
    assert {stage for stage in old if old[stage] != new[stage]} == changed


def test_another_order_of_dictionaries_costs_what_numbers_them(
    settings: Callable[..., PrecomputeSettings],
) -> None:
    turned = {name: FACTS.dictionaries[name] for name in "ba"}
    old, new = (
        stage_recipes(settings(), replace(FACTS, dictionaries=order))
        for order in (FACTS.dictionaries, turned)
    )
    changed = {stage for stage in old if old[stage] != new[stage]}
    assert changed == with_studies({"ablated text"})


def test_stages_come_behind_those_they_read_from(
    settings: Callable[..., PrecomputeSettings],
) -> None:
    recipes = stage_recipes(settings(), FACTS)
    seen: set[str] = set()
    for stage, recipe in recipes.items():
        assert recipe["after"].keys() <= seen
        seen.add(stage)


def test_what_the_atlas_held_before_costs_the_studies_that_compare_with_it(
    settings: Callable[..., PrecomputeSettings],
) -> None:
    beside = replace(FACTS, beside={"older": "hash"})
    old, new = stage_recipes(settings(), FACTS), stage_recipes(settings(), beside)
    assert [stage for stage in old if old[stage] != new[stage]] == ["matches"]
