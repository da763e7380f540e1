"""The list of finished pieces: what it remembers, and what a torn or damaged line costs."""

from pathlib import Path

import pytest

from app.precompute.workplace.ledger import Ledger, fingerprint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def filled(path: Path) -> Ledger:
    ledger = Ledger(path)
    ledger.open("events", {"seed": 1})
    ledger.finish("events", "0", {"events/0": [3, 7]})
    ledger.finish("events", "1", {"events/1": [4, 8]})
    ledger.keep("batch", 4)
    return ledger


def test_what_is_written_is_known_to_the_next_run(path: Path) -> None:
    filled(path)
    ledger = Ledger(path)
    assert ledger.finished("events") == {"0": {"events/0": [3, 7]}, "1": {"events/1": [4, 8]}}
    assert ledger.recipe("events") == {"seed": 1}
    assert ledger.facts == {"batch": 4}
    assert ledger.finished("statistics") == {} and ledger.recipe("statistics") is None


def test_another_recipe_forgets_the_pieces_and_the_same_does_not(path: Path) -> None:
    ledger = filled(path)
    size = path.stat().st_size
    ledger.open("events", {"seed": 1})
    assert path.stat().st_size == size and len(ledger.finished("events")) == 2
    ledger.open("events", {"seed": 2})
    assert ledger.finished("events") == {} == Ledger(path).finished("events")


def test_forgotten_pieces_stay_forgotten(path: Path) -> None:
    filled(path).forget("events", ["1", "9"])
    assert list(Ledger(path).finished("events")) == ["0"]


@pytest.mark.parametrize("n_bytes", [1, 10, 30])
def test_a_torn_line_is_cut_off_and_the_next_one_is_whole(path: Path, n_bytes: int) -> None:
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-n_bytes])
    ledger = Ledger(path)
    assert len(ledger.finished("events")) == 2 and ledger.facts == {}
    ledger.keep("batch", 4)
    assert path.read_bytes() == whole


def test_behind_a_damaged_line_nothing_counts(path: Path) -> None:
    filled(path)
    data = bytearray(path.read_bytes())
    data[data.index(b'"piece": "1"') + 10] ^= 1
    path.write_bytes(data)
    ledger = Ledger(path)
    assert list(ledger.finished("events")) == ["0"]
    assert ledger.facts == {}


def test_fingerprints_are_of_values_not_of_their_order() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
