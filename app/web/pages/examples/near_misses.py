"""What is said of near misses: the sample they come from, and how far below firing one lies.

Takes a dictionary and a feature's record, gives words and numbers. Knows no example and no markup.
"""

from dataclasses import dataclass

from app.db.catalog import Sae
from app.db.records import FeatureRecord


@dataclass(frozen=True)
class Sample:
    """The contexts whose `hidden_pre` was kept, as one feature sees them."""

    n_contexts: int
    """0 where none was kept"""
    threshold: float | None
    """of the feature; None where other features have a say"""

    @classmethod
    def of(cls, sae: Sae, record: FeatureRecord) -> "Sample":
        """That of a feature of a dictionary."""
        n = int(sae.record.hidden_pre_sample.get("n_contexts", 0))
        return cls(min(n, sae.corpus.n_contexts), record.threshold)

    @property
    def contexts(self) -> str:
        """“32 random contexts”."""
        return f"{self.n_contexts:,} random context{'' if self.n_contexts == 1 else 's'}"

    def below(self, hidden_pre: float) -> float | None:
        """How far below firing, at least 0; None where the feature has no threshold of its own.

        The sample is kept in half precision, which may round a silent value up to the threshold.
        """
        return None if self.threshold is None else max(self.threshold - hidden_pre, 0.0)

    def detail(self, n_shown: int, n_silent: int) -> str:
        """What stands beside the heading of near misses."""
        distance = (
            "which features fire is decided among them all, so there is no distance to firing."
            if self.threshold is None
            else "“below” is how much is missing to fire."
        )
        return (
            f"the {n_shown} highest pre-activations, one per context, of {n_silent:,} tokens in "
            f"{self.contexts} on which it is silent. “pre” is the pre-activation, {distance}"
        )
