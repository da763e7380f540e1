"""How well a dictionary reconstructs: float64 sums that can be saved and merged, and their figures.

Takes sums over batches of tokens (x the activation at the hook, x̂ its reconstruction, r = x - x̂,
all in the model's scale; of a transcoder x is what it predicts, and d_in here its d_out). Position
0 is summed apart and never enters the main figures. Knows neither model nor dictionary;
cross-entropy is measured elsewhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64


@dataclass(frozen=True)
class QualityFigures:
    """None where the sums do not define a figure (no token, no variance, no reconstruction)."""

    n_tokens: int
    l0: float | None  # mean number of active features per token
    mse: float | None  # mean of |r|² over tokens, divided by d_in: per component
    explained_variance: float | None  # 1 - Σ|x - x̂|² / Σ|x - x̄|², x̄ the mean over these tokens
    cosine: float | None  # mean over tokens of cos(x, x̂), a zero vector counting as 0
    gamma: float | None  # E|x̂|² / E[x·x̂]: reconstructions times 1/gamma have the least error


@dataclass
class QualitySums:
    """Sums over one population of tokens."""

    sum_x: Float64[np.ndarray, " d_in"]
    n_tokens: int = 0
    n_active: int = 0  # Σ active features
    x_squared: float = 0.0  # Σ|x|²
    residual_squared: float = 0.0  # Σ|x - x̂|²
    reconstruction_squared: float = 0.0  # Σ|x̂|²
    x_dot_reconstruction: float = 0.0  # Σ x·x̂
    cosine: float = 0.0  # Σ cos(x, x̂)

    @classmethod
    def empty(cls, d_in: int) -> "QualitySums":
        return cls(np.zeros(d_in, dtype=np.float64))

    @classmethod
    def of(
        cls,
        x: Float[np.ndarray, "n d_in"],
        reconstruction: Float[np.ndarray, "n d_in"],
        n_active: int,
    ) -> "QualitySums":
        """The sums of one batch, in float64."""
        x, reconstruction = x.astype(np.float64), reconstruction.astype(np.float64)
        dot = (x * reconstruction).sum(axis=1)
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(reconstruction, axis=1)
        cosine = np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0)
        return cls(
            x.sum(axis=0),
            x.shape[0],
            int(n_active),
            float((x**2).sum()),
            float(((x - reconstruction) ** 2).sum()),
            float((reconstruction**2).sum()),
            float(dot.sum()),
            float(cosine.sum()),
        )

    @classmethod
    def of_products(
        cls,
        sum_x: Float64[np.ndarray, " d_in"],
        products: Float64[np.ndarray, "three n"],
        n_active: int,
    ) -> "QualitySums":
        """The same from each token's |x|², x·x̂ and |x̂|²."""
        x_squared, dot, reconstruction_squared = products
        norms = np.sqrt(x_squared * reconstruction_squared)
        cosine = np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0)
        return cls(
            sum_x,
            len(dot),
            n_active,
            float(x_squared.sum()),
            float(residual_squared(products).sum()),
            float(reconstruction_squared.sum()),
            float(dot.sum()),
            float(cosine.sum()),
        )

    def merge(self, other: "QualitySums") -> None:
        """Add the sums of other tokens."""
        self.sum_x = self.sum_x + other.sum_x
        for name in _SCALARS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def state(self) -> dict[str, Any]:
        """Plain numbers and a list, for JSON; `from_state` gives the same sums, bit for bit."""
        return {"sum_x": self.sum_x.tolist(), **{name: getattr(self, name) for name in _SCALARS}}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "QualitySums":
        sum_x = np.array(state["sum_x"], dtype=np.float64)
        return cls(sum_x, **{name: state[name] for name in _SCALARS})

    def figures(self) -> QualityFigures:
        """The figures of these tokens."""
        n, d_in = self.n_tokens, self.sum_x.size
        if n == 0:
            return QualityFigures(0, None, None, None, None, None)
        variance = self.x_squared - float(self.sum_x @ self.sum_x) / n
        explained = 1 - self.residual_squared / variance if variance > 0 else None
        dot = self.x_dot_reconstruction
        return QualityFigures(
            n,
            self.n_active / n,
            self.residual_squared / n / d_in,
            explained,
            self.cosine / n,
            self.reconstruction_squared / dot if dot else None,
        )


def residual_squared(products: Float64[np.ndarray, "three n"]) -> Float64[np.ndarray, " n"]:
    """|x - x̂|² from |x|², x·x̂ and |x̂|²: off by less than 1e-15 |x|² where those are float64."""
    x_squared, dot, reconstruction_squared = products
    return np.maximum(x_squared - 2 * dot + reconstruction_squared, 0)


_SCALARS = (
    "n_tokens",
    "n_active",
    "x_squared",
    "residual_squared",
    "reconstruction_squared",
    "x_dot_reconstruction",
    "cosine",
)
