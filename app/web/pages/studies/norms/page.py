"""`/{model}/{sae}/norms`: how long the activations are that a dictionary reads.

`build` gives norms by position and by token, the outliers with what they carry, and the model's
other hooks; `NormsPage` is all the template may show.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.studies import get_study
from app.db.study_records.norms import Norms, NormsApart
from app.web.charts.plot import Chart
from app.web.memory import Memory
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.norms.charts import norm_chart, norms_by_position
from app.web.pages.studies.norms.sites import Site, sites
from app.web.pages.studies.norms.tokens import (
    N_SHOWN,
    Head,
    TokenRow,
    heads,
    in_order,
    token_rows,
)
from app.web.pages.studies.norms.view import NormsView
from app.web.pages.studies.quality.page import plain, spread_json
from app.web.pages.studies.ways import Way, not_measured, ways_of
from app.web.text import count, number, percent

PAGE = "norms"


@dataclass(frozen=True)
class NormFact:
    """One figure over the charts."""

    name: str
    value: str
    unit: str
    note: str
    formula: str


@dataclass(frozen=True)
class NormsPage:
    """Context of `pages/studies/norms.html`."""

    sae: Sae
    view: NormsView
    ways: list[Way]
    lede: list[list[str]]
    facts: list[NormFact]
    distribution: Chart
    by_position: Chart
    populations: list[list[str]]
    """counted tokens, position 0, special tokens: cells of a table"""
    heads: dict[str, Head]
    rows: list[TokenRow]
    n_token_ids: str
    n_listed: int
    """first token ids of each order that the study kept"""
    unembedding: str
    """how many tokens have an outlier norm there, a sentence"""
    sites: list[Site]
    corpus_note: str
    found: Norms = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The same numbers before they became text; all tokens listed, by id."""
        return _twin(self.sae, self.found)


def build(connection: Connection, sae: Sae, view: NormsView, memory: Memory) -> NormsPage:
    """The page under a view.

    Raises:
        HTTPException: 404 where the study was skipped.
    """
    found = get_study(connection, Norms, sae.sae_id)
    if found is None:
        raise not_measured(sae, Norms.STUDY)
    order = in_order(found, view)[:N_SHOWN]
    entries = memory.tokens(connection, sae.model_id, found.tokens.token_id[order].tolist())
    return NormsPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae, PAGE),
        lede=_lede(found),
        facts=_facts(sae, found),
        distribution=norm_chart(found),
        by_position=norms_by_position(found),
        populations=_populations(found),
        heads=heads(sae, view),
        rows=token_rows(sae, found, order, entries),
        n_token_ids=count(found.n_token_ids),
        n_listed=found.n_listed,
        unembedding=_unembedding(found),
        sites=sites(connection, sae, found),
        corpus_note=corpus_sentence(sae),
        found=found,
    )


def _lede(found: Norms) -> list[list[str]]:
    median = found.norm.median
    pieces = [["text", "Half of the activations are at most "], ["number", number(median)]]
    if found.zero is not None:
        pieces += [
            ["text", " long; those at position 0 are "],
            ["number", f"{number(found.zero.mean / median, 2)} times"],
            ["text", " that"],
        ]
    else:
        pieces.append(["text", " long"])
    if not found.n_outlier:
        return [*pieces, ["text", ". No counted token is an outlier."]]
    return [
        *pieces,
        ["text", ". "],
        ["number", percent(found.n_outlier / found.norm.n)],
        ["text", " of the counted tokens are outliers and carry "],
        ["number", percent(found.outlier_error_share)],
        ["text", " of this dictionary’s squared error."],
    ]


def _facts(sae: Sae, found: Norms) -> list[NormFact]:
    norm, mse = found.norm, sae.record.quality.mse
    n = count(norm.n)
    return [
        NormFact(
            "Median norm", number(norm.median), "", f"over {n} counted tokens; mean "
            f"{number(norm.mean)}", "median ‖x‖",
        ),
        NormFact(
            "Outliers", count(found.n_outlier), f"of {n}",
            f"longer than {number(found.threshold)}; {count(found.n_outlier_token_ids)} of "
            f"{count(found.n_token_ids)} different tokens", "‖x‖ > median + 6 MAD",
        ),
        NormFact(
            "Share of the length", percent(found.outlier_square_share), "",
            "of the squared norms of all counted tokens, carried by outliers",
            "Σ_outliers ‖x‖² / Σ ‖x‖²",
        ),
        NormFact(
            "Share of the error", percent(found.outlier_error_share), "",
            "of this dictionary’s squared error", "Σ_outliers ‖x−x̂‖² / Σ ‖x−x̂‖²",
        ),
        NormFact(
            "MSE without them", number(found.mse_without_outliers), "",
            f"with them {number(mse)}", f"E_others ‖x−x̂‖² / {sae.record.width_name}",
        ),
    ]  # fmt: skip


def _populations(found: Norms) -> list[list[str]]:
    """Rows: name, tokens, least, mean, median, largest."""
    norm = found.norm
    own = [
        "counted tokens", count(norm.n), number(float(norm.quantiles[0])), number(norm.mean),
        number(norm.median), number(float(norm.quantiles[-1])),
    ]  # fmt: skip
    others = [("position 0", found.zero), ("special tokens elsewhere", found.special)]
    return [own, *(_apart(name, group) for name, group in others if group is not None)]


def _apart(name: str, group: NormsApart) -> list[str]:
    ends = number(group.minimum), number(group.maximum)
    return [name, count(group.n), ends[0], number(group.mean), "", ends[1]]


def _unembedding(found: Norms) -> str:
    table = found.unembedding
    return (
        f"Unembedding norms: median {number(table.median)} over the {count(table.n)} tokens the "
        f"tokenizer can produce; {count(table.n_outlier)} above {number(table.threshold)} are left "
        "out of the adjusted logit lens."
    )


def _twin(sae: Sae, found: Norms) -> dict[str, Any]:
    tokens, told = found.tokens, vars(found)
    columns = {name: [plain(v) for v in values.tolist()] for name, values in vars(tokens).items()}
    scalars = ("mad", "threshold", "n_outlier", "outlier_square_share", "outlier_error_share")
    scalars = (*scalars, "mse_without_outliers", "n_token_ids", "n_outlier_token_ids", "n_listed")
    return {
        "model": sae.record.model,
        "sae": sae.record.sae,
        "hook_name": found.hook_name,
        "norm": spread_json(found.norm),
        **{name: plain(told[name]) for name in scalars},
        "positions": {
            name: [plain(v) for v in told[f"position_{name}"].tolist()]
            for name in ("n", "mean", "std", "maximum")
        },
        "position_zero": None if found.zero is None else asdict(found.zero),
        "special": None if found.special is None else asdict(found.special),
        "tokens": columns,
        "unembedding": {k: plain(v) for k, v in vars(found.unembedding).items()},
    }
