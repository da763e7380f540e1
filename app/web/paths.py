"""Where templates and static files lie: inside an installed package, or beside it in a checkout.

Knows folders only.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def templates_folder() -> Path:
    """`app/templates` of an installed wheel, else the repository's `templates`."""
    return _find("templates")


def static_folder() -> Path:
    """`app/static` of an installed wheel, else the repository's `static`."""
    return _find("static")


def source_files() -> list[Path]:
    """Everything a page's look can depend on besides the atlas, in a fixed order."""
    folders = (_PACKAGE / "web", _PACKAGE / "db", _PACKAGE / "stats", _PACKAGE / "notebook")
    folders = (*folders, templates_folder())
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in found if path.suffix in {".py", ".html", ".svg"})


def _find(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
