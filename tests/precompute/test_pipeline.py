"""The whole job: what changes nothing, what may be added, and what is left when it is cut short."""

import io
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from app.db.catalog import list_saes
from app.db.checks.check import check_atlas
from app.db.engine import open_atlas
from app.errors import AtlasError
from app.precompute import counting, quality, silent
from app.precompute.ablation.stage import text_lengths
from app.precompute.drivers.driver import Outcome, Piece, Task, do
from app.precompute.drivers.interruption import Stop
from app.precompute.events import stage as event_stage
from app.precompute.model.language_model import LanguageModel
from app.precompute.pipeline import run
from app.precompute.preparation import Run, equip
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES as STUDIES
from app.precompute.weights import direction_map
from app.precompute.weights import stage as weights_stage
from app.precompute.workplace.workplace import Workplace
from app.stats.corpus import Corpus
from app.stats.events import EventStore

Content = Callable[[Path], dict[str, Any]]
Differences = Callable[..., list[str]]


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_sizes_and_workers_change_nothing(
    judged: Any,
    tmp_path: Path,
    read_content: Content,
    differences: Differences,
    quiet: Reporter,
    two_threads: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "EVENTS_AT_ONCE", 2_000)  # several ranges, so several workers
    monkeypatch.setattr(quality, "CONTEXTS_A_PIECE", 5)
    monkeypatch.setattr(weights_stage, "ROWS", 8)
    options = {"batch_contexts": 50, "contexts_per_shard": 64, "output": tmp_path / "atlas.db"}
    run(judged.settings.model_copy(update=options), reporter=quiet)
    expected = read_content(judged.settings.output)
    assert differences(read_content(tmp_path / "atlas.db"), expected, 1e-4) == []


def test_the_same_settings_give_the_same_values(
    small: Callable[..., PrecomputeSettings],
    read_content: Content,
    differences: Differences,
    quiet: Reporter,
) -> None:
    for name in ("one.db", "two.db"):
        run(small(name), reporter=quiet)
    found, expected = (read_content(small(name).output) for name in ("one.db", "two.db"))
    assert len(found) > 1_000
    assert differences(found, expected) == []


def has_silent(content: dict[str, Any]) -> bool:
    """Whether any feature has silent examples."""
    return any(isinstance(value, dict) and "silent" in value for value in content.values())


def test_silent_examples_from_kept_activations_and_through_the_model(
    small: Callable[..., PrecomputeSettings],
    read_content: Content,
    differences: Differences,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silent, "PAIRS_AT_ONCE", 7)
    run(small("again.db", activation_gigabytes=0), reporter=quiet)
    with monkeypatch.context() as patch:
        asked: list[int] = []
        patch.setattr(silent, "_through_model", lambda _, items, __: asked.append(len(items)) or [])
        run(small("kept.db"), reporter=quiet)
    assert asked and not any(asked)
    found, expected = (read_content(small(name).output) for name in ("kept.db", "again.db"))
    assert has_silent(found)
    assert differences(found, expected, 1e-5) == []


def test_a_second_dictionary_is_added(
    small: Callable[..., PrecomputeSettings],
    write_sae: Callable[..., Path],
    tmp_path: Path,
    read_content: Content,
    differences: Differences,
    quiet: Reporter,
) -> None:
    """One after the other gives what both together give, but for connections between the two; the
    corpus is stored once."""
    first = small()
    other = write_sae(tmp_path / "mlp", "topk", "blocks.1.hook_mlp_out", seed=1)
    run(first, reporter=quiet)
    run(small(sae=[other], name=["tiny/mlp"]), reporter=quiet)
    both = {"sae": [*first.sae, other], "name": ["tiny/resid", "tiny/mlp"]}
    run(small("both.db", **both, skip=["connections"]), reporter=quiet)
    found, expected = read_content(first.output), read_content(small("both.db").output)
    assert differences(found, expected, 1e-4) == []
    shipped = sorted(path.name for path in (tmp_path / "atlas.events" / "tiny").iterdir())
    assert [name.split("-")[0] for name in shipped] == ["corpus", "mlp", "resid"]


def test_a_name_that_is_taken_needs_replace(
    small: Callable[..., PrecomputeSettings],
    write_sae: Callable[..., Path],
    text_folder: Path,
    tmp_path: Path,
    read_content: Content,
    differences: Differences,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(small(), reporter=quiet)
    before = small().output.read_bytes()
    other = write_sae(tmp_path / "other", seed=5)
    with monkeypatch.context() as patch:
        patch.setattr(event_stage, "extract_shard", lambda *_, **__: pytest.fail("too late"))
        with pytest.raises(AtlasError, match="already holds tiny/resid: use --replace"):
            run(small(sae=[other]), reporter=quiet)
    assert small().output.read_bytes() == before
    assert leftovers(tmp_path) == ["atlas.db", "atlas.decoders", "atlas.events"]
    again = {"sae": [other], "corpus": str(text_folder)}
    run(small(replace=True, **again), reporter=quiet)
    run(small("fresh.db", **again), reporter=quiet)
    found, expected = (read_content(small(name).output) for name in ("atlas.db", "fresh.db"))
    assert differences(found, expected) == []  # nothing is left of the first one or of its text


def leftovers(folder: Path) -> list[str]:
    """What jobs left in a folder, besides inputs."""
    return sorted(path.name for path in folder.iterdir() if "atlas" in path.name)


def test_another_model_under_the_same_name_is_refused_before_the_work(
    small: Callable[..., PrecomputeSettings],
    model_folder: Callable[[str], Path],
    tmp_path: Path,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(small(), reporter=quiet)
    monkeypatch.setattr(event_stage, "extract_shard", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(AtlasError, match=r"another model called 'tiny' .its weights differs"):
        run(small(model=str(model_folder("gpt2")), name=["tiny/new"]), reporter=quiet)
    assert leftovers(tmp_path) == ["atlas.db", "atlas.decoders", "atlas.events"]


def test_an_array_of_token_ids_is_used_as_it_is(
    small: Callable[..., PrecomputeSettings], tmp_path: Path, read_content: Content, quiet: Reporter
) -> None:
    ids = np.random.default_rng(0).integers(1, 290, (49, 14))
    ids[:, 0] = 0
    ids[:40] = 0  # special tokens alone: not one of them counts
    np.save(tmp_path / "ids.npy", ids)
    settings = small(corpus=str(tmp_path / "ids.npy"), context_size=20)
    run(settings, reporter=quiet)
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        (sae,) = list_saes(connection)
    atlas.close()
    assert (sae.corpus.packing, sae.corpus.context_size) == ("array", 14)
    assert (sae.corpus.n_contexts, sae.corpus.n_tokens, sae.corpus.prepend_bos) == (49, 117, True)
    content = read_content(settings.output)
    for key, value in content.items():
        if key.startswith("context/"):
            assert value["token_ids"].tolist() == ids[int(key.split("/")[2])].tolist()


@pytest.mark.parametrize(
    ("architecture", "hook_name", "d_in", "options"),
    [
        ("gpt2", "blocks.1.attn.hook_z", 16, {}),
        ("llama", "blocks.0.mlp.hook_post", 24, {"dtype": "bfloat16"}),
        ("gemma2", "blocks.1.hook_attn_out", 16, {}),
        ("sliding", "blocks.1.hook_resid_mid", 16, {}),
        ("bloom", "hook_embed", 16, {}),
    ],
)
def test_other_models_and_hooks(
    small: Callable[..., PrecomputeSettings],
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    tmp_path: Path,
    quiet: Reporter,
    architecture: str,
    hook_name: str,
    d_in: int,
    options: dict[str, Any],
) -> None:
    """Every stage runs on every kind of architecture and of hook; what is stored hangs together."""
    model = str(model_folder(architecture))
    sae = write_sae(tmp_path / "sae", "gated", hook_name, d_in=d_in)
    run(small(model=model, sae=[sae], verify=False, **options), reporter=quiet)
    atlas = open_atlas(small().output)
    with atlas.connect() as connection:
        (found,) = list_saes(connection)
        assert check_atlas(connection) == []
    atlas.close()
    quality = found.record.quality
    assert quality.n_dead is not None and quality.n_dead < 24
    assert quality.ce_spliced is not None and np.isfinite(quality.ce_spliced)
    assert found.record.linear_path


def test_stages_can_be_left_out(
    small: Callable[..., PrecomputeSettings], tmp_path: Path, quiet: Reporter, read_content: Content
) -> None:
    off = ("ablation_examples", "silent_examples", "coactivation_tokens")
    off += ("hidden_pre_contexts", "quality_contexts", "pruning_contexts")
    run(small(**dict.fromkeys(off, 0)), reporter=quiet)
    content = read_content(small().output)
    panels = [value for key, value in content.items() if key.endswith("/panels")]
    ablations = [value for key, value in content.items() if key.endswith("/ablations")]
    assert len(panels) > 10 and all(found["coactive"] is None for found in panels)
    assert len(ablations) > 10 and not any(ablations)
    assert not has_silent(content)
    record = content["sae/resid/record"]
    assert record["ablation"] == {}
    assert record["quality"]["ce_clean"] is None
    assert record["quality"]["l0"] > 0


def test_padding_is_nobodys_context(
    small: Callable[..., PrecomputeSettings], text_folder: Path, tmp_path: Path, quiet: Reporter
) -> None:
    """One document a context: the padded tail counts nowhere and fills no other example."""
    run(small(corpus=str(text_folder), packing="document"), reporter=quiet)
    (folder,) = (tmp_path / "atlas.events" / "tiny").glob("corpus-*")
    assert json.loads((folder / "corpus.json").read_text())["source"] == text_folder.name
    assert str(text_folder.parent) not in (folder / "corpus.json").read_text()
    corpus = Corpus.open(folder)
    lengths = text_lengths(corpus)
    assert lengths is not None
    assert (lengths < 20).sum() >= 3
    for row, length in enumerate(lengths.tolist()):
        assert not corpus.counted[row, length:].any()
        assert corpus.counted[row, 1:length].all()


class Killed(BaseException):
    """Ends a run where it stands, as no error would."""


@pytest.mark.parametrize(
    "stage",
    [
        "build_contexts",
        "_events",
        "_counting",
        "_silent",
        "_ablated_text",
        "assemble",
        "publish",
        "move",
        "rmtree",
    ],
)
def test_a_run_cut_short_anywhere_ends_with_the_same_atlas(
    small: Callable[..., PrecomputeSettings],
    tmp_path: Path,
    read_content: Content,
    differences: Differences,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    run(small("whole.db"), reporter=quiet)

    remove = shutil.rmtree

    def kill(*arguments: Any, **options: Any) -> None:
        if stage != "rmtree" or arguments == (tmp_path / "atlas.db.building" / "events",):
            raise Killed
        remove(*arguments, **options)

    place = {
        "build_contexts": "app.precompute.preparation.build_contexts",
        "publish": "app.db.writer.AtlasWriter.publish",
        "move": "shutil.move",
        "rmtree": "shutil.rmtree",
        "assemble": "app.precompute.pipeline.assemble",
    }.get(stage, f"app.precompute.pipeline._Stages.{stage}")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, kill)
        run(small(), reporter=quiet)
    assert (tmp_path / "atlas.db").exists() == (stage in ("move", "rmtree"))
    run(small(), reporter=quiet)
    found, expected = read_content(tmp_path / "atlas.db"), read_content(tmp_path / "whole.db")
    assert differences(found, expected) == []
    assert leftovers(tmp_path) == ["atlas.db", "atlas.decoders", "atlas.events"]
    shipped = {path.name for path in (tmp_path / "atlas.events" / "tiny").iterdir()}
    assert shipped == {path.name for path in (tmp_path / "whole.events" / "tiny").iterdir()}


def test_building_the_same_again_is_not_taken_for_done(
    small: Callable[..., PrecomputeSettings],
    tmp_path: Path,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The atlas holds the very recipe, but from an earlier run; this one has only begun."""
    run(small(), reporter=quiet)
    shutil.rmtree(tmp_path / "atlas.events")

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("app.precompute.pipeline._Stages._events", kill)
        run(small(replace=True), reporter=quiet)
    run(small(replace=True), reporter=quiet)
    assert EventStore.open(tmp_path / "atlas.events" / "tiny" / "resid").n_contexts == 12


def test_shards_that_are_done_are_not_run_again(
    small: Callable[..., PrecomputeSettings],
    tmp_path: Path,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped in the middle of the events (a real process that is killed: see tests/torture)."""
    settings, seen, runs, killing = small(contexts_per_shard=1), list[int](), 0, True
    extract = event_stage.extract_shard

    def watched(*arguments: Any, **options: Any) -> None:
        nonlocal runs
        runs += 1
        if killing and runs >= 6:  # a piece begun beside it does not end either
            raise Killed
        extract(*arguments, **options)
        seen.append(arguments[3])

    monkeypatch.setattr(event_stage, "extract_shard", watched)
    with pytest.raises(Killed):
        run(settings, reporter=quiet)
    killing = False
    run(settings, reporter=quiet)
    assert sorted(seen) == list(range(corpus_of(tmp_path / "atlas.events").n_contexts))


def test_quality_goes_on_where_it_was(
    small: Callable[..., PrecomputeSettings], quiet: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three stretches the last is cut short: it alone is left."""
    monkeypatch.setattr(quality, "CONTEXTS_A_PIECE", 1)
    measure, runs = quality.splice_sums, 0

    def watched(*arguments: Any) -> Any:
        nonlocal runs
        runs += 1
        if runs == 3:
            raise Killed
        return measure(*arguments)

    monkeypatch.setattr(quality, "splice_sums", watched)
    with pytest.raises(Killed):
        run(small(), reporter=quiet)
    begun = runs
    run(small(), reporter=quiet)
    assert (begun, runs - begun) == (3, 1)


def corpus_of(events: Path) -> Corpus:
    (folder,) = (events / "tiny").glob("corpus-*")
    return Corpus.open(folder)


class Elsewhere:
    """A driver that shares nothing with the job but its folder, and begins with the last piece."""

    def __init__(self, run: Run, _: Stop) -> None:
        self._job = pickle.loads(pickle.dumps(run.job))
        self._run = equip(self._job)

    def map(self, task: Task, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Outcome]]:
        """Every piece, done on what comes out of a pickle."""
        for sent in reversed(list(pieces)):
            own, piece = pickle.loads(pickle.dumps((task, sent)))
            at_hand = self._job if own.needs == "events" else self._run
            with torch.no_grad():
                yield piece, do(own, at_hand, self._job, piece)


def test_pieces_done_elsewhere_give_the_same_atlas(
    small: Callable[..., PrecomputeSettings],
    read_content: Content,
    differences: Differences,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a second driver relies on: tasks, pieces and jobs travel, order means nothing."""
    monkeypatch.setattr(quality, "CONTEXTS_A_PIECE", 2)
    monkeypatch.setattr(weights_stage, "ROWS", 8)
    run(small("here.db"), reporter=quiet)
    monkeypatch.setattr("app.precompute.pipeline.Loop", Elsewhere)
    run(small("elsewhere.db"), reporter=quiet)
    found, expected = (read_content(small(name).output) for name in ("elsewhere.db", "here.db"))
    assert differences(found, expected) == []


def test_a_map_that_fell_back_is_said(
    small: Callable[..., PrecomputeSettings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """UMAP died: the run goes on, and its user reads why the map is another one."""

    def die(*_: Any) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(direction_map, "FEWEST_FOR_UMAP", 2)
    monkeypatch.setattr(direction_map, "_has_umap", lambda: True)
    monkeypatch.setattr(direction_map, "_umap", die)
    run(small())
    said = capsys.readouterr().err
    assert "Warning: map/resid: UMAP failed (no room): the map of directions shows" in said


def test_a_changed_corpus_is_not_resumed(
    small: Callable[..., PrecomputeSettings],
    tmp_path: Path,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Same name, other text: what the unfinished run stored is thrown away."""

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("app.db.writer.AtlasWriter.publish", kill)
        run(small(), reporter=quiet)
    (tmp_path / "text.txt").write_text(" return the first of" * 60)
    run(small())
    said = capsys.readouterr().err
    assert "Since the unfinished run the corpus' content changed: tokens, events, " in said
    assert "the rest (weights, map) is kept." in said
    assert corpus_of(tmp_path / "atlas.events").n_contexts < 20
    shutil.rmtree(tmp_path / "atlas.events")


def test_another_way_of_running_the_model_makes_the_events_again(
    small: Callable[..., PrecomputeSettings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As on another machine, whose plain modules don't agree with the bridge."""

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("app.db.writer.AtlasWriter.publish", kill)
        run(small())
    monkeypatch.setattr(LanguageModel, "tolerance", -1.0)
    run(small())
    said = capsys.readouterr().err
    assert "Since the unfinished run the way the model is run changed: events, statistics" in said
    with open_atlas(small().output).connect() as connection:
        (sae,) = list_saes(connection)
        assert sae.record.recipe["model_run_through"] == "the bridge"


def test_two_jobs_on_one_output(
    small: Callable[..., PrecomputeSettings], tmp_path: Path, quiet: Reporter
) -> None:
    with Workplace(tmp_path / "atlas.db"):
        with pytest.raises(AtlasError, match=r"Another job is writing .*atlas\.db: wait for it"):
            run(small(), reporter=quiet)
        assert (tmp_path / "atlas.db.building").exists()
    assert not os.path.exists(tmp_path / "atlas.db")


@pytest.mark.parametrize("n_bytes", [1_500, 6_000, 100_000, 260_000])
def test_a_full_disk_is_a_sentence(
    small: Callable[..., PrecomputeSettings],
    tmp_path: Path,
    write_sae: Callable[..., Path],
    quiet: Reporter,
    largest_file: Callable[[int], None],
    n_bytes: int,
) -> None:
    """Full while the events are written, while the tables are made, while they are filled."""
    run(small(), reporter=quiet)
    before = (tmp_path / "atlas.db").read_bytes()
    other = write_sae(tmp_path / "other", seed=3)
    settings = small(sae=[other], name=["tiny/other"])
    largest_file(n_bytes)
    with pytest.raises(AtlasError, match=r"free some space|File too large|Make room") as refusal:
        run(settings, reporter=quiet)
    assert "\n" not in str(refusal.value)
    largest_file(2**30)
    assert (tmp_path / "atlas.db").read_bytes() == before
    assert not (tmp_path / "atlas.db.partial").exists()
    run(settings, reporter=quiet)
    assert leftovers(tmp_path) == ["atlas.db", "atlas.decoders", "atlas.events"]


def test_what_a_run_chose_and_what_it_costs_is_said_with_the_options(
    small: Callable[..., PrecomputeSettings], write_sae: Callable[..., Path], tmp_path: Path
) -> None:
    saes = [write_sae(tmp_path / f"of-{size}", context_size=size) for size in (20, 64)]
    ids = np.random.default_rng(0).integers(10, 60, (6, 16))
    np.save(tmp_path / "ids.npy", ids)

    def said(output: str, **options: Any) -> str:
        out = io.StringIO()
        settings = small(output, sae=saes, name=["tiny/a", "tiny/b"], skip=list(STUDIES), **options)
        run(settings, reporter=Reporter(Console(file=out, width=999)))
        return out.getvalue()

    chosen_by_nobody = said("atlas.db")
    assert (
        "Dictionaries name contexts of 20 and 64 tokens, and all are run on contexts of 32: "
        "--context-size chooses another size." in chosen_by_nobody
    )
    assert "tokens of forward pass (less with --ablation-examples, --abl" in chosen_by_nobody
    assert "Dictionaries name" not in said("option.db", context_size=20)
    assert "Dictionaries name" not in said("array.db", corpus=str(tmp_path / "ids.npy"))
