"""The folder a site is written into: never over what isn't ours, and not before the site is whole.

Files gather in `.partial` inside it and take their places at the end, so a full disk or a killed
export leaves the site that stood there. A list of every file stands in the folder; with it a later
export may replace this one and removes nothing else (a `.git` or a `CNAME` stays). Knows no page.
"""

import os
import shutil
from pathlib import Path

from app import durable
from app.errors import AtlasError, writing

LIST = "-/site/files.txt"
PARTIAL = ".partial"


class SiteFolder:
    """An empty folder, or that of an earlier export. In a `with`: what was written takes its place
    when the block ends without an error, and is gone when it doesn't."""

    def __init__(self, folder: Path) -> None:
        """Looks whether the folder may be taken.

        Raises:
            AtlasError: the folder holds something else, or can't be written.
        """
        self.folder = folder
        self.n_files = self.n_bytes = 0
        self._partial = folder / PARTIAL
        with writing(self.folder):
            self._was_there = folder.exists()
            _check(folder)
            if self._partial.exists():
                shutil.rmtree(self._partial)
            listed = self._partial / LIST
            listed.parent.mkdir(parents=True)
            self._list = listed.open("w", encoding="utf-8", newline="\n", buffering=1)

    def __enter__(self) -> "SiteFolder":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._list.close()
        if kind is None:
            with writing(self.folder):
                self._take_places()
            return
        shutil.rmtree(self._partial, ignore_errors=True)
        if not self._was_there:
            self.folder.rmdir()

    def write(self, file: str, content: str | bytes) -> None:
        """Writes one file and lists it."""
        data = content.encode() if isinstance(content, str) else content
        path = self._partial / file
        with writing(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._list.write(f"{file}\n")
            path.write_bytes(data)
        self.n_files += 1
        self.n_bytes += len(data)

    def _take_places(self) -> None:
        """Every file to its name, over the earlier export's and in the place of those that are no
        more; whoever is killed here leaves a list of all that either export wrote."""
        listed = self.folder / LIST
        before = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
        now = (self._partial / LIST).read_text(encoding="utf-8").splitlines()
        durable.write(listed, "".join(f"{name}\n" for name in {*before, *now}).encode())
        self._remove({*before} - {*now})
        for name in now:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._partial / name, path)
        durable.put(self._partial / LIST, listed)
        shutil.rmtree(self._partial)

    def _remove(self, names: set[str]) -> None:
        """Files of the earlier export, and the folders they leave empty."""
        root = self.folder.resolve()
        for name in names:
            path = (root / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                path.unlink()
                for parent in path.parents:
                    if parent == root or any(parent.iterdir()):
                        break
                    parent.rmdir()


def _check(folder: Path) -> None:
    """Nothing there, nothing in it, or an earlier export; one that was killed counts as nothing."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise AtlasError(f"{folder} is a file: give a folder for the site.")
    partial = folder / PARTIAL
    if partial.exists() and not (partial / LIST).is_file():
        raise AtlasError(f"{partial} is in the way and of no export: move it.")
    if any(path != partial for path in folder.iterdir()) and not (folder / LIST).is_file():
        raise AtlasError(
            f"{folder} is not empty and holds no earlier export: give a new folder, so that "
            "nothing of yours is overwritten."
        )
