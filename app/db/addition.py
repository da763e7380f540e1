"""What may be added to an atlas that already stands: the same model under its name, a free name.

Asked twice: before the work, so that nobody waits hours for a refusal, and by the writer itself.
Read-only.
"""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, select

from app.db import schema
from app.db.engine import open_atlas
from app.db.records import ModelRecord
from app.errors import AtlasError


def check_addition(output: Path, model: ModelRecord, saes: Iterable[str], replace: bool) -> None:
    """Refuses what `AtlasWriter` would refuse in the end; a file that is not there takes anything.

    Raises:
        AtlasError: `output` is not an atlas of this schema version, another model has this model's
            slug, or a dictionary's slug is taken and `replace` is false.
    """
    if not output.exists():
        return
    atlas = open_atlas(output)
    try:
        with atlas.connect() as connection:
            find_model_id(connection, output, model)
            for sae in saes:
                if not replace and find_sae_id(connection, model.model, sae) is not None:
                    raise taken(output, model.model, sae)
    finally:
        atlas.close()


def find_model_id(connection: Connection, output: Path, model: ModelRecord) -> int | None:
    """The id under which this model stands in the file, if it does.

    Raises:
        AtlasError: another model or tokenizer already has its slug.
    """
    row = connection.execute(
        select(schema.model).where(schema.model.c.model == model.model)
    ).one_or_none()
    if row is None:
        return None
    if row.record["imported"] and not model.imported:
        raise AtlasError(
            f"{output} knows {model.model!r} from an import, with the tokens its files hold and "
            "not the model's own: choose another --name, or another file."
        )
    for name in ("tokenizer_hash", "weights_hash"):
        if row.record[name] != getattr(model, name):
            raise AtlasError(
                f"{output} already holds another model called {model.model!r} (its "
                f"{name.removesuffix('_hash')} differs): choose another --name."
            )
    return row.model_id


def find_sae_id(connection: Connection, model: str, sae: str) -> int | None:
    """The id under which a dictionary stands in the file, if it does."""
    return connection.scalar(
        select(schema.sae.c.sae_id)
        .join(schema.model, schema.model.c.model_id == schema.sae.c.model_id)
        .where(schema.model.c.model == model, schema.sae.c.sae == sae)
    )


def taken(output: Path, model: str, sae: str) -> AtlasError:
    """The refusal of an address that is in use."""
    return AtlasError(
        f"{output} already holds {model}/{sae}: use --replace to build it again, or another --name."
    )
