"""The tokens compared features fire on, promote and suppress, side by side; shared ones first.

Takes the features' material. A feature keeps its strongest tokens only: of one that is not among
them it is known that its share is below the least share listed, and that is what is said. Knows no
query and no page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.db.records import TokenRecord
from app.web import text
from app.web.feature_numbers import Named
from app.web.pages.feature.material import Material
from app.web.pages.imported import not_held

N_SHARED, N_OWN, N_LOGITS = 16, 5, 10


@dataclass(frozen=True)
class TokenCell:
    """One feature on one token."""

    share: str
    """of its activation; "< 0.1%" where only that is known"""
    bar: float
    """percent of the bar's width, 0 to 100"""
    counts: str
    """"28 of 34": firings of occurrences; empty where not listed"""


@dataclass(frozen=True)
class TokenRow:
    """One token, a cell per feature."""

    token: TokenRecord
    cells: list[TokenCell]


@dataclass(frozen=True)
class ComparedTokens:
    """Shared tokens, then those of one feature alone."""

    shared: list[TokenRow]
    own: list[tuple[Named, list[TokenRow]]]
    """by feature: its strongest tokens that no other one lists"""
    sentence: str

    @property
    def any(self) -> bool:
        """Whether a token is listed for any of them."""
        return bool(self.shared) or any(rows for _, rows in self.own)


@dataclass(frozen=True)
class LogitCell:
    """One token of one feature's logit lens."""

    token: TokenRecord
    logit: str
    also: str
    """the other features that list it on the same side, "also 17"; else empty"""


@dataclass(frozen=True)
class ComparedLogits:
    """Rows by rank, a cell per feature; None where a feature lists fewer."""

    promoted: list[list[LogitCell | None]]
    suppressed: list[list[LogitCell | None]]


def build_compared_tokens(materials: Sequence[Material]) -> ComparedTokens:
    """Shared tokens by the sum of their shares, the largest first; ties go to the lower id."""
    listed = [_listed(material) for material in materials]
    ids = set().union(*listed)
    total = {i: sum(float(known.get(i, (0.0, 0, 0))[0]) for known in listed) for i in ids}
    having = {i: sum(i in known for known in listed) for i in ids}
    order = sorted(ids, key=lambda i: (-having[i], -total[i], i))
    shared = [i for i in order if having[i] > 1]
    own = [
        (
            material.named,
            [
                _row(materials, listed, i)
                for i in sorted(known, key=lambda i, k=known: (-k[i][0], i))
                if having[i] == 1
            ][:N_OWN],
        )
        for material, known in zip(materials, listed, strict=True)
    ]
    rows = [_row(materials, listed, i) for i in shared[:N_SHARED]]
    return ComparedTokens(rows, own, _sentence(materials, listed, shared))


def build_compared_logits(materials: Sequence[Material]) -> ComparedLogits | None:
    """The adjusted lens of each, an import's as its source lists it; None where none has one."""
    if all(material.panels.logit_lens is None for material in materials):
        return None
    return ComparedLogits(_logits(materials, "positive"), _logits(materials, "negative"))


def _listed(material: Material) -> dict[int, tuple[float, int, int]]:
    """By token id: share of the activation, firings, occurrences."""
    panel = material.panels.tokens
    if panel is None:
        return {}
    rows = zip(
        panel.token_id.tolist(),
        panel.share.tolist(),
        panel.n_active.tolist(),
        panel.n_occurrences.tolist(),
        strict=True,
    )
    return {token_id: (share, active, all_) for token_id, share, active, all_ in rows}


def _row(
    materials: Sequence[Material],
    listed: Sequence[dict[int, tuple[float, int, int]]],
    token_id: int,
) -> TokenRow:
    having = next(m for m, known in zip(materials, listed, strict=True) if token_id in known)
    cells = [
        _cell(material, known, token_id) for material, known in zip(materials, listed, strict=True)
    ]
    return TokenRow(having.token(token_id), cells)


def _cell(material: Material, known: dict[int, tuple[float, int, int]], token_id: int) -> TokenCell:
    if token_id in known:
        share, n_active, n_occurrences = known[token_id]
        counts = f"{n_active:,} of {n_occurrences:,}"
        return TokenCell(text.percent(share), round(100 * share, 1), counts)
    panel = material.panels.tokens
    if panel is None and material.sae.record.imported is not None:
        return TokenCell(text.MISSING, 0.0, "")
    if panel is None or panel.n_token_ids <= len(known):
        return TokenCell("0", 0.0, "")
    least = min(share for share, _, _ in known.values())
    return TokenCell(f"< {text.percent(least)}", 0.0, "")


def _sentence(
    materials: Sequence[Material],
    listed: Sequence[dict[int, tuple[float, int, int]]],
    shared: Sequence[int],
) -> str:
    """How much of each one's activation the shared tokens carry."""
    unknown = [m for m in materials if m.sae.record.imported is not None]
    if unknown:
        return not_held(unknown[0].sae, "On which tokens it fires, and how often")
    if not shared:
        return "None of the tokens listed for one of them is listed for another."
    parts = [
        f"{text.percent(sum(known[i][0] for i in shared if i in known))} of {material.named}’s"
        for material, known in zip(materials, listed, strict=True)
        if known
    ]
    n = len(shared)
    are = "token is" if n == 1 else "tokens are"
    carry = "carries" if n == 1 else "carry"
    return (
        f"{n:,} {are} listed for more than one of them, and {carry} {', '.join(parts[:-1])} and "
        f"{parts[-1]} activation."
    )


def _logit(value: float) -> str:
    """Empty where a source has the token alone."""
    return "" if math.isnan(value) else text.signed(value)


def _logits(materials: Sequence[Material], side: str) -> list[list[LogitCell | None]]:
    tables: list[list[tuple[int, float]]] = []
    for material in materials:
        panel = material.panels.logit_lens
        if panel is None:
            tables.append([])
            continue
        kind = "adjusted" if material.sae.record.imported is None else "raw"
        ids, values = getattr(panel, f"{kind}_{side}_ids"), getattr(panel, f"{kind}_{side}")
        tables.append(list(zip(ids.tolist(), values.tolist(), strict=True)))
    sets = [{token_id for token_id, _ in table} for table in tables]
    rows: list[list[LogitCell | None]] = []
    for rank in range(min(N_LOGITS, max(map(len, tables)))):
        cells: list[LogitCell | None] = []
        for i, (material, table) in enumerate(zip(materials, tables, strict=True)):
            if rank >= len(table):
                cells.append(None)
                continue
            token_id, value = table[rank]
            others = [
                str(other.named)
                for j, other in enumerate(materials)
                if j != i and token_id in sets[j]
            ]
            also = f"also {', '.join(others)}" if others else ""
            cells.append(LogitCell(material.token(token_id), _logit(value), also))
        rows.append(cells)
    return rows
