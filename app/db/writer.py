"""Writing an atlas: a temporary file beside the output, checked, then renamed into place.

Until `publish` returns, the output is what it was before: absent, or the atlas that stood there. An
existing atlas is copied and added to. Knows records and tables; knows nothing of how a number was
made.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType

import numpy as np
from sqlalchemy import (
    URL,
    Connection,
    bindparam,
    create_engine,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import OperationalError

from app.db import codec, schema
from app.db.addition import find_model_id, find_sae_id, taken
from app.db.check import check_atlas
from app.db.engine import read_meta
from app.db.fulltext_write import write_fulltext
from app.db.records import (
    AblationGroup,
    ContextRecord,
    CorpusRecord,
    DirectionMap,
    ExampleGroup,
    FeatureBundle,
    FeaturePanels,
    Group,
    ModelRecord,
    RankingMode,
    SaeRecord,
    TokenRanking,
    TokenRecord,
)
from app.errors import AtlasError

_ROWS_AT_ONCE = 512


class AtlasWriter:
    """Builds an atlas at `output`; use as a context manager and end with `publish`.

    Raises:
        AtlasError: the place can't be written, the disk is full, or what stands at `output` is not
            an atlas of this schema version.
    """

    def __init__(self, output: Path, generator: dict[str, str]) -> None:
        self.output = output
        self.partial = output.with_name(output.name + ".partial")
        self._generator = generator
        self.partial.unlink(missing_ok=True)
        try:
            if output.exists():
                read_meta(output)
                shutil.copyfile(output, self.partial)
            else:
                self.partial.touch()
        except OSError as error:
            self.partial.unlink(missing_ok=True)
            raise AtlasError(f"Can't write {output}: {error.strerror or error}.") from error
        self._engine = create_engine(URL.create("sqlite", database=str(self.partial)))
        self._connection: Connection = self._engine.connect()
        # The partial file is worthless until it is renamed, so durability waits for `publish`.
        self._connection.exec_driver_sql("PRAGMA journal_mode = OFF")
        self._connection.exec_driver_sql("PRAGMA synchronous = OFF")
        try:
            schema.metadata.create_all(self._connection)
            self._connection.commit()
        except OperationalError as error:
            self._abandon()
            if _is_full(error):
                raise self._no_room(error) from error
            raise

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
        if error is None:
            self._close()
            return
        self._abandon()
        if isinstance(error, OperationalError) and _is_full(error):
            raise self._no_room(error) from error

    def _close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def _abandon(self) -> None:
        self._close()
        self.partial.unlink(missing_ok=True)

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
        self._insert_many(
            schema.document,
            (
                {"corpus_id": corpus_id, "document_id": i, "name": name}
                for i, name in enumerate(documents)
            ),
        )
        return corpus_id

    def add_contexts(self, corpus_id: int, contexts: Iterable[ContextRecord]) -> None:
        """Stores contexts that examples point to; those already there are left as they are."""
        known = set(
            self._connection.scalars(
                select(schema.context.c.context_id).where(schema.context.c.corpus_id == corpus_id)
            )
        )
        self._insert_many(
            schema.context,
            (
                {
                    "corpus_id": corpus_id,
                    "context_id": item.context_id,
                    "tokens": codec.pack(item),
                }
                for item in contexts
                if item.context_id not in known
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
                schema.example_group,
                schema.token_ranking,
                schema.direction_map,
                schema.decoder_block,
                schema.sae,
            ):
                self._connection.execute(delete(table).where(table.c.sae_id == existing))
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
        names = [field.name for field in fields(FeaturePanels)]
        batch: list[FeatureBundle] = []

        def flush() -> None:
            self._insert_many(
                schema.feature, ({"sae_id": sae_id, **vars(item.record)} for item in batch)
            )
            self._insert_many(
                schema.feature_panel,
                (
                    {
                        "sae_id": sae_id,
                        "feature_index": item.record.feature_index,
                        **{name: _packed(getattr(item.panels, name)) for name in names},
                    }
                    for item in batch
                ),
            )
            self._insert_many(
                schema.example_group,
                (
                    {
                        "sae_id": sae_id,
                        "feature_index": item.record.feature_index,
                        "group": group,
                        "examples": codec.pack(examples),
                        "ablations": _packed(item.ablations.get(group)),
                    }
                    for item in batch
                    for group, examples in item.examples.items()
                ),
            )
            batch.clear()

        for bundle in bundles:
            batch.append(bundle)
            if len(batch) == _ROWS_AT_ONCE:
                flush()
        flush()

    def update_examples(
        self, sae_id: int, group: Group, examples: Iterable[tuple[int, ExampleGroup]]
    ) -> None:
        """Replaces a group's examples of features already written: (feature_index, examples)."""
        self._update_groups(sae_id, group, "examples", examples)

    def add_ablations(
        self, sae_id: int, group: Group, ablations: Iterable[tuple[int, AblationGroup]]
    ) -> None:
        """Adds the ablated text of a group to features already written."""
        self._update_groups(sae_id, group, "ablations", ablations)

    def update_features(self, sae_id: int, values: Iterable[dict[str, object]]) -> None:
        """Sets columns of features already written; each dict names its feature_index."""
        table = schema.feature
        rows = [{f"new_{name}": value for name, value in row.items()} for row in values]
        if not rows:
            return
        names = [name.removeprefix("new_") for name in rows[0] if name != "new_feature_index"]
        self._connection.execute(
            update(table)
            .where(
                table.c.sae_id == sae_id, table.c.feature_index == bindparam("new_feature_index")
            )
            .values({name: bindparam(f"new_{name}") for name in names}),
            rows,
        )

    def add_token_rankings(
        self, sae_id: int, mode: RankingMode, rankings: Iterable[tuple[int, TokenRanking]]
    ) -> None:
        """Stores (token_id, ranking) pairs of one mode."""
        self._insert_many(
            schema.token_ranking,
            (
                {
                    "sae_id": sae_id,
                    "mode": mode,
                    "token_id": token_id,
                    "ranking": codec.pack(ranking),
                }
                for token_id, ranking in rankings
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
        """Stores unit decoder rows [≤ 256, d_in], block after block in feature order."""
        self._insert_many(
            schema.decoder_block,
            (
                {
                    "sae_id": sae_id,
                    "block": block,
                    "rows": np.ascontiguousarray(rows, dtype="<f2").tobytes(),
                }
                for block, rows in enumerate(blocks)
            ),
        )

    def publish(self) -> str:
        """Stamps, checks, syncs and renames the file into place; returns its build id.

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
        self._connection.close()
        with self.partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.partial, self.output)
        folder = os.open(self.output.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return build_id

    def _drop_unused_corpora(self) -> None:
        """What only a replaced dictionary was run over."""
        used = select(schema.sae.c.corpus_id)
        for table in (schema.corpus_token, schema.document, schema.context, schema.corpus):
            self._connection.execute(delete(table).where(table.c.corpus_id.not_in(used)))

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

    def _update_groups(
        self, sae_id: int, group: Group, column: str, records: Iterable[tuple[int, object]]
    ) -> None:
        table = schema.example_group
        rows = [{"feature": index, "blob": codec.pack(record)} for index, record in records]
        if rows:
            self._connection.execute(
                update(table)
                .where(
                    table.c.sae_id == sae_id,
                    table.c.group == group,
                    table.c.feature_index == bindparam("feature"),
                )
                .values({column: bindparam("blob")}),
                rows,
            )

    def _insert(self, table: schema.Table, row: dict[str, object]) -> int:
        result = self._connection.execute(insert(table).values(row))
        key = result.inserted_primary_key
        assert key is not None
        return int(key[0])

    def _insert_many(self, table: schema.Table, rows: Iterable[dict[str, object]]) -> None:
        batch: list[dict[str, object]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _ROWS_AT_ONCE:
                self._connection.execute(insert(table), batch)
                batch = []
        if batch:
            self._connection.execute(insert(table), batch)


def _is_full(error: OperationalError) -> bool:
    """A full disk; to SQLite a file that is allowed to grow no further is an I/O error."""
    return re.search(r"full|I/O", str(error.orig)) is not None


def _packed(record: object | None) -> bytes | None:
    return None if record is None else codec.pack(record)


def _token_row(model_id: int, token: TokenRecord) -> dict[str, object]:
    stripped = token.token.strip(" \t\r\n") or token.token
    return {
        "model_id": model_id,
        **vars(token),
        "stripped": stripped,
        "folded": stripped.casefold(),
    }
