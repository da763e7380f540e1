"""What has to be known to make an atlas again: settings, hashes, versions, commit.

Gives plain JSON values. Names machines and folders nowhere: paths are reduced to their last part,
so that an atlas that is sent away tells what was run, not where.
"""

import hashlib
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import app
from app.hub.finding import is_there
from app.precompute.corpus.documents import Named
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target
from app.precompute.workplace.stage_recipes import (
    HOW,
    LIBRARIES,
    WITHOUT_EFFECT,
    program_versions,
)


def generator() -> dict[str, str]:
    """The program that writes: its version, its commit where there is one, its libraries'."""
    commit = _commit()
    versions = program_versions([*LIBRARIES, "sqlalchemy"])
    return versions | ({"commit": commit} if commit else {})


def run_recipe(
    settings: PrecomputeSettings,
    model_hash: str,
    targets: Sequence[Target],
    commits: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything that changes the content of what a run writes.

    `commits` say where names on the hub led: a branch leads elsewhere tomorrow.
    """
    # Names are the keys of "saes".
    options = settings.model_dump(mode="json", exclude=WITHOUT_EFFECT | {"name"})
    options["model"] = without_folder(settings.model)
    options["sae"] = [without_folder(path) for path in settings.sae]
    options["corpus"] = without_folder(settings.corpus)
    return {
        **options,
        "model_hash": model_hash,
        "saes": {
            target.sae: {
                "hook_name": target.hook_name,
                **({"hook_name_out": target.hook_name_out} if target.hook_name_out else {}),
                "weights_hash": target.dictionary.weights_hash(),
            }
            for target in targets
        },
        **({"commits": dict(commits)} if commits else {}),
    }


def corpus_stamp(settings: PrecomputeSettings, documents: Iterable[Named] | None) -> str:
    """Changes with the content of the corpus: tells whether an unfinished run read the same.

    Of files it takes names, sizes and times of change, of a dataset on the hub its name.
    """
    digest = hashlib.sha256()
    if documents is not None:
        for document in documents:
            digest.update(f"{document.name} {len(document.text)}\n".encode())
        return digest.hexdigest()
    path = Path(settings.corpus).expanduser()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            stat = file.stat()
            digest.update(f"{file.relative_to(path)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def without_folder(name: str | Path) -> str:
    """The last part of a path; a name on the hub stays whole."""
    path = Path(name).expanduser()
    return path.absolute().name if is_there(path) else str(name)


def command_of(settings: PrecomputeSettings) -> str:
    """The command line that would run these settings, paths reduced to their last part."""
    parts = ["feature-atlas precompute"]
    for name, field in PrecomputeSettings.model_fields.items():
        value = getattr(settings, name)
        if name in HOW or value == field.get_default(call_default_factory=True):
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parts.append(flag if value else f"--no-{flag[2:]}")
            continue
        values = value if isinstance(value, list) else [value]
        if name in ("model", "sae", "corpus"):
            values = [without_folder(item) for item in values]
        elif name == "output":
            values = [settings.output.name]
        parts += [f"{flag} {shlex.quote(str(item))}" for item in values]
    return " ".join(parts)


def _commit() -> str | None:
    root = Path(app.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
