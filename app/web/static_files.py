"""Static files under addresses that hold a hash of their content, cached for good.

One hash stands for the whole folder and is a folder of the address, so that scripts and styles can
name each other relatively. An address with an older hash still answers, but isn't cached. Knows no
page.
"""

import hashlib
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response

from app.errors import echoed
from app.web.paths import source_files, static_folder

_FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}

router = APIRouter(include_in_schema=False)


class StaticFiles:
    """The files of one folder as they were when the server started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.version = _hash_of(list(self.files.values()))

    def url(self, name: str) -> str:
        """The address of a file by its place in the folder ("css/base.css").

        Raises:
            KeyError: there is no such file.
        """
        if name not in self.files:
            raise KeyError(f"no static file {name!r}")
        return f"/-/static/{self.version}/{name}"


def load_static_files() -> StaticFiles:
    """The project's own static files."""
    return StaticFiles(static_folder())


def code_version(static: StaticFiles) -> str:
    """Changes whenever a page could look different although the atlas is the same."""
    return hashlib.sha256((_hash_of(source_files()) + static.version).encode()).hexdigest()[:8]


@router.get("/-/static/{version}/{name:path}")
def static_file(request: Request, version: str, name: str) -> Response:
    """One file, by exact name: nothing outside the list made at the start can be asked for."""
    static: StaticFiles = request.app.state.static
    path = static.files.get(name)
    if path is None:
        raise HTTPException(404, f"There is no static file {echoed(name)!r}.")
    return FileResponse(
        path,
        media_type=_TYPES.get(path.suffix),
        headers={"Cache-Control": _FOREVER if version == static.version else "no-cache"},
    )


def _hash_of(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
