"""The bundled demo's atlas: the shipped model and dictionaries over the interpreter's own library.

Chooses the settings that fit a few minutes on two cores and calls the job; if the atlas is already
there and holds these dictionaries, it is kept. Knows the demo's folders and the job's settings.
"""

import hashlib
from pathlib import Path

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.demo.corpus import Document, stdlib_documents
from app.errors import AtlasError
from app.precompute.drivers.interruption import Stop
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings

FOLDER = Path(__file__).parent
MODEL_NAME = "pystdlib-3m"
N_TOKENS = 1_048_576


def demo_settings(output: Path) -> PrecomputeSettings:
    """What the demo is run with: one pass for all dictionaries, the dearest stages sized to fit."""
    saes = sorted(path for path in (FOLDER / "dictionaries").iterdir() if path.is_dir())
    return PrecomputeSettings(
        model=str(FOLDER / "model"),
        sae=[str(path) for path in saes],
        name=[f"{MODEL_NAME}/{path.name}" for path in saes],
        corpus="python-stdlib",
        output=output,
        max_tokens=N_TOKENS,
        ablation_examples=3,
        ablation_interval_examples=0,
        ablation_window=16,
        replacements=1,
        context_examples=1,
        context_draws=1,
        connection_examples=2,
        effect_examples=2,
        effect_sampled=1,
    )


def demo_documents() -> list[Document]:
    """The library's documents in a fixed mixed order, so that a part of them is a fair sample."""
    documents = stdlib_documents()
    return sorted(documents, key=lambda item: hashlib.sha256(item.name.encode()).digest())


def build(output: Path, stop: Stop | None = None) -> None:
    """Builds the demo's atlas at `output`, unless it is there.

    Raises:
        AtlasError: something else stands at `output`, or the job failed.
    """
    reporter = Reporter()
    settings = demo_settings(output)
    if output.exists():
        _check_is_demo(output, settings)
        reporter.say(f"{output} is already built; delete it to build it again.")
        return
    reporter.say(
        f"Running the demo's model and {len(settings.sae)} dictionaries over {N_TOKENS:,} tokens "
        "of the Python standard library: a few minutes, once."
    )
    run(settings, documents=demo_documents(), reporter=reporter, stop=stop)


def _check_is_demo(output: Path, settings: PrecomputeSettings) -> None:
    atlas = open_atlas(output)
    with atlas.connect() as connection:
        held = {sae.address for sae in list_saes(connection)}
    atlas.close()
    if not held.issuperset(settings.name):
        raise AtlasError(
            f"{output} is another atlas, not the demo's: give another --output, or delete it."
        )
