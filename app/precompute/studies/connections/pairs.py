"""Which dictionaries of a run lie strictly below which, as far as connections can be measured.

A dictionary below acts where it writes, one above is read where it reads. Takes a run. Asks the
model once, on two tokens, whether a hook below reaches one above.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from app.precompute.model.frozen import frozen
from app.precompute.model.heights import height
from app.precompute.model.language_model import LanguageModel
from app.precompute.preparation import Run
from app.precompute.studies.connections.removal import write_hook
from app.precompute.target import Target, hooks_of


@dataclass(frozen=True)
class Below:
    """A dictionary and those below it, the lowest first."""

    target: Target
    below: list[Target]

    @property
    def hook_names(self) -> list[str]:
        """Every hook of the pass: what is read above, and read and written below."""
        written = dict.fromkeys(target.output_hook for target in self.below)
        return list(
            dict.fromkeys([self.target.hook_name, *hooks_of(self.below), *map(write_hook, written)])
        )


def pairs_of(run: Run) -> list[Below]:
    """Every dictionary with others below it, in the order of the run.

    Raises:
        AtlasError: patterns or scales between two dictionaries can't be held.
    """
    found = []
    for target in run.targets:
        lower = [
            other
            for other in sorted(run.targets, key=lambda other: height(other.output_hook))
            if height(other.output_hook) < height(target.hook_name)
        ]
        names = list(dict.fromkeys(other.output_hook for other in lower))
        reached = _reached(run.language_model, names, target.hook_name) if lower else set()
        below = [
            other
            for other in lower
            if other.output_hook in reached
            and run.language_model.plain_way([other.hook_name, target.hook_name]) is not None
        ]
        if below:
            found.append(Below(target, below))
    return found


def _reached(model: LanguageModel, below: Sequence[str], above: str) -> set[str]:
    """The hooks below that the one above depends on; none where it can't be told."""
    names = [name for name in below if model.plain_way([name, write_hook(name), above]) is not None]
    with frozen(model, [*names, above]) as held:
        if held is None or not names:
            return set()
        tokens = torch.ones(1, 2, dtype=torch.long)
        found = held.run(tokens, names, above)
        return set(found.gradients(found.above.float().square().sum()))
