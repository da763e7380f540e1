"""Why a panel of a feature is missing, in one sentence each: never a blank.

Takes a feature's material and the names of the panels that have nothing to show.
"""

from app.web.pages.examples.near_misses import Sample
from app.web.pages.feature.material import Material
from app.web.pages.given import why_absent
from app.web.pages.imported import not_held

_OF_WEIGHTS = ("lens", "neighbors")
"""Panels that features have that never fired"""


def absences(material: Material, missing: set[str], group: str, drawn: bool) -> dict[str, str]:
    """A sentence for every missing panel.

    Args:
        group: of the examples shown.
        drawn: whether they were drawn from a band; without the events a band shows stored ones.
    """
    record, never = material.sae.record, material.record.n_active == 0
    if record.imported is not None:
        return {name: _not_imported(name, material, group) for name in sorted(missing)}
    return {
        name: ((name in _OF_WEIGHTS or not never) and why_absent(record, name, group))
        or _sentence(name, material, group, drawn)
        for name in sorted(missing)
    }


_WHAT = {
    "activation": "A histogram of its activations",
    "tokens": "On which tokens it fires, and how often",
    "lens": "Its direct effect on the logits",
    "profile": "The text without single tokens",
    "ablated": "The text without single tokens",
    "locality": "Runs of firings, distances and positions",
    "places": "Positions and documents of its firings",
    "strips": "Whole contexts with every firing",
    "neighbors": "Features of a similar direction",
    "coactive": "Features that fire on the same tokens",
    "sections": "Examples of it",
}
"""What each panel shows, for the sentence that says it isn't held"""


def _not_imported(name: str, material: Material, group: str) -> str:
    if material.record.never_fired and name not in _OF_WEIGHTS:
        return "This feature never fired, says the source it was read from."
    what = _WHAT[name]
    if name == "sections" and material.groups:
        what = f"{_GROUP_WORDS.get(group, 'Other')} examples of it"
    return not_held(material.sae, what)


_GROUP_WORDS = {
    "top": "Top", "interval": "Interval", "quantile": "Quantile", "silent": "Silent",
    "near": "Near misses among",
}  # fmt: skip


def _sentence(name: str, material: Material, group: str, drawn: bool) -> str:
    sae, corpus = material.sae, material.sae.corpus
    never = (
        f"This feature never fired in the {corpus.n_counted:,} counted tokens of {corpus.name}"
        if material.record.n_active == 0
        else ""
    )
    match name:
        case "lens":
            return (
                f"There is no linear path from {sae.record.output_hook} to the logits, so the "
                "feature has no direct effect on them that a table could show."
                if not sae.record.linear_path
                else "The logit lens was not computed for this dictionary."
            )
        case "profile":
            return _no_ablations(material, never)
        case "ablated":
            return _none_ablated(material, never, group, drawn)
        case "strips":
            return f"{never}." if never else "No context of its examples is stored."
        case "neighbors":
            return "Nearest features were not computed, or this is the dictionary's only feature."
        case "coactive":
            return (
                f"{never}, so nothing fires with it."
                if never
                else (
                    "No other feature fires on the same tokens, or co-activation was not computed."
                )
            )
        case "sections":
            return (
                f"{never}, so there is no example of it."
                if never
                else _no_examples(material, group)
            )
        case _:
            return f"{never}." if never else "Not measured in this atlas."


def _no_ablations(material: Material, never: str) -> str:
    if never:
        return f"{never}, so there is no peak to ablate the text of."
    if not material.sae.record.ablation:
        return "The job that built this atlas skipped ablated text."
    return (
        "None of this feature's examples has ablated text: it is measured for the strongest "
        "examples first, and none of these has a token before the peak that could be changed."
    )


def _none_ablated(material: Material, never: str, group: str, drawn: bool) -> str:
    if not material.ablations:
        return _no_ablations(material, never)
    having = " and ".join(material.ablations)
    if group in material.ablations or group == "mix":
        return "None of the examples shown has ablated text in this mode."
    if drawn:
        return f"Firings drawn from a band have no ablated text; {having} examples have it."
    if group == "band":
        return (
            "None of the stored examples inside this band has ablated text in this mode; they are "
            "not a fair draw from it."
        )
    kind = "near miss" if group == "near" else f"{group} example"
    return f"No {kind} has ablated text; of this feature, {having} examples have it."


def _no_examples(material: Material, group: str) -> str:
    if group == "silent":
        return (
            "There is no silent example: wherever the tokens that carry 90% of its activation "
            "occur, it fires."
        )
    if group == "near":
        sample = Sample.of(material.sae, material.record)
        if not sample.n_contexts or material.sae.record.recipe.get("near_misses") == 0:
            return "No near miss is stored: the job that built this atlas was asked for none."
        return f"There is no near miss: it fires on every counted token of {sample.contexts}."
    return f"No example of the group {group} is stored for this feature."
