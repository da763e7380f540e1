"""Which features a run explains: living ones, by number, by what people wrote, by chance."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.demo.synthetic import build_synthetic_atlas
from app.errors import AtlasError
from app.explain.chosen import Choice, choose_features, choose_sae
from app.explain.source import Source
from app.notebook import labels, notes
from app.notebook.database import writing
from app.notebook.records import Subject


def _choose(
    source: Source, notebook: Engine, begun: tuple[int, ...] = (), **choice: Any
) -> list[int]:
    return choose_features(source, notebook, Choice(**choice), begun, 0)


def test_features_that_never_fire_are_left_out(source: Source, notebook: Engine) -> None:
    found = _choose(source, notebook)
    assert found == source.living.tolist() and 5 not in found
    assert _choose(source, notebook, features="3..6,9") == [3, 4, 6, 9]
    with pytest.raises(AtlasError, match="No feature of synthetic/one that fires is left"):
        _choose(source, notebook, features="5")


def test_what_people_wrote_chooses(source: Source, notebook: Engine) -> None:
    record = source.sae.record

    def about(index: int, weights: str = record.weights_hash) -> Subject:
        return Subject(record.model, record.sae, index, weights)

    with writing(notebook) as pen:
        labels.add_label(pen, about(1), "Ada", "mine")
        labels.add_label(pen, about(2, "of old"), "Ada", "about another dictionary")
        notes.add_note(pen, about(3), "Ada", "note")
        notes.set_star(pen, about(4), "Ada", True)
    assert _choose(source, notebook, has="label") == [1]
    assert _choose(source, notebook, has="note") == [3]
    assert _choose(source, notebook, has="star") == [4]
    without = _choose(source, notebook, unlabelled=True)
    assert without == [i for i in source.living.tolist() if i != 1]


def test_the_same_command_means_the_same_features(source: Source, notebook: Engine) -> None:
    """What a run labelled itself still counts as unlabelled for the run that goes on."""
    record = source.sae.record
    first = _choose(source, notebook, unlabelled=True, sample=6)
    with writing(notebook) as pen:
        for index in first[:3]:
            subject = Subject(record.model, record.sae, index, record.weights_hash)
            labels.add_label(pen, subject, "m", "words", source="explained")
    assert _choose(source, notebook, tuple(first[:3]), unlabelled=True, sample=6) == first
    assert _choose(source, notebook, unlabelled=True, sample=6) != first


def test_a_sample_is_drawn_by_the_seed(source: Source, notebook: Engine) -> None:
    drawn = choose_features(source, notebook, Choice(sample=10), (), 0)
    assert drawn == sorted(set(drawn)) and len(drawn) == 10
    assert drawn == choose_features(source, notebook, Choice(sample=10), (), 0)
    assert drawn != choose_features(source, notebook, Choice(sample=10), (), 1)
    everything = choose_features(source, notebook, Choice(sample=10_000), (), 0)
    assert everything == source.living.tolist()


def test_one_dictionary_needs_no_name_and_several_do(tmp_path: Path, atlas: Path) -> None:
    two = build_synthetic_atlas(tmp_path / "two.db", n_features=5, saes=("one", "two"))
    for path, n in ((atlas, 1), (two, 2)):
        opened = open_atlas(path)
        with opened.connect() as connection:
            assert len(list_saes(connection)) == n
            assert choose_sae(connection, "synthetic/one", path).address == "synthetic/one"
            if n == 1:
                assert choose_sae(connection, "", path).address == "synthetic/one"
            else:
                said = r"holds 2 dictionaries: say which one with --sae, synthetic/one, synth"
                with pytest.raises(AtlasError, match=said):
                    choose_sae(connection, "", path)
            with pytest.raises(AtlasError, match="There is no dictionary synthetic/three"):
                choose_sae(connection, "synthetic/three", path)
        opened.close()
