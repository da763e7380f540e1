"""What survives in the folder beside the output, and what doesn't."""

import errno
from collections.abc import Mapping
from pathlib import Path

import pytest

from app import durable
from app.errors import AtlasError
from app.precompute.workplace.ledger import AFTER, Recipe
from app.precompute.workplace.seals import seal
from app.precompute.workplace.workplace import Workplace, check_writable


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "atlas.db"


ONE: dict[str, Recipe] = {
    "tokens": {"seed": 1, AFTER: {}},
    "events": {"window": 2, AFTER: {"tokens": "one"}},
    "ablated text": {"draws": 3, AFTER: {"events": "one"}},
    "map": {AFTER: {}},
}


def leave(output: Path, recipes: Mapping[str, Recipe] = ONE) -> None:
    """An unfinished run: a piece of every stage."""
    with Workplace(output) as workplace:
        workplace.begin(recipes, lambda _: None)
        for stage in recipes:
            path = workplace.folder / stage / "piece"
            durable.write(path, b"found")
            workplace.ledger.finish(stage, "1", seal(workplace.folder, [path]))
        workplace.keep()


def finished(workplace: Workplace) -> list[str]:
    return [stage for stage in ONE if workplace.done(stage)]


def test_the_same_recipes_go_on(output: Path) -> None:
    leave(output)
    said: list[str] = []
    with Workplace(output) as workplace:
        workplace.begin(ONE, said.append)
        assert finished(workplace) == list(ONE)
        for stage in ONE:
            workplace.verify(stage, said.append)
        assert finished(workplace) == list(ONE)
    assert said == ["Resuming an earlier run with the same settings."]


def test_another_recipe_costs_its_stage_and_says_why(output: Path) -> None:
    leave(output)
    said: list[str] = []
    with Workplace(output) as workplace:
        workplace.begin(ONE | {"ablated text": {**ONE["ablated text"], "draws": 4}}, said.append)
        assert finished(workplace) == ["tokens", "events", "map"]
        assert not (workplace.folder / "ablated text").exists()
        assert (workplace.folder / "events" / "piece").exists()
    assert said == [
        "Since the unfinished run draws changed: ablated text is made again, the rest (tokens, "
        "events, map) is kept."
    ]


def test_nothing_kept_is_a_fresh_start(output: Path) -> None:
    leave(output, {"tokens": ONE["tokens"]})
    said: list[str] = []
    with Workplace(output) as workplace:
        workplace.begin({"tokens": {"seed": 2, "bos": True, AFTER: {}}}, said.append)
        assert finished(workplace) == []
    assert said == ["Starting afresh: bos, seed changed since the unfinished run."]


def test_a_stage_that_is_no_longer_asked_for_goes(output: Path) -> None:
    leave(output, {f"map/{sae}": {AFTER: {}} for sae in ("one", "two")})
    said: list[str] = []
    with Workplace(output) as workplace:
        workplace.begin({"map/one": {AFTER: {}}}, said.append)
        assert workplace.done("map/one") and not workplace.done("map/two")
        assert not (workplace.folder / "map" / "two").exists()


def test_damage_costs_the_piece_and_all_that_reads_from_its_stage(output: Path) -> None:
    leave(output)
    said: list[str] = []
    with Workplace(output) as workplace:
        (workplace.folder / "events" / "piece").write_bytes(b"fount")
        workplace.begin(ONE, lambda _: None)
        workplace.verify("events", said.append)
        assert finished(workplace) == ["tokens", "map"]
    assert said == [
        "Warning: events/piece has another checksum than when it was written: events 1 is done "
        "again, and all that follows."
    ]


def test_only_the_file_it_noted_counts_as_published(output: Path) -> None:
    leave(output)
    with Workplace(output) as workplace:
        assert not workplace.has_published("recipe")
        partial = output.with_name("partial")
        partial.write_text("atlas")
        workplace.will_publish("recipe", partial.stat())
        assert not workplace.has_published("recipe")
        partial.rename(output)
        assert workplace.has_published("recipe") and not workplace.has_published("other")
        output.write_text("later")
        assert not workplace.has_published("recipe")


def test_mistakes_leave_nothing_and_accidents_leave_the_work(output: Path) -> None:
    folder = output.with_name("atlas.db.building")
    with pytest.raises(AtlasError), Workplace(output) as workplace:
        raise AtlasError("a wrong option")
    assert not folder.exists()
    with pytest.raises(AtlasError), Workplace(output) as workplace:
        workplace.begin(ONE, lambda _: None)
        raise AtlasError("a corpus too short")
    assert not folder.exists()
    with pytest.raises(AtlasError), Workplace(output) as workplace:
        workplace.begin(ONE, lambda _: None)
        workplace.keep()
        raise AtlasError("a full disk")
    assert folder.exists()
    with pytest.raises(AtlasError), Workplace(output) as workplace:
        raise AtlasError("a wrong option, while an unfinished run waits")
    assert folder.exists()


def test_a_full_disk_is_a_sentence_and_other_errors_stay_what_they_are(output: Path) -> None:
    with (
        pytest.raises(AtlasError, match=r"No space left on device\. What is finished is kept"),
        Workplace(output),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="other"), Workplace(output):
        raise OSError(errno.EIO, "other")


def test_one_job_at_a_time(output: Path) -> None:
    with Workplace(output):
        with pytest.raises(AtlasError, match="Another job is writing"), Workplace(output):
            pass
        assert output.with_name("atlas.db.building").exists()
    with Workplace(output):
        pass


def test_events_are_shipped_over_older_ones(output: Path) -> None:
    older = output.with_name("atlas.events") / "tiny" / "resid"
    older.mkdir(parents=True)
    (older / "old").write_text("")
    with Workplace(output) as workplace:
        for name in ("resid", "corpus"):
            (workplace.folder / name).mkdir()
            (workplace.folder / name / "new").write_text(name)
        parts = {f"tiny/{name}": workplace.folder / name for name in ("resid", "corpus", "gone")}
        assert workplace.ship_events(parts) == output.with_name("atlas.events")
    files = sorted(path.name for path in older.parent.rglob("*") if path.is_file())
    assert files == ["new", "new"]
    assert not output.with_name("atlas.db.building").exists()


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    for output, sentence in [
        (tmp_path / "none" / "atlas.db", "there is no folder"),
        (tmp_path, "it is a folder"),
        (tmp_path / "atlas.events", "the ending of the folder beside it"),
    ]:
        with pytest.raises(AtlasError, match=sentence):
            check_writable(output)
    (tmp_path / "atlas.db.building").write_text("a file where the folder should be")
    with pytest.raises(AtlasError, match="Can't write"), Workplace(tmp_path / "atlas.db"):
        pass
