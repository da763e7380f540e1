"""An atlas the job made passes every check; each thing that can be wrong is found by its own."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.check.whole import BESIDE, RECOUNTED, REMEASURED
from app.db.checks.check import THOROUGH
from app.db.records import Group
from app.db.schema import PAGE_SIZE
from app.db.stored.study import pack_study, unpack_study
from app.db.study_records.pruning import Pruning
from app.errors import AtlasError
from tests.check.conftest import Made

FILE = "SQLite finds the file whole"
SCHEMA = "the tables are those of the schema"
KEYS = "every row belongs to something that is there"
ROWS = "every feature has its rows"
CONTENTS = "every feature has what its dictionary says"
HISTOGRAMS = "activation histograms sum to n_active"
COUNTS = "other counts of features agree"
EXAMPLES = "examples are in order and lie in stored contexts"
GROUP_SIZES = "groups of examples have the sizes and bands they should"
ABLATED = "ablated text belongs to its examples"
RANKINGS = "rankings of tokens are in order"
SEARCH = "search knows the stored contexts and examples"
EFFECTS = "effects of features lie at their examples"
COMBINED = "pairs of tokens lie at their examples"
DIRECTIONS = "maps and decoder directions are whole"
PRUNED = "prunings agree with the features"

RESID = "sae_id = (SELECT sae_id FROM sae WHERE sae = 'resid')"
FEATURE = 3
OTHERS: tuple[Group, ...] = ("interval", "quantile", "silent", "near")
HERE = f"{RESID} AND feature_index = {FEATURE}"


def test_an_atlas_of_the_job_passes_every_check(made: Made) -> None:
    checks = made.checks(n=24, model=made.model, saes=made.saes)
    assert {name: check.problems for name, check in checks.items() if check.problems} == {}
    assert [name for name, check in checks.items() if check.skipped] == []
    assert len(checks) == len(THOROUGH) + 3  # of the events, of the model


def test_a_page_of_the_file_is_overwritten(broken: Made) -> None:
    (page,) = broken.read("SELECT rootpage FROM sqlite_master WHERE name = 'document'")
    with broken.atlas.open("r+b") as file:
        file.seek((page - 1) * PAGE_SIZE)
        file.write(b"\xff" * 64)
    assert any("malformed" in problem for problem in broken.problems(FILE))


def test_a_table_and_a_column_are_missing(broken: Made) -> None:
    broken.run("DROP TABLE direction_map")
    broken.run("ALTER TABLE document DROP COLUMN name")
    problems = broken.problems(SCHEMA)
    assert "there is no table direction_map." in problems
    assert "the table document has no column name." in problems


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE corpus_token SET corpus_id = 9", "corpus_token with corpus_id 9 is not in corpus"),
        ("UPDATE document SET corpus_id = 9", "document with corpus_id 9 is not in corpus."),
        (
            "UPDATE token_ranking SET token_id = 999 WHERE token_id = 20",
            "token_ranking with sae_id",
        ),
        (
            "UPDATE feature SET top_token_id = 999 WHERE feature_index = 3",
            "top_token_id 999 is not",
        ),
        (
            "DELETE FROM token WHERE token_id = (SELECT max(token_id) FROM corpus_token)",
            "corpus_token with corpus_id 1, token_id",
        ),
        (f"DELETE FROM feature WHERE {HERE}", "feature_index 3 is not in feature"),
        (
            "UPDATE direction_map SET sae_id = sae_id + 7",
            "direction_map with sae_id 8 is not in sae",
        ),
    ],
)
def test_a_row_belongs_to_nothing(broken: Made, statement: str, said: str) -> None:
    broken.change(statement)
    problems = broken.problems(KEYS)
    assert any(said in problem for problem in problems), problems


def test_a_feature_has_no_rows(broken: Made) -> None:
    broken.change(f"DELETE FROM feature_panel WHERE {HERE}")
    assert broken.problems(ROWS) == [
        "tiny/resid has 23 rows in feature_panel, expected one for each of 24 features."
    ]


def test_features_are_numbered_wrong(broken: Made) -> None:
    broken.change(f"UPDATE feature SET feature_index = 40 WHERE {HERE}")
    assert broken.problems(ROWS) == ["tiny/resid has no row in feature for feature 3."]


@pytest.mark.parametrize(
    ("panel", "said"),
    [(name, name) for name in ("tokens", "locality", "places", "neighbors")]
    + [("logit_lens", "logit lens"), ("coactive", "co-activation")],
)
def test_a_panel_is_missing(broken: Made, panel: str, said: str) -> None:
    broken.change_panels(FEATURE, lambda panels: replace(panels, **{panel: None}))
    assert broken.problems(CONTENTS) == [f"tiny/resid feature 3: it has no {said}."]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"UPDATE feature SET summary = '[\"\"]' WHERE {HERE}", "it has no summary."),
        (f"UPDATE feature SET top_token_id = NULL WHERE {HERE}", "it has no statistics."),
        (f"UPDATE feature_example SET ablations = NULL WHERE {HERE}", "it has no ablated text."),
        (f"DELETE FROM feature_example WHERE {HERE}", "but it has no examples."),
    ],
)
def test_a_feature_lacks_what_its_dictionary_has(broken: Made, statement: str, said: str) -> None:
    broken.change(statement)
    (problem,) = broken.problems(CONTENTS)
    assert problem.startswith("tiny/resid feature 3: ") and problem.endswith(said)


def test_a_histogram_does_not_sum_to_n_active(broken: Made) -> None:
    def one_more(panels: Any) -> Any:
        counts = panels.histogram.counts + (np.arange(50) == 7)
        return replace(panels, histogram=replace(panels.histogram, counts=counts))

    broken.change_panels(FEATURE, one_more)
    (problem,) = broken.problems(HISTOGRAMS)
    assert problem.startswith("tiny/resid feature 3: its histogram sums to ")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("density = density * 1.01", "its density is"),
        ("n_contexts_active = 10000", "and 10000 contexts are more than there are"),
        ("max_activation = max_activation * 1.01", "its histogram ends at"),
    ],
)
def test_a_number_of_a_feature_disagrees(broken: Made, column: str, said: str) -> None:
    broken.change(f"UPDATE feature SET {column} WHERE {HERE}")
    (problem,) = broken.problems(COUNTS)
    assert said in problem


@pytest.mark.parametrize(
    ("panel", "field", "said"),
    [
        ("tokens", "n_active", "its firings by token sum to"),
        ("places", "position_n_active", "its firings by position sum to"),
        ("locality", "run_length_counts", "its runs by length sum to"),
    ],
)
def test_counts_of_a_panel_disagree(broken: Made, panel: str, field: str, said: str) -> None:
    def one_more(panels: Any) -> Any:
        own = getattr(panels, panel)
        counts = np.array(getattr(own, field))
        counts[0] += 1
        return replace(panels, **{panel: replace(own, **{field: counts})})

    broken.change_panels(FEATURE, one_more)
    problems = broken.problems(COUNTS)
    assert any(said in problem for problem in problems), problems


def test_a_context_is_missing(broken: Made) -> None:
    broken.change("DELETE FROM context WHERE context_id < 20")
    assert all(
        problem.endswith("a context they point to is not stored.")
        for problem in broken.problems(EXAMPLES)
    )
    assert len(broken.problems(EXAMPLES)) > 20
    assert "search knows 50 contexts" in broken.problems(SEARCH)[0]


def reverse(group: Any) -> Any:
    """Examples in the opposite order, each with its own firings."""
    n = group.position.size
    parts = np.split(np.arange(group.firing_position.size), group.firing_indptr[1:-1])
    order = np.concatenate(parts[::-1])
    sizes = np.diff(group.firing_indptr.astype(np.int64))[::-1]
    names = ("context_id", "position", "activation", "hidden_pre", "band", "repeats")
    return replace(
        group,
        **{name: getattr(group, name)[::-1] for name in (*names, "window_start", "window_stop")},
        firing_indptr=np.concatenate([[0], np.cumsum(sizes)]) if n else group.firing_indptr,
        firing_position=group.firing_position[order],
        firing_activation=group.firing_activation[order],
    )


def shifted(name: str, by: float) -> Callable[[Any], Any]:
    """A change of the first entry of an array of a group."""

    def change(group: Any) -> Any:
        values = np.array(getattr(group, name))
        values[0] += by
        return replace(group, **{name: values})

    return change


def without_last(group: Any) -> Any:
    """The group without its last example."""
    names = ("context_id", "position", "activation", "hidden_pre", "band", "repeats")
    cut = int(group.firing_indptr[-2])
    return replace(
        group,
        **{name: getattr(group, name)[:-1] for name in (*names, "window_start", "window_stop")},
        firing_indptr=group.firing_indptr[:-1],
        firing_position=group.firing_position[:cut],
        firing_activation=group.firing_activation[:cut],
    )


@pytest.mark.parametrize(
    ("group", "change", "check", "said"),
    [
        ("top", reverse, EXAMPLES, "not in order of activation"),
        ("top", lambda g: replace(g, window_stop=g.position), EXAMPLES, "doesn't hold its peak"),
        ("top", lambda g: replace(g, context_id=g.context_id * 0), EXAMPLES, "from one context"),
        ("interval", shifted("activation", -1e9), EXAMPLES, "one does not fire"),
        ("silent", shifted("activation", 1.0), EXAMPLES, "one fires"),
        ("near", shifted("activation", 1.0), EXAMPLES, "one fires"),
        ("near", reverse, GROUP_SIZES, "not in order of hidden_pre"),
        ("near", shifted("hidden_pre", 50.0), GROUP_SIZES, "one lies above the threshold"),
        ("near", lambda g: replace(g, context_id=g.context_id * 0), GROUP_SIZES, "one context"),
        ("top", shifted("activation", 1.0), GROUP_SIZES, "the strongest is"),
        ("top", lambda g: replace(g, n_candidates=7000), GROUP_SIZES, "chosen from 7000 contexts"),
        ("interval", reverse, GROUP_SIZES, "their bands are not in order"),
        ("interval", shifted("band_n_active", 1), GROUP_SIZES, "the firings of their bands sum to"),
        ("quantile", shifted("activation", 50.0), GROUP_SIZES, "one lies outside its band"),
    ],
)
def test_examples_are_not_as_they_should(
    broken: Made, group: Group, change: Callable[[Any], Any], check: str, said: str
) -> None:
    broken.change_examples(FEATURE, group, change)
    problems = broken.problems(check)
    assert any(said in problem for problem in problems), problems
    assert all(f"tiny/resid feature 3, {group} examples" in problem for problem in problems)


@pytest.mark.parametrize(
    ("setting", "group"),
    [
        *(("top_examples", "top"), ("silent_examples", "silent"), ("near_misses", "near")),
        ("interval_examples", "interval"),
    ],
)
def test_there_are_more_examples_than_the_recipe_says(
    broken: Made, setting: str, group: str
) -> None:
    broken.change_recipe(**{setting: 1})
    problems = broken.problems(GROUP_SIZES)
    assert problems
    assert all(f"{group} examples" in p and "the recipe says at most 1" in p for p in problems)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: replace(a, rank=a.rank + 50), "belongs to examples that aren't there"),
        (lambda a: replace(a, rank=a.rank + 1), "expected the first 2"),
        (
            lambda a: replace(a, delete_position=a.delete_position + 40),
            "a position that was deleted is not before the peak",
        ),
        (
            lambda a: replace(a, replace_position=a.replace_position + 40),
            "a position that was replaced is not before the peak",
        ),
    ],
)
def test_ablated_text_is_of_other_examples(
    broken: Made, change: Callable[[Any], Any], said: str
) -> None:
    broken.change_ablations(FEATURE, "top", change)
    problems = broken.problems(ABLATED)
    assert any(said in problem for problem in problems), problems


def test_a_ranking_is_not_in_order(broken: Made) -> None:
    token_id = broken.swap_two_features("promotes")
    assert broken.problems(RANKINGS) == [
        f"tiny/resid, features of token {token_id} by promotes: not in order."
    ]


def test_the_map_is_of_fewer_features(broken: Made) -> None:
    broken.change(f"UPDATE direction_map SET positions = substr(positions, 9) WHERE {RESID}")
    assert broken.problems(DIRECTIONS) == ["tiny/resid: its map has 23 places for 24 features."]


def test_a_file_of_decoder_rows_is_damaged_or_missing(broken: Made) -> None:
    first, second = sorted(broken.atlas.with_name("atlas.decoders").iterdir())
    first.write_bytes(first.read_bytes()[:-1] + b"\0\0")
    second.unlink()
    problems = sorted(problem.split()[-1] for problem in broken.problems(DIRECTIONS))
    assert problems == ["damaged.", "missing."]


def test_a_damaged_blob_is_one_sentence(broken: Made) -> None:
    for table, column in (("feature_panel", "panels"), ("feature_example", "examples")):
        broken.change(f"UPDATE {table} SET {column} = substr({column}, 1, 40) WHERE {HERE}")
    found = {name: check.problems for name, check in broken.checks().items() if check.problems}
    assert found[HISTOGRAMS] == [
        "it can't be read to the end: the panels of tiny/resid feature 3 are damaged."
    ]
    assert found[EXAMPLES] == [
        "it can't be read to the end: the examples of tiny/resid feature 3 are damaged."
    ]


EVENTS = "atlas.events/tiny"


def test_without_events_it_says_so(broken: Made) -> None:
    shutil.rmtree(broken.atlas.with_name("atlas.events"))
    checks = broken.checks()
    for name in (BESIDE, RECOUNTED):
        assert checks[name].skipped == "there is no atlas.events beside it"
    assert checks[REMEASURED].skipped == "no model at hand, give --model and --sae"


def test_events_of_a_dictionary_are_missing(broken: Made) -> None:
    shutil.rmtree(broken.atlas.parent / EVENTS / "mlp")
    (problem,) = broken.problems(BESIDE)
    assert problem.startswith("tiny/mlp: The events in ") and "cannot be read" in problem


def test_events_are_of_another_dictionary(broken: Made) -> None:
    folder = broken.atlas.parent / EVENTS
    shutil.rmtree(folder / "mlp")
    shutil.copytree(folder / "resid", folder / "mlp")
    problems = broken.problems(BESIDE)
    assert all(problem.startswith("tiny/mlp feature ") for problem in problems)
    assert "the events hold" in problems[0] and "n_active is" in problems[0]


@pytest.mark.parametrize(
    ("array", "change", "said"),
    [
        ("activation", lambda a, at: -a, "an event is not above zero."),
        ("token", lambda a, at: a[::-1], "its events are not in order."),
        ("token", lambda a, at: a * 0, "an event lies on a token that isn't counted."),
    ],
)
def test_an_event_is_impossible(
    broken: Made, array: str, change: Callable[[Any, Any], Any], said: str
) -> None:
    path = broken.atlas.parent / EVENTS / "resid" / "shard-00000" / f"{array}.npy"
    values = np.load(path)
    np.save(path, np.ascontiguousarray(change(values, 0)).astype(values.dtype))
    problems = broken.problems(BESIDE)
    assert any(problem.endswith(said) for problem in problems), problems


def test_the_contexts_are_others(broken: Made) -> None:
    (corpus,) = (broken.atlas.parent / EVENTS).glob("corpus-*")
    tokens = np.load(corpus / "tokens.npy")
    tokens[0, 5] += 1
    np.save(corpus / "tokens.npy", tokens)
    metadata = json.loads((corpus / "corpus.json").read_text())
    (corpus / "corpus.json").write_text(json.dumps(metadata | {"hash": "another"}))
    problems = broken.problems(BESIDE)
    assert "tiny/resid: context 0 has other tokens than the atlas stores." in problems
    assert any(" times in the contexts, the atlas says " in problem for problem in problems)
    assert any("the contexts' hash is another, the atlas says" in problem for problem in problems)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda made: made.change(f"UPDATE feature SET skewness = 9 WHERE {HERE}"),
            "skewness is 9",
        ),
        (
            lambda made: made.change_examples(FEATURE, "quantile", without_last),
            "context_id of quantile examples is",
        ),
        (
            lambda made: made.change_examples(FEATURE, "top", shifted("repeats", 1)),
            "repeats of top examples is",
        ),
        (
            lambda made: made.change_panels(
                FEATURE,
                lambda p: replace(p, locality=replace(p.locality, lift=p.locality.lift * 1.001)),
            ),
            "lift is",
        ),
        (
            lambda made: made.change_examples(FEATURE, "near", without_last),
            "context_id of near misses is",
        ),
        (
            lambda made: made.change_panels(
                FEATURE, lambda p: replace(p, locality=replace(p.locality, n_span_near=0))
            ),
            "silent tokens near to firing is 0, its events give",
        ),
    ],
)
def test_a_number_is_not_what_the_events_give(
    broken: Made, change: Callable[[Made], None], said: str
) -> None:
    change(broken)
    (problem, *_) = broken.problems(RECOUNTED, n=24)
    assert problem.startswith(f"tiny/resid feature 3: {said}")


def test_the_sample_of_hidden_pre_is_gone(broken: Made) -> None:
    (broken.atlas.parent / EVENTS / "resid" / "hidden-pre-00000.npy").unlink()
    (problem,) = broken.problems(RECOUNTED)
    assert problem.startswith("tiny/resid can't be read: The sample of pre-activations in ")


def test_an_activation_is_not_what_the_model_gives(broken: Made) -> None:
    """One firing in a context, the events left out: only the model can tell."""
    shutil.rmtree(broken.atlas.with_name("atlas.events"))

    def a_little_more(group: Any) -> Any:
        activation = np.array(group.firing_activation)
        peak = np.flatnonzero(group.firing_position[: group.firing_indptr[1]] == group.position[0])
        activation[peak] *= 1.01
        return replace(group, firing_activation=activation)

    broken.change_examples(FEATURE, "top", a_little_more, also=OTHERS)
    at_hand: dict[str, Any] = {"model": broken.model, "saes": broken.saes}
    problems = broken.problems(REMEASURED, n=24, **at_hand)
    assert problems
    assert all(
        problem.startswith("tiny/resid feature 3: the activation at") for problem in problems
    )
    assert ", the model gives " in problems[0]


def test_hidden_pre_is_not_what_the_model_gives(broken: Made) -> None:
    broken.change_examples(
        FEATURE, "silent", lambda group: replace(group, hidden_pre=group.hidden_pre - 1)
    )
    (problem,) = broken.problems(REMEASURED, n=24, model=broken.model, saes=broken.saes)
    assert problem.startswith("tiny/resid feature 3: hidden_pre at context ")


def test_a_near_miss_is_not_what_the_model_gives(broken: Made) -> None:
    broken.change_examples(
        FEATURE, "near", lambda group: replace(group, hidden_pre=group.hidden_pre - 1)
    )
    (problem,) = broken.problems(REMEASURED, n=24, model=broken.model, saes=broken.saes)
    assert problem.startswith("tiny/resid feature 3: hidden_pre at context ")


def test_firings_that_the_model_does_not_give(broken: Made) -> None:
    """Half of the firings gone are more than thresholds explain."""

    def fewer(group: Any) -> Any:
        n = group.firing_position.size
        return replace(
            group,
            firing_indptr=(group.firing_indptr * 0).astype(np.uint32),
            firing_position=group.firing_position[:0],
            firing_activation=group.firing_activation[:0],
        ) if n else group  # fmt: skip

    broken.change_examples(FEATURE, "top", fewer, also=OTHERS)
    problems = broken.problems(REMEASURED, n=24, model=broken.model, saes=broken.saes)
    assert problems and " is 0, the model gives " in problems[0]


def test_another_model_or_dictionary_is_refused(
    broken: Made,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    tmp_path: Path,
) -> None:
    with pytest.raises(AtlasError, match=r"is not the model tiny was made from"):
        broken.checks(model=model_folder("gpt2"), saes=broken.saes)
    other = write_sae(tmp_path / "other", seed=9)
    with pytest.raises(AtlasError, match=r"is none of the atlas' dictionaries"):
        broken.checks(model=broken.model, saes=[other])
    with pytest.raises(AtlasError, match=r"give both --model and --sae"):
        broken.checks(model=broken.model)
    with pytest.raises(AtlasError):
        broken.checks(model=tmp_path / "none", saes=broken.saes)
    with pytest.raises(AtlasError):
        broken.checks(model=broken.model, saes=[tmp_path / "none"])


def test_the_model_is_found_where_the_recipe_names_it(
    made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in (made.model, *made.saes):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    check = made.checks()[REMEASURED]
    assert (check.problems, check.skipped) == ([], "")


def test_the_same_seed_draws_the_same_features(made: Made) -> None:
    from app.check.whole import Asked, check_whole

    names = [
        [check.name for check in check_whole(made.atlas, Asked(n, 0))] for n in (0, 3, 3, 1_000)
    ]
    assert names[1] == names[2]
    sizes = [next(name for name in found if name.startswith(RECOUNTED)) for found in names]
    assert sizes[0].endswith("(0 features)") and sizes[1].endswith("(6 features)")


def test_effects_disagree_with_examples_and_columns(broken: Made) -> None:
    broken.change(f"UPDATE feature SET delta_ce = 9 WHERE {HERE}")
    other = f"{RESID} AND feature_index = 4"
    broken.change(f"UPDATE feature SET kl = NULL WHERE {other}")
    third = f"{RESID} AND feature_index = 5 AND study = 'effects'"
    broken.change(f"DELETE FROM feature_study WHERE {third}")
    problems = broken.problems(EFFECTS)
    assert len(problems) == 3
    assert "feature 3: its delta_ce is 9" in problems[0]
    assert "feature 4: its kl is None, its firings give" in problems[1]
    assert "feature 5: n_active is" in problems[2]
    assert problems[2].endswith("but it was removed nowhere.")


def test_combined_tokens_disagree_with_columns_and_counts(broken: Made) -> None:
    (index,) = broken.read(
        f"SELECT min(feature_index) FROM feature_study WHERE {RESID} AND study = 'combined'"
    )
    assert index is not None
    broken.change(
        f"UPDATE feature SET pair_interaction = 99 WHERE {RESID} AND feature_index = {index}"
    )
    problems = broken.problems(COMBINED)
    assert any(f"feature {index}: its pair_interaction is 99" in problem for problem in problems)
    assert any("features are conjunctions, its columns say" in problem for problem in problems)


def change_pruning(broken: Made, change: Callable[[Pruning], Pruning]) -> None:
    """Changes what the study of pruning found about the first dictionary."""
    where = f"WHERE study = 'pruning' AND {RESID}"
    (blob,) = broken.read(f"SELECT record FROM study {where}")
    record = change(unpack_study(Pruning, blob))
    broken.change(f"UPDATE study SET record = ? {where}", pack_study(record))


def test_a_pruning_removes_other_features_than_it_says(broken: Made) -> None:
    assert broken.problems(PRUNED) == []
    broken.change(f"UPDATE feature SET n_active = n_active + 1 WHERE {HERE}")
    problems = broken.problems(PRUNED)
    assert any("L0 is" in problem for problem in problems)
    assert any("L0 without those denser than" in problem for problem in problems)


def test_a_pruning_of_another_threshold_is_found(broken: Made) -> None:
    def other(record: Pruning) -> Pruning:
        return replace(record, rare=replace(record.rare, threshold=record.rare.threshold * 0 + 1.5))

    change_pruning(broken, other)
    assert any("rarer than 1.5 are removed, the list has" in p for p in broken.problems(PRUNED))


def test_costs_of_a_pruning_that_contradict_each_other_are_found(broken: Made) -> None:
    def other(record: Pruning) -> Pruning:
        zeroed = record.dense.zeroed
        changed = replace(zeroed, delta_ce=zeroed.delta_ce + 0.1)
        return replace(record, dense=replace(record.dense, zeroed=changed))

    change_pruning(broken, other)
    problems = broken.problems(PRUNED)
    assert any("the dense ones zeroed: ΔCE is not the mean" in problem for problem in problems)
    assert any("recovered against mean does not follow" in problem for problem in problems)
