"""The figures at the head of the page, each with its formula, its N and what chance would give.

Takes what was measured; gives texts. Knows no template.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.db.study_records.geometry import ALIGNED_FROM, DENSER_THAN, NEAR, RANKS
from app.web import text
from app.web.pages.studies.figure import Figure
from app.web.pages.studies.geometry.charts import RANK_WORDS
from app.web.pages.studies.geometry.measured import Measured


def geometry_figures(measured: Measured) -> list[Figure]:
    """Six of them."""
    found, living = measured.found, measured.living
    n_living = int(living.sum())
    groups = measured.clusters()
    near = measured.view.near
    n_near = found.n_near_pairs[NEAR.index(float(near))]
    hubs = measured.hubs(living, 1)
    n_aligned = int((measured.aligned & living).sum())
    return [
        Figure(
            "Median nearest cosine",
            _median(measured.found.cosine[0][measured.among]),
            "",
            _chance([(each.kind, _median(each.cosine[0])) for each in found.random]),
            "max over j ≠ i of cos(dᵢ, dⱼ)",
        ),
        Figure(
            "Pairwise cosine, mean",
            text.signed(found.pairs.mean),
            "",
            _chance([(each.kind, text.signed(each.pairs.mean)) for each in found.random]),
            f"all pairs of {found.pairs.n_directions:,} features denser than {DENSER_THAN:g}",
        ),
        Figure(
            "Variance × d",
            text.number(_times(found.pairs.variance, found.d_out)),
            "",
            _chance(
                [
                    (each.kind, text.number(_times(each.pairs.variance, found.d_out)))
                    for each in found.random
                ]
            ),
            f"1 if random: variance {text.number(found.pairs.variance)}, 1/d = 1/{found.d_out:,}",
        ),
        Figure(
            "Near-duplicates",
            text.count(sum(map(len, groups))),
            "",
            f"living features in {_many(len(groups), 'cluster')}, {_many(n_near, 'pair')}",
            f"cos ≥ {near}, joined by pairs",
        ),
        Figure(
            "Largest hub",
            text.count(hubs[0][1] if hubs else 0),
            "",
            f"of {n_living:,} living features have the same nearest neighbour"
            + (f", #{hubs[0][0]}" if hubs else ""),
            _hub_chance(measured),
        ),
        Figure(
            "Neuron-aligned",
            text.count(n_aligned),
            "",
            f"of {n_living:,} living features",
            f"largest entry ≥ {ALIGNED_FROM:g} · ‖d‖",
        ),
    ]


def lede(measured: Measured) -> list[tuple[str, str]]:
    """One sentence on how far from chance the directions lie, in pieces of (kind, text)."""
    own = _median(measured.cosine[measured.among])
    chance = [_median(each.cosine[measured.place]) for each in measured.found.random]
    names = ["isotropic random directions", "random directions with the activations’ covariance"]
    compared = " and ".join(
        f"{value} of {name}" for value, name in zip(chance, names, strict=False)
    )
    which = {"living": "living features", "all": "all features", "unaligned": "features left"}
    return [
        ("text", f"The median cosine to the {RANK_WORDS[measured.view.rank]} is "),
        ("number", own),
        ("text", f" among {int(measured.among.sum()):,} {which[measured.view.among]}, "),
        ("text", f"beside {compared}."),
    ]


def chance_note(measured: Measured) -> str:
    """What the random directions are, in sentences."""
    found = measured.found
    if not found.random:
        return ""
    first = found.random[0]
    words = (
        f"Random: {first.n_directions:,} directions of {found.d_out:,} numbers, as many as the "
        f"dictionary has, of which {first.n_asked:,} were asked for their nearest"
    )
    if found.covariance_tokens:
        return (
            f"{words}; isotropic, and with the covariance of the activations at "
            f"{found.covariance_tokens:,} counted tokens of {found.covariance_contexts:,} contexts "
            "(seeded). Directions that share the shape of the activations lie nearer to each other "
            "without any structure of the dictionary’s."
        )
    return f"{words}. The covariance of the activations was not measured."


def ranks_missing(measured: Measured) -> bool:
    """Whether the dictionary has too few features for some rank."""
    return len(measured.columns) <= max(RANKS)


def _hub_chance(measured: Measured) -> str:
    found = [f"{each.most_nearest:,} of {each.n_asked:,}" for each in measured.found.random]
    return f"random: {' and '.join(found)}" if found else ""


def _chance(values: list[tuple[str, str]]) -> str:
    names = {"isotropic": "isotropic", "covariance": "with the covariance"}
    if not values:
        return ""
    return "random: " + ", ".join(f"{value} {names[kind]}" for kind, value in values)


def _median(values: Float[ndarray, " n"]) -> str:
    known = values[np.isfinite(values)]
    return text.number(float(np.median(known)) if known.size else None)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
