"""The folder a site is written into: never over what isn't ours.

A list of every file written stands in the folder; with it a later export may replace this one and
removes nothing else (a `.git` or a `CNAME` stays). Knows no page.
"""

from pathlib import Path

from app.errors import AtlasError

LIST = "-/site/files.txt"


class SiteFolder:
    """An empty folder, or that of an earlier export.

    Raises:
        AtlasError: the folder holds something else, or can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_files = self.n_bytes = 0
        listed = folder / LIST
        try:
            if folder.exists() and not folder.is_dir():
                raise AtlasError(f"{folder} is a file: give a folder for the site.")
            if folder.is_dir() and any(folder.iterdir()):
                if not listed.is_file():
                    raise AtlasError(
                        f"{folder} is not empty and holds no earlier export: give a new folder, "
                        "so that nothing of yours is overwritten."
                    )
                self._clear(listed)
            listed.parent.mkdir(parents=True, exist_ok=True)
            self._list = listed.open("w", encoding="utf-8", newline="\n", buffering=1)
        except OSError as error:
            raise self._cannot_write(error) from error

    def write(self, file: str, content: str | bytes) -> None:
        """Writes one file and lists it."""
        data = content.encode() if isinstance(content, str) else content
        path = self.folder / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._list.write(f"{file}\n")
            path.write_bytes(data)
        except OSError as error:
            raise self._cannot_write(error) from error
        self.n_files += 1
        self.n_bytes += len(data)

    def close(self) -> None:
        """The list is complete."""
        self._list.close()

    def _clear(self, listed: Path) -> None:
        root = self.folder.resolve()
        for name in listed.read_text(encoding="utf-8").splitlines():
            path = (root / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                path.unlink()
                for parent in path.parents:
                    if parent == root or any(parent.iterdir()):
                        break
                    parent.rmdir()

    def _cannot_write(self, error: OSError) -> AtlasError:
        return AtlasError(f"Can't write into {self.folder} ({error.strerror or error}).")
