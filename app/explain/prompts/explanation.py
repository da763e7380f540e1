"""The question what a feature is active on, from texts of all strengths and silent ones beside.

Takes a split, of which it looks at `explaining` and `contrast` alone. Knows no answer.
"""

from app.explain.prompts import wording
from app.explain.prompts.prompt import Prompt, numbered
from app.explain.split import Split
from app.explain.texts import shown, shown_with_strengths


def explanation_prompt(split: Split, wants_reading: bool) -> Prompt:
    """The question about one feature."""
    parts = [wording.EXPLAIN, numbered(map(shown_with_strengths, split.explaining)), "\n"]
    if split.contrast:
        parts += [wording.CONTRAST, numbered(map(shown, split.contrast)), "\n"]
    parts.append(wording.ANSWER)
    if wants_reading:
        parts += [
            wording.READING.format(forms=wording.reading_forms()),
            wording.AS_JSON_WITH_READING,
        ]
    else:
        parts.append(wording.AS_JSON)
    return Prompt("explain", "".join(parts).rstrip(), "the JSON object")
