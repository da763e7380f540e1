"""Writing an atlas: a temporary file beside the output, checked, then renamed into place.

Until `publish` returns, the output is what it was before: absent, or the atlas that stood there. An
existing atlas is copied and added to, by one writer at a time: of two, one would not be in the file
that the other puts in place. Knows records and tables; knows nothing of how a number was made.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import islice
from operator import itemgetter
from pathlib import Path
from types import TracebackType

import numpy as np
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    create_engine,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import OperationalError

from app import durable
from app.db import schema
from app.db.addition import find_model_id, find_sae_id, taken
from app.db.checks.check import check_atlas
from app.db.directions import DecoderFile, drop_other_files
from app.db.engine import read_meta
from app.db.fulltext.write import write_fulltext
from app.db.records import (
    ContextRecord,
    CorpusRecord,
    DirectionMap,
    FeatureBundle,
    ModelRecord,
    RankingMode,
    SaeRecord,
    TokenRanking,
    TokenRecord,
)
from app.db.stored import codec
from app.db.stored.ablations import pack_ablations
from app.db.stored.examples import pack_examples
from app.db.stored.panels import pack_panels
from app.db.stored.rankings import by_token, ranking_columns
from app.db.stored.study import pack_study
from app.db.studies import ALONE, StudyRecord
from app.errors import AtlasError
from app.lock import Lock

_ROWS_AT_ONCE = 512


class AtlasWriter:
    """Builds an atlas at `output`; use as a context manager and end with `publish`.

    Raises:
        AtlasError: the place can't be written, the disk is full, another process is writing there,
            or what stands at `output` is not an atlas of this schema version.
    """

    def __init__(self, output: Path, generator: dict[str, str]) -> None:
        self.output = output
        self.partial = output.with_name(output.name + ".partial")
        self._generator = generator
        self._decoders: list[DecoderFile] = []
        self._engine = create_engine(URL.create("sqlite", database=str(self.partial)))
        self._lock = _lock(output)
        try:
            self._connection = self._start()
        except BaseException:
            self._abandon()
            raise

    def _start(self) -> Connection:
        """A connection to a copy of what stands at the output, or to a new file, with every table
        in place."""
        self.partial.unlink(missing_ok=True)
        try:
            if self.output.exists():
                read_meta(self.output)
                shutil.copyfile(self.output, self.partial)
            else:
                self.partial.touch()
        except OSError as error:
            raise AtlasError(f"Can't write {self.output}: {error.strerror or error}.") from error
        connection = self._engine.connect()
        # The partial file is worthless until it is renamed, so durability waits for `publish`.
        connection.exec_driver_sql(f"PRAGMA page_size = {schema.PAGE_SIZE}")
        connection.exec_driver_sql("PRAGMA journal_mode = OFF")
        connection.exec_driver_sql("PRAGMA synchronous = OFF")
        try:
            schema.metadata.create_all(connection)
            connection.commit()
        except OperationalError as error:
            connection.close()
            if _is_full(error):
                raise self._no_room(error) from error
            raise
        return connection

    @property
    def connection(self) -> Connection:
        """For stages that read back, through the queries of the pages, what was written."""
        return self._connection

    def __enter__(self) -> "AtlasWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        if error is None:
            self._close()
            return
        self._abandon()
        if isinstance(error, OperationalError) and _is_full(error):
            raise self._no_room(error) from error

    def _abandon(self) -> None:
        self.partial.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        self._engine.dispose()
        self._lock.release()

    def _no_room(self, error: OperationalError) -> AtlasError:
        return AtlasError(
            f"{self.output} can't be written ({error.orig}): free some space on its disk and run "
            "the same command again."
        )

    def add_model(self, record: ModelRecord, tokens: Iterable[TokenRecord]) -> int:
        """The id of the model under this slug, written with its vocabulary if it is new.

        Raises:
            AtlasError: another model or tokenizer already has this slug.
        """
        known = find_model_id(self._connection, self.output, record)
        if known is not None:
            return known
        model_id = self._insert(schema.model, {"model": record.model, "record": asdict(record)})
        self._insert_many(schema.token, (_token_row(model_id, token) for token in tokens))
        return model_id

    def find_model(self, slug: str) -> tuple[int, ModelRecord] | None:
        """The model under a slug with its id; None where there is none."""
        row = self._connection.execute(
            select(schema.model).where(schema.model.c.model == slug)
        ).one_or_none()
        return None if row is None else (row.model_id, ModelRecord(**row.record))

    def tokens(self, model_id: int) -> list[TokenRecord]:
        """A model's vocabulary as it stands, by id."""
        table = schema.token
        names = [field.name for field in fields(TokenRecord)]
        rows = self._connection.execute(
            select(*(table.c[name] for name in names))
            .where(table.c.model_id == model_id)
            .order_by(table.c.token_id)
        )
        return [TokenRecord(*row) for row in rows]

    def add_tokens(self, model_id: int, tokens: Iterable[TokenRecord]) -> None:
        """More entries of a vocabulary that imports make."""
        self._insert_many(schema.token, (_token_row(model_id, token) for token in tokens))

    def set_model(self, model_id: int, record: ModelRecord) -> None:
        """What is known of a model once its last token is written."""
        self._set(schema.model, schema.model.c.model_id == model_id, record=asdict(record))

    def set_corpus(self, corpus_id: int, record: CorpusRecord, documents: Iterable[str]) -> None:
        """What is known of a corpus once its last text is written, its documents among it."""
        same = schema.corpus.c.corpus_id == corpus_id
        self._set(schema.corpus, same, record=asdict(record), hash=record.hash)
        self._add_documents(corpus_id, documents)

    def set_sae(self, sae_id: int, record: SaeRecord) -> None:
        """What is known of a dictionary once its last feature is written."""
        self._set(schema.sae, schema.sae.c.sae_id == sae_id, record=asdict(record))

    def _set(self, table: schema.Table, same: ColumnElement[bool], **values: object) -> None:
        self._connection.execute(update(table).where(same).values(**values))

    def add_corpus(
        self,
        model_id: int,
        record: CorpusRecord,
        occurrences: np.ndarray,
        documents: Iterable[str],
    ) -> int:
        """The id of this corpus, written with its token counts [d_vocab] and documents if new."""
        row = self._connection.execute(
            select(schema.corpus).where(
                schema.corpus.c.model_id == model_id, schema.corpus.c.hash == record.hash
            )
        ).one_or_none()
        if row is not None:
            return row.corpus_id
        corpus_id = self._insert(
            schema.corpus,
            {"model_id": model_id, "hash": record.hash, "record": asdict(record)},
        )
        self._insert_many(
            schema.corpus_token,
            (
                {"corpus_id": corpus_id, "token_id": int(i), "n_occurrences": int(occurrences[i])}
                for i in np.flatnonzero(occurrences)
            ),
        )
        self._add_documents(corpus_id, documents)
        return corpus_id

    def _add_documents(self, corpus_id: int, documents: Iterable[str]) -> None:
        self._insert_many(
            schema.document,
            (
                {"corpus_id": corpus_id, "document_id": i, "name": name}
                for i, name in enumerate(documents)
            ),
        )

    def add_contexts(
        self, corpus_id: int, contexts: Iterable[ContextRecord], known: bool = True
    ) -> None:
        """Stores contexts that examples point to; those already there are left as they are.

        Args:
            known: whether some may be there; not to look saves a query over all of them.
        """
        column = schema.context.c
        statement = select(column.context_id).where(column.corpus_id == corpus_id)
        there = set(self._connection.scalars(statement)) if known else ()
        self._insert_many(
            schema.context,
            (
                {
                    "corpus_id": corpus_id,
                    "context_id": item.context_id,
                    "tokens": codec.pack(item),
                }
                for item in contexts
                if item.context_id not in there
            ),
        )

    def add_sae(
        self, model_id: int, corpus_id: int, record: SaeRecord, replace: bool = False
    ) -> int:
        """A new dictionary's id.

        Raises:
            AtlasError: the slug is taken and `replace` is false.
        """
        existing = find_sae_id(self._connection, record.model, record.sae)
        if existing is not None:
            if not replace:
                raise taken(self.output, record.model, record.sae)
            for table in (
                schema.feature,
                schema.feature_panel,
                schema.feature_example,
                schema.token_ranking,
                schema.direction_map,
                schema.decoder_file,
                schema.study,
                schema.feature_study,
                schema.sae,
            ):
                self._connection.execute(delete(table).where(table.c.sae_id == existing))
            beside = schema.study.c.other_id == existing
            self._connection.execute(delete(schema.study).where(beside))
            self._drop_unused_corpora(kept=corpus_id)
        return self._insert(
            schema.sae,
            {
                "model_id": model_id,
                "corpus_id": corpus_id,
                "sae": record.sae,
                "record": asdict(record),
            },
        )

    def add_features(self, sae_id: int, bundles: Iterable[FeatureBundle]) -> None:
        """Writes features as they come; the iterable may be as long as the dictionary."""
        batch: list[FeatureBundle] = []

        def flush() -> None:
            self._insert_many(
                schema.feature, ({"sae_id": sae_id, **vars(item.record)} for item in batch)
            )
            indices = [item.record.feature_index for item in batch]
            panels = pack_panels([item.panels for item in batch])
            self._insert_many(
                schema.feature_panel,
                (
                    {"sae_id": sae_id, "feature_index": index, "panels": blob}
                    for index, blob in zip(indices, panels, strict=True)
                ),
            )
            self._insert_many(schema.feature_example, _example_rows(sae_id, batch))
            batch.clear()

        for bundle in bundles:
            batch.append(bundle)
            if len(batch) == _ROWS_AT_ONCE:
                flush()
        flush()

    def add_token_rankings(
        self, sae_id: int, rankings: Mapping[RankingMode, Iterable[tuple[int, TokenRanking]]]
    ) -> None:
        """Stores every token's rankings: of each mode (token_id, ranking) in order of token_id.

        Reads all modes side by side and holds one token at a time.
        """
        corpus_id = select(schema.sae.c.corpus_id).where(schema.sae.c.sae_id == sae_id)
        counts = self._connection.execute(
            select(schema.corpus_token.c.token_id, schema.corpus_token.c.n_occurrences).where(
                schema.corpus_token.c.corpus_id == corpus_id.scalar_subquery()
            )
        )
        occurrences = {row.token_id: row.n_occurrences for row in counts}
        self._insert_many(
            schema.token_ranking,
            (
                {
                    "sae_id": sae_id,
                    "token_id": token_id,
                    **ranking_columns(found, occurrences.get(token_id, 0)),
                }
                for token_id, found in by_token(rankings)
            ),
        )

    def add_direction_map(self, sae_id: int, found: DirectionMap) -> None:
        """Stores the map of a dictionary's directions, one row for each of its features."""
        positions = np.ascontiguousarray(found.positions, dtype="<f4").tobytes()
        self._insert(
            schema.direction_map,
            {"sae_id": sae_id, "method": found.method, "positions": positions},
        )

    def add_directions(self, sae_id: int, blocks: Iterable[np.ndarray]) -> None:
        """Keeps unit decoder rows [rows, d_in], block after block in feature order, for the file
        that `publish` writes beside the atlas."""
        found = DecoderFile(self.output, blocks)
        self._decoders.append(found)
        self._insert(
            schema.decoder_file, {"sae_id": sae_id, "hash": found.hash, "n_bytes": found.n_bytes}
        )

    def add_study(self, sae_id: int, record: StudyRecord, other_id: int = ALONE) -> None:
        """Stores what a study found about a dictionary, alone or beside another one; what stood
        there before is replaced."""
        place: dict[str, object] = {
            "sae_id": sae_id,
            "study": record.STUDY,
            "other_id": other_id,
        }
        same = [schema.study.c[name] == value for name, value in place.items()]
        self._connection.execute(delete(schema.study).where(*same))
        self._insert(schema.study, place | {"record": pack_study(record)})

    def add_feature_studies(self, sae_id: int, records: Iterable[tuple[int, StudyRecord]]) -> None:
        """Stores what a study found about single features, given with their feature_index."""
        self._insert_many(
            schema.feature_study,
            (
                {
                    "sae_id": sae_id,
                    "study": record.STUDY,
                    "feature_index": index,
                    "record": pack_study(record),
                }
                for index, record in records
            ),
        )

    def publish(self, witness: Callable[[os.stat_result], None] | None = None) -> str:
        """Stamps, checks, syncs and renames the file into place; returns its build id.

        `witness` is shown the finished file just before it is renamed: who is killed around here
        can tell afterwards whether what stands at the output is this file.

        Raises:
            AtlasError: the content contradicts itself (see `check_atlas`).
        """
        self._drop_unused_corpora()
        write_fulltext(self._connection)
        build_id = self._stamp()
        self._connection.commit()
        problems = check_atlas(self._connection)
        if problems:
            raise AtlasError(f"The atlas was not published: {problems[0]}")
        self._connection.exec_driver_sql("ANALYZE")
        self._connection.commit()
        decoders = {*self._connection.scalars(select(schema.decoder_file.c.hash))}
        self._connection.close()
        for decoder in self._decoders:
            decoder.write()
        if witness is not None:
            witness(self.partial.stat())
        durable.put(self.partial, self.output)
        drop_other_files(self.output, decoders)
        return build_id

    def _drop_unused_corpora(self, kept: int | None = None) -> None:
        """What only a replaced dictionary was run over; `kept` is about to be used."""
        used = select(schema.sae.c.corpus_id)
        for table in (schema.corpus_token, schema.document, schema.context, schema.corpus):
            unused = table.c.corpus_id.not_in(used) & (table.c.corpus_id != (kept or 0))
            self._connection.execute(delete(table).where(unused))

    def _stamp(self) -> str:
        recipes = self._connection.scalars(
            select(schema.sae.c.record).order_by(schema.sae.c.sae_id)
        )
        n_features = self._connection.scalar(select(func.count()).select_from(schema.feature))
        content = [schema.SCHEMA_VERSION, self._generator, n_features, list(recipes)]
        build_id = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        values = {
            "schema_version": schema.SCHEMA_VERSION,
            "build_id": build_id,
            "generator": self._generator,
        }
        self._connection.execute(delete(schema.meta))
        self._insert_many(
            schema.meta, ({"key": k, "value": json.dumps(v)} for k, v in values.items())
        )
        return build_id

    def _insert(self, table: schema.Table, row: dict[str, object]) -> int:
        result = self._connection.execute(insert(table).values(row))
        key = result.inserted_primary_key
        assert key is not None
        return int(key[0])

    def _insert_many(self, table: schema.Table, rows: Iterable[dict[str, object]]) -> None:
        """Rows that name every column; values go by place, which takes less time than names."""
        dialect = self._connection.dialect
        statement = str(insert(table).compile(dialect=dialect))
        names = [column.name for column in table.columns]
        converters = [
            (place, convert)
            for place, column in enumerate(table.columns)
            if (convert := column.type.dialect_impl(dialect).bind_processor(dialect))
        ]
        take = itemgetter(*names)
        rows = iter(rows)
        while batch := [list(take(row)) for row in islice(rows, _ROWS_AT_ONCE)]:
            for values in batch:
                for place, convert in converters:
                    values[place] = convert(values[place])
            self._connection.exec_driver_sql(statement, [tuple(values) for values in batch])


def _lock(output: Path) -> Lock:
    """The right to write an output; in a file of its own, as SQLite has its own locks on its."""
    try:
        return Lock(output.with_name(output.name + ".lock"))
    except BlockingIOError as error:
        raise AtlasError(
            f"Another process is writing {output}: run the same command again when it is done, or "
            "write to another file."
        ) from error
    except OSError as error:
        raise AtlasError(f"Can't write {output}: {error.strerror}.") from error


def _is_full(error: OperationalError) -> bool:
    """A full disk; to SQLite a file that is allowed to grow no further is an I/O error."""
    return re.search(r"full|I/O", str(error.orig)) is not None


def _example_rows(sae_id: int, bundles: Sequence[FeatureBundle]) -> Iterator[dict[str, object]]:
    """Of the features that have any."""
    held = [item for item in bundles if item.examples]
    ablated = [item for item in held if item.ablations]
    ablations = dict(
        zip(
            (item.record.feature_index for item in ablated),
            pack_ablations([item.ablations for item in ablated]),
            strict=True,
        )
    )
    for item, blob in zip(held, pack_examples([item.examples for item in held]), strict=True):
        index = item.record.feature_index
        yield {
            "sae_id": sae_id,
            "feature_index": index,
            "examples": blob,
            "ablations": ablations.get(index),
        }


def _token_row(model_id: int, token: TokenRecord) -> dict[str, object]:
    stripped = token.token.strip(" \t\r\n") or token.token
    return {
        "model_id": model_id,
        **vars(token),
        "stripped": stripped,
        "folded": stripped.casefold(),
    }
