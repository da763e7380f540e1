"""Export to a file and import from one, as the command line does them.

Takes the place of a notebook and paths, gives one sentence. Knows no table and no line's content.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from app import durable
from app.errors import closest, echoed
from app.notebook.database import location, open_notebook, writing
from app.notebook.errors import NotAllowed, NotebookError
from app.notebook.foreign import FindHash
from app.notebook.jsonl import export_lines, import_lines

Hashes = Mapping[tuple[str, str], tuple[str, int]]
"""(model, sae) → (weights hash, number of features)"""


def export_file(place: str | None, file: Path) -> str:
    """Writes a notebook as JSON lines, in place of an older file only when all is written.

    Raises:
        NotebookError: there is no notebook, or the file can't be written.
    """
    notebook = open_notebook(_given(place))
    n_lines = 0
    try:
        with notebook.connect() as connection, durable.replacing(file) as output:
            # One state of the notebook, whatever is written meanwhile.
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for line in export_lines(connection):
                output.write(f"{line}\n".encode())
                n_lines += 1
    except OSError as error:
        raise NotebookError(f"Can't write {file} ({error.strerror}).") from error
    finally:
        notebook.dispose()
    return f"{n_lines:,} lines of {location(notebook)} are in {file}."


def import_file(place: str | None, file: Path, source: str, sae: str, hashes: Hashes) -> str:
    """Takes a file in, all of it or nothing.

    Args:
        source: of labels whose lines name none.
        sae: `model/sae` of lines that name none.
        hashes: of the dictionaries of the atlas.

    Raises:
        NotebookError: the notebook or the file can't be opened.
        NotAllowed: a line can't be read; the sentence has its number.
    """
    notebook = open_notebook(_given(place))
    try:
        with file.open(encoding="utf-8") as lines, writing(notebook) as connection:
            named = _with_address(lines, sae) if sae else lines
            done = import_lines(connection, named, source, find_hash_in(hashes))
    except OSError as error:
        raise NotebookError(f"Can't read {file} ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise NotAllowed(f"{file} is no text in UTF-8: nothing was imported.") from error
    finally:
        notebook.dispose()
    said = f"{done.n_new:,} new, {done.n_newer:,} newer than here, {done.n_same:,} as here"
    if done.n_differing:
        said += (
            f"; {done.n_differing:,} were changed both here and there: those here stay, those of "
            f"{file} are only in it"
        )
    return f"{said}."


def find_hash_in(hashes: Hashes) -> FindHash:
    """Looks a feature up among the dictionaries of an atlas."""

    def find(model: str, sae: str, feature_index: int) -> str:
        if (model, sae) not in hashes:
            known = closest(f"{model}/{sae}", ["/".join(names) for names in hashes])
            raise NotAllowed(
                f"the atlas has no dictionary {echoed(f'{model}/{sae}')!r}: known are {known}."
            )
        weights_hash, n_features = hashes[model, sae]
        if feature_index >= n_features:
            raise NotAllowed(f"{model}/{sae} has no feature {feature_index}.")
        return weights_hash

    return find


def _with_address(lines: Iterator[str], address: str) -> Iterator[str]:
    """Lines of explanations with the dictionary they are about, where they don't name one."""
    model, _, sae = address.partition("/")
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            yield line
            continue
        if isinstance(value, dict) and "uid" not in value and "kind" not in value:
            line = json.dumps({"model": model, "sae": sae, **value}, ensure_ascii=False)
        yield line


def _given(place: str | None) -> str:
    if place is None:
        raise NotebookError("There is no notebook: --notebook is off.")
    return place
