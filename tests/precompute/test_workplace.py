"""What survives in the folder beside the output, and what doesn't."""

import errno
from pathlib import Path

import pytest

from app.errors import AtlasError
from app.precompute.workplace import Workplace, check_writable


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "atlas.db"


def leave(output: Path, recipe: dict[str, int], choices: dict[str, int] | None = None) -> None:
    """An unfinished run: some work and a manifest."""
    with Workplace(output) as workplace:
        workplace.begin(recipe, lambda _: None)
        (workplace.folder / "events").mkdir()
        workplace.keep()
        if choices is not None:
            workplace.keep_choices(choices)


def test_the_same_recipe_goes_on(output: Path) -> None:
    leave(output, {"seed": 1}, {"batch_contexts": 8})
    said: list[str] = []
    with Workplace(output) as workplace:
        assert workplace.resumes({"seed": 1})
        assert not workplace.resumes({"seed": 2})
        assert workplace.begin({"seed": 1}, said.append) == {"batch_contexts": 8}
        workplace.keep_choices({"batch_contexts": 4})
        assert (workplace.folder / "events").exists()
    with Workplace(output) as workplace:
        assert workplace.begin({"seed": 1}, said.append) == {"batch_contexts": 4}
    assert said == ["Resuming an earlier run with the same settings."] * 2


def test_another_recipe_starts_afresh_and_says_why(output: Path) -> None:
    leave(output, {"seed": 1, "model": 3})
    said: list[str] = []
    with Workplace(output) as workplace:
        assert workplace.begin({"seed": 2, "window": 1, "model": 3}, said.append) == {}
        assert not (workplace.folder / "events").exists()
    assert said == ["Starting afresh: seed, window changed since the unfinished run."]


def test_a_manifest_that_was_never_written_through_is_no_manifest(output: Path) -> None:
    leave(output, {"seed": 1})
    (output.with_name("atlas.db.building") / "manifest.json").write_text("")
    with Workplace(output) as workplace:
        assert not workplace.resumes({"seed": 1})
        assert workplace.begin({"seed": 1}, lambda _: None) == {}
        assert not (workplace.folder / "events").exists()


def test_mistakes_leave_nothing_and_accidents_leave_the_work(output: Path) -> None:
    folder = output.with_name("atlas.db.building")
    with pytest.raises(AtlasError), Workplace(output) as workplace:
        raise AtlasError("a wrong option")
    assert not folder.exists()
    with pytest.raises(AtlasError), Workplace(output) as workplace:
        workplace.begin({"seed": 1}, lambda _: None)
        raise AtlasError("a corpus too short")
    assert not folder.exists()
    with pytest.raises(AtlasError), Workplace(output) as workplace:
        workplace.begin({"seed": 1}, lambda _: None)
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
