"""What tests of the live model run on: a tiny real atlas beside its model and dictionaries."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.live.owner import Start
from app.precompute.pipeline import run
from app.precompute.settings import PrecomputeSettings

RESID, MLP = "tiny/resid", "tiny/mlp"


@dataclass(frozen=True)
class Made:
    """What a job took and gave."""

    atlas: Path
    model: Path
    saes: tuple[Path, ...]

    def start(self, **changes: Any) -> Start:
        """Where its live process looks, on one thread."""
        given: dict[str, Any] = {
            "atlas": self.atlas,
            "model": str(self.model),
            "saes": self.saes,
            "device": "cpu",
            "threads": 1,
        }
        return Start(**{**given, **changes})


def make(
    folder: Path,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
) -> Made:
    """An atlas of two dictionaries at two hooks, one of them top-k, run by the whole job."""
    saes = (
        write_sae(folder / "resid"),
        write_sae(folder / "mlp", "topk", "blocks.1.hook_mlp_out", seed=1),
    )
    settings = PrecomputeSettings(
        model=str(model_folder("neox")),
        sae=[str(path) for path in saes],
        name=[RESID, MLP],
        corpus=str(text_folder),
        output=folder / "atlas.db",
        threads=1,
        top_examples=4,
        silent_examples=2,
        ablation_examples=2,
        ablation_interval_examples=0,
        ablation_window=6,
        replacements=3,
        context_draws=2,
        seed=3,
        hidden_pre_contexts=2,
        quality_contexts=2,
        pruning_contexts=2,
        coactivation_tokens=100,
    )
    run(settings)
    return Made(settings.output, model_folder("neox"), saes)
