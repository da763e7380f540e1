"""A disk that is really full: a sentence with the text still there, and on once there is room.

On a file system of two megabytes where one may be mounted, and everywhere under a limit on the size
of files, which SQLite meets as a failed write.
"""

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.keys import create_key
from app.errors import AtlasError
from app.notebook.database import open_notebook
from tests.web.notebook.conftest import FEATURE, MakePerson, Person

TEXT = "words that took an hour " * 1_500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=20)
    except OSError as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=20)


def _write_until_refused(person: Person) -> tuple[int, str]:
    """How many notes were kept, and the page of the first that wasn't."""
    for number in range(100):
        answer = person.send(f"{FEATURE}/notes", text=f"{number} {TEXT}")
        if answer.status_code != 303:
            assert answer.status_code == 503
            return number, answer.text
    raise AssertionError("the disk is never full")


def test_a_full_file_system(small_disk: Path, make_person: MakePerson) -> None:
    ballast = small_disk / "something else"
    ballast.write_bytes(b"x" * 500_000)
    person = make_person(notebook=str(small_disk / "notebook.db"))
    kept, page = _write_until_refused(person)
    assert kept > 3 and "The disk of the notebook is full: nothing was saved." in page
    assert TEXT[:200] in page, "what was typed is still in its field"
    assert len(person.json(f"{FEATURE}.json")["notebook"]["notes"]) == kept
    for form, fields in (("star", {"starred": "true"}), ("labels", {"text": "a"})):
        answer = person.send(f"{FEATURE}/{form}", **fields)
        assert answer.status_code in (303, 503) and "Traceback" not in answer.text
    notebook = open_notebook(str(small_disk / "notebook.db"))
    with pytest.raises(AtlasError, match="full"):
        for _ in range(2_000):
            create_key(notebook, "Ada" * 20, "read")
    notebook.dispose()
    ballast.unlink()
    assert person.get(FEATURE).status_code in (
        200,
        401,
    )  # a key may have been made before it was full


def test_room_is_noticed(small_disk: Path, make_person: MakePerson) -> None:
    ballast = small_disk / "something else"
    ballast.write_bytes(b"x" * 1_000_000)
    person = make_person(notebook=str(small_disk / "notebook.db"))
    kept, _ = _write_until_refused(person)
    ballast.unlink()
    assert person.send(f"{FEATURE}/notes", text="there is room again").status_code == 303
    assert len(person.json(f"{FEATURE}.json")["notebook"]["notes"]) == kept + 1


def test_a_file_that_may_not_grow(person: Person) -> None:
    assert person.send(f"{FEATURE}/notes", text="before").status_code == 303
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    try:
        kept, page = _write_until_refused(person)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "The notebook can" in page and TEXT[:200] in page
    notes = person.json(f"{FEATURE}.json")["notebook"]["notes"]
    assert len(notes) == kept + 1
    assert person.send(f"{FEATURE}/notes", text="after").status_code == 303
