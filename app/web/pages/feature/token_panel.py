"""The tokens a feature fires on: share of its activation, rate with its counts, mean and maximum.

Takes a feature's material; knows no query and no address (each token's link is made by the
template from its text).
"""

from dataclasses import dataclass

from app.db.records import TokenRecord
from app.web import text
from app.web.chips import token_chip
from app.web.pages.feature.material import Material

N_SHOWN = 8


@dataclass(frozen=True)
class TokenRow:
    """One token of the table."""

    token: TokenRecord
    share: str
    share_bar: float
    """percent of the bar's width, 0 to 100"""
    rate: str
    rate_bar: float
    counts: str
    """"28 of 34": firings of occurrences in the corpus"""
    mean: str
    maximum: str

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of the longer table."""
        token = token_chip(self.token.token)
        return token, self.share, self.rate, self.counts, self.mean, self.maximum


@dataclass(frozen=True)
class TokenTable:
    """The panel as printed."""

    rows: list[TokenRow]
    more: list[TokenRow]
    n_token_ids: int
    left_out: str
    """what is not listed, in words; empty when all are"""


def build_token_table(material: Material) -> TokenTable | None:
    """The table, or None where the feature never fired."""
    panel = material.panels.tokens
    if panel is None or panel.token_id.size == 0:
        return None
    rows = [
        _row(
            material, i, float(panel.share[i]), int(panel.n_active[i]), int(panel.n_occurrences[i])
        )
        for i in range(panel.token_id.size)
    ]
    n_left = panel.n_token_ids - panel.token_id.size
    left_out = (
        f"{n_left:,} more tokens hold {text.percent(panel.left_out_share)} of the activation "
        f"({panel.left_out_n_active:,} firings)."
        if n_left > 0
        else ""
    )
    return TokenTable(rows[:N_SHOWN], rows[N_SHOWN:], panel.n_token_ids, left_out)


def _row(material: Material, i: int, share: float, n_active: int, n_occurrences: int) -> TokenRow:
    panel = material.panels.tokens
    assert panel is not None
    rate = n_active / n_occurrences if n_occurrences else 0.0
    return TokenRow(
        token=material.token(int(panel.token_id[i])),
        share=text.percent(share),
        share_bar=round(100 * share, 1),
        rate=text.percent(rate),
        rate_bar=round(100 * rate, 1),
        counts=f"{n_active:,} of {n_occurrences:,}",
        mean=text.number(float(panel.mean[i])),
        maximum=text.number(float(panel.max[i])),
    )
