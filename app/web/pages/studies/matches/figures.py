"""The figures at the head of the page of matches, each with its formula and its counts.

Takes what was measured of two dictionaries; gives texts. Knows no template.
"""

from app.db.study_records.matches import Matches
from app.web import text
from app.web.pages.studies.figure import Figure
from app.web.pages.studies.matches.measured import Measured

_KINDS = {"isotropic": "isotropic", "covariance": "with the covariance"}


def match_figures(measured: Measured, other: str) -> list[Figure]:
    """Six of them; `other` is the other dictionary's name."""
    found, back, near = measured.found, measured.back, measured.view.near
    n_new = found.n_living - measured.n_matched
    n_other_new = back.n_living - measured.n_other_matched
    n_mutual = int((measured.mutual & measured.living).sum())
    return [
        _mmcs(found, f"MMCS into {other}"),
        _mmcs(back, f"MMCS from {other}"),
        Figure(
            "Have a match there",
            text.percent(measured.n_matched / max(found.n_living, 1)),
            "",
            f"{measured.n_matched:,} of {found.n_living:,} living features",
            f"MCS ≥ {near}",
        ),
        Figure(
            "Only here", text.count(n_new), "", f"not in {other}: MCS below {near}",
            _by_chance(found, measured.near),
        ),
        Figure(
            f"New in {other}",
            text.count(n_other_new),
            "",
            f"of its {back.n_living:,} living features: MCS below {near} here",
            _by_chance(back, measured.near),
        ),
        Figure(
            "Each other’s best",
            text.count(n_mutual),
            "",
            "living features that are the best match of their best match",
            "",
        ),
    ]  # fmt: skip


def lede(measured: Measured, other: str) -> list[tuple[str, str]]:
    """One sentence, in pieces of (kind, text)."""
    found = measured.found
    return [
        ("number", f"{measured.n_matched:,} of {found.n_living:,}"),
        (
            "text",
            f" living features have a match in {other} at a cosine of {measured.view.near} or "
            "more; ",
        ),
        ("number", f"{measured.back.n_living - measured.n_other_matched:,}"),
        ("text", f" of its {measured.back.n_living:,} have none here."),
    ]


def chance_note(measured: Measured) -> str:
    """What the random directions are, and how exact cosines are, in sentences."""
    found = measured.found
    words = []
    if found.random:
        first = found.random[0]
        words.append(
            f"Random: the largest cosine of {first.n_asked:,} random directions to as many random "
            f"ones as the other dictionary has features."
        )
    if found.covariance_tokens:
        words.append(
            f"With the covariance of the activations, over {found.covariance_tokens:,} counted "
            "tokens: what two dictionaries share only because their activations do."
        )
    if found.half_precision:
        words.append(
            "One side’s rows were read from beside the atlas, in half precision: cosines are off "
            "by less than 0.001."
        )
    return " ".join(words)


def _mmcs(found: Matches, name: str) -> Figure:
    chance = ", ".join(f"{text.number(each.mean)} {_KINDS[each.kind]}" for each in found.random)
    return Figure(
        name,
        text.number(found.mmcs),
        "",
        f"random: {chance}" if chance else "",
        f"mean over {found.n_living:,} living of max cos",
    )


def _by_chance(found: Matches, near: float) -> str:
    """How many random directions have a match."""
    shares = [text.percent(float((each.cosine >= near).mean())) for each in found.random]
    return f"random: {' and '.join(shares)} have a match" if shares else ""
