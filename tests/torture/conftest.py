"""A small job with every stage, and what its atlas and events are when nothing interrupts it."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.torture.command import Command, running

WORDS = [" def", " first", " (items)", " return", " items[0]", "  # the", " of", "\n"]


@dataclass(frozen=True)
class Job:
    """Arguments of a job, and where it writes."""

    arguments: tuple[str, ...]
    output: Path

    @property
    def building(self) -> Path:
        """The folder of an unfinished run."""
        return self.output.with_name(self.output.name + ".building")

    def with_options(self, **options: Any) -> tuple[str, ...]:
        """The arguments, with further ones."""
        more = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items()]
        return self.arguments + tuple(part for pair in more for part in pair)


@pytest.fixture(scope="session")
def inputs(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
) -> dict[str, Any]:
    """A random model, two dictionaries at two hooks, and a text of some thousand tokens."""
    folder = tmp_path_factory.mktemp("inputs")
    text = folder / "text.txt"
    text.write_text("".join(np.random.default_rng(1).choice(WORDS, 900)))
    saes = [
        write_sae(folder / "resid", "jumprelu"),
        write_sae(folder / "mlp", "topk", "blocks.1.hook_mlp_out", seed=1),
    ]
    return {"model": str(model_folder("neox")), "corpus": str(text), "sae": saes}


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory, inputs: dict[str, Any]) -> Iterator[Command]:
    """The real command."""
    folder = tmp_path_factory.mktemp("command")
    quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with running(folder, quiet) as found:
        found.warm(*job_at(folder / "atlas.db", inputs).arguments)
        yield found


@pytest.fixture
def make_job(inputs: dict[str, Any], tmp_path: Path) -> Callable[..., Job]:
    """The job, writing to a file of that name."""

    def make(name: str = "atlas.db", folder: Path = tmp_path) -> Job:
        return job_at(folder / name, inputs)

    return make


def job_at(output: Path, inputs: dict[str, Any]) -> Job:
    """Every stage, several pieces in most."""
    arguments = [
        *("precompute", "--model", inputs["model"], "--corpus", inputs["corpus"]),
        *(part for sae in inputs["sae"] for part in ("--sae", str(sae))),
        *("--name", "tiny/resid", "--name", "tiny/mlp", "--output", str(output)),
        *("--threads", "2", "--batch-contexts", "2", "--contexts-per-shard", "6"),
        *("--ablation-examples", "2", "--ablation-window", "4", "--replacements", "1"),
        *("--quality-contexts", "6", "--context-draws", "1", "--hidden-pre-contexts", "8"),
        *("--direction-map", "pca"),
    ]
    return Job(tuple(arguments), output)


@pytest.fixture(scope="session")
def uninterrupted(
    command: Command, inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The content of the atlas and its events, and the lines that were said on the way."""
    job = job_at(tmp_path_factory.mktemp("uninterrupted") / "atlas.db", inputs)
    ended = command.run(*job.arguments)
    assert ended.code == 0, ended.said
    return Expected(content(job.output), stages_in(ended.said), ended.seconds)


@dataclass(frozen=True)
class Expected:
    """An undisturbed run."""

    content: dict[str, Any]
    stages: list[str]
    seconds: float


def stages_in(said: str) -> list[str]:
    """The stages that lines were printed for, in order."""
    return [line.split(":")[0] for line in said.splitlines() if " s (" in line]


def content(output: Path) -> dict[str, Any]:
    """Every row of every table and the hash of every file beside it, but who made it and when.

    So whatever a run leaves behind that it should not is a difference too.
    """
    found: dict[str, Any] = {}
    connection = sqlite3.connect(f"file:{output}?mode=ro", uri=True)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        if table != "meta":
            rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
            found[table] = sorted((_without_command(row) for row in rows), key=repr)
    connection.close()
    for path in sorted(output.parent.rglob("*")):
        if path.is_file() and path != output:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.relative_to(output.parent).as_posix()] = digest
    return found


def _without_command(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose record does not tell the command line, which names the output."""
    return tuple(
        json.dumps(_known(json.loads(value)), sort_keys=True)
        if isinstance(value, str) and value.startswith('{"')
        else value
        for value in row
    )


def _known(record: dict[str, Any]) -> dict[str, Any]:
    record.get("recipe", {}).pop("command", None)
    return record
