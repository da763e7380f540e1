"""An atlas in a few lines of plain text, for `feature-atlas info`."""

from pathlib import Path

from app.db.catalog import Sae, list_saes
from app.db.engine import open_atlas
from app.db.records import ImportRecord


def describe_atlas(path: Path) -> str:
    """What an atlas holds and how it was made, one dictionary after the other.

    Raises:
        AtlasError: there is no readable atlas at `path`.
    """
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        saes = list_saes(connection)
    atlas.close()
    generator = atlas.meta.get("generator")
    versions = ", ".join(f"{k} {v}" for k, v in generator.items()) if generator else "unknown"  # type: ignore[union-attr]
    size = path.stat().st_size
    lines = [
        f"{path}: atlas {atlas.build_id}, {size / 1e6:.1f} MB",
        f"made by: {versions}",
    ]
    problem = _cut_short(path, size)
    lines += [f"damaged: {problem}"] if problem else []
    lines += ["its description alone was read: `feature-atlas check` verifies all of it"]
    for sae in saes:
        lines += ["", *_describe(sae)]
    return "\n".join(lines)


def _cut_short(path: Path, size: int) -> str:
    """What the file's header says against its size; empty where they agree."""
    with path.open("rb") as file:
        header = file.read(32)
    page = int.from_bytes(header[16:18])
    whole = (65_536 if page == 1 else page) * int.from_bytes(header[28:32])
    return "" if size == whole else f"the file has {size:,} bytes, its header says {whole:,}."


def _describe(sae: Sae) -> list[str]:
    record, corpus, quality = sae.record, sae.corpus, sae.record.quality
    figures = {
        "L0": quality.l0,
        "explained variance": quality.explained_variance,
        "ΔCE": quality.delta_ce,
        "CE recovered (mean)": quality.ce_recovered_mean,
    }
    measured = ", ".join(
        f"{name} {value:.4g}" for name, value in figures.items() if value is not None
    )
    if record.imported is not None:
        return _describe_import(sae, record.imported)
    return [
        f"{sae.address}: {record.d_sae:,} features on {record.place} ({record.architecture})",
        f"  corpus  {corpus.name}: {corpus.n_tokens:,} tokens in {corpus.n_contexts:,} contexts "
        f"of {corpus.context_size}",
        f"  quality {measured or 'not measured'}",
        f"  recipe  {record.recipe.get('command', 'not recorded')}",
    ]


def _describe_import(sae: Sae, found: ImportRecord) -> list[str]:
    record, corpus = sae.record, sae.corpus
    of = "" if record.d_sae is None else f" of {record.d_sae:,}"
    on = f" on {record.hook_name}" if record.hook_name else ""
    counted = "" if corpus.n_tokens is None else f", counted over {corpus.n_tokens:,} tokens"
    return [
        f"{sae.address}: {record.n_features:,}{of} features{on}, imported",
        f"  source  {found.title} files {found.source}: {found.model_name}, {found.sae_name}",
        f"  corpus  {corpus.name or 'not named'}{counted}; {corpus.n_contexts:,} texts of examples",
        f"  absent  {'; '.join(found.absent) or 'nothing its format names'}",
        f"  recipe  {record.recipe.get('command', 'not recorded')}",
    ]
