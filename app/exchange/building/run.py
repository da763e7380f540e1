"""One import from start to end: files opened, atlas published, explanations written as labels.

Takes what the command line said, gives lines to print. Knows the importers by name alone.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.db.known_features import weights_hashes
from app.errors import AtlasError
from app.exchange.building.build import Asked, Imported, build_atlas
from app.exchange.building.naming import Address, read_address
from app.exchange.building.tokenizer import read_tokenizer
from app.exchange.foreign import ForeignExplanation
from app.exchange.importing.formats import importer_of
from app.notebook.errors import NotAllowed, NotebookError
from app.notebook.files import import_file
from app.notebook.limits import LONGEST


@dataclass(frozen=True)
class Order:
    """What the command line said."""

    format: str
    source: Path
    atlas: Path
    names: Sequence[str] = ()
    tokenizer: Path | None = None
    replace: bool = False
    notebook: str | None = None
    """where explanations are written; None for nowhere"""


def import_files(order: Order) -> Iterator[str]:
    """Does it, and says what was done.

    Raises:
        AtlasError: the files can't be read or may not stand in this atlas, which is left as it
            was; or the labels can't be written, when it already holds the rest.
    """
    importer = importer_of(order.format)
    source = order.source.expanduser()
    if not os.path.exists(source):
        raise AtlasError(f"There is no {source}: give {importer.layout}.")
    _check_place(order.atlas)
    asked = Asked(
        format=importer.name,
        title=importer.title or importer.name,
        path=source,
        addresses=[read_address(name) for name in order.names],
        tokenizer=read_tokenizer(order.tokenizer.expanduser()) if order.tokenizer else None,
        replace=order.replace,
    )
    with tempfile.TemporaryDirectory() as folder:
        explanations = _Explanations(Path(folder) / "explanations.jsonl", asked.title)
        try:
            done = build_atlas(order.atlas, importer.open(source), asked, explanations.add)
        finally:
            explanations.close()
        yield from map(_said, done)
        if explanations.n:
            yield _labelled(order, explanations)


def _check_place(atlas: Path) -> None:
    """Refuses what is there and can be no atlas.

    Raises:
        AtlasError: a folder, a pipe, or a file without a byte.
    """
    if not os.path.exists(atlas):
        return
    if not atlas.is_file():
        raise AtlasError(f"{atlas} is no file: give one to write or add to, like atlas.db.")
    if not atlas.stat().st_size:
        raise AtlasError(f"{atlas} is an empty file and no atlas: remove it, or give another name.")


def _said(one: Imported) -> str:
    n, texts = one.n_features, one.n_contexts
    return (
        f"{one.address}: {n:,} feature{'' if n == 1 else 's'} with {texts:,} different "
        f"text{'' if texts == 1 else 's'}."
    )


class _Explanations:
    """The lines of a file that the notebook takes in."""

    def __init__(self, path: Path, source: str) -> None:
        self.path, self._source = path, source
        self._file = path.open("w", encoding="utf-8")
        self.n = self.n_cut = 0

    def add(self, address: Address, feature_index: int, explanation: ForeignExplanation) -> None:
        text = " ".join(explanation.text.split())
        if not text:
            return
        longest = LONGEST["label"]
        if len(text) > longest:
            text = f"{text[: longest - 1]}…"
            self.n_cut += 1
        line = {
            "model": address.model,
            "sae": address.sae,
            "feature_index": feature_index,
            "text": text,
            "source": self._source,
        }
        if explanation.author:
            line["explainer"] = " ".join(explanation.author.split())[: LONGEST["source"]]
        self._file.write(f"{json.dumps(line)}\n")
        self.n += 1

    def close(self) -> None:
        self._file.close()


def _labelled(order: Order, found: _Explanations) -> str:
    n, words = found.n, "explanation" if found.n == 1 else "explanations"
    if order.notebook is None:
        return f"{n:,} {words} left out: no notebook was asked for."
    try:
        done = import_file(
            order.notebook, found.path, order.format, "", weights_hashes(order.atlas)
        )
    except (NotebookError, NotAllowed) as error:
        raise AtlasError(f"{order.atlas} is written, its {n:,} {words} are not: {error}") from error
    cut = f" {found.n_cut:,} were longer than a label and are cut." if found.n_cut else ""
    return f"{n:,} {words} as labels in {order.notebook}: {done}{cut}"
