"""Language models that stand in for real ones: one that knows the truth, one that guesses.

They read the prompts as a model would: what is asked follows from the words alone.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence

from app.explain.prompts.explanation import explanation_prompt
from app.explain.prompts.scoring import detection_questions, fuzzing_questions
from app.explain.settings import ExplainSettings
from app.explain.source import Source
from tests.explain.stand_in import Answer, Body, says

_TEXTS = re.compile(r'^\d+\. ("(?:[^"\\]|\\.)*")$', re.MULTILINE)
_EXPLANATION = re.compile(r'was described so:\n("(?:[^"\\]|\\.)*")\n')


def kind_of(prompt: str) -> str:
    """Which question it is."""
    if "Find out what makes one of them active" in prompt:
        return "explain"
    return "fuzzing" if "stand in brackets, like" in prompt else "detection"


def texts_of(prompt: str) -> list[str]:
    """The texts of a question, as they stand in it."""
    return _TEXTS.findall(prompt)


def explanation_in(prompt: str) -> str:
    """The explanation a scoring question is about."""
    found = _EXPLANATION.search(prompt)
    assert found is not None
    return json.loads(found[1])


def verdicts(values: Sequence[bool]) -> str:
    """As a scorer writes them."""
    return json.dumps([int(value) for value in values])


class Knowing:
    """Explains every feature as "thing N" and knows of each text whether it is of thing N."""

    def __init__(
        self,
        source: Source,
        settings: ExplainSettings,
        features: Sequence[int],
        readings: Mapping[int, str] | None = None,
    ) -> None:
        self._feature_of: dict[str, int] = {}
        self._truth: dict[tuple[str, int, str], bool] = {}
        self._readings = dict(readings or {})
        for feature in features:
            split = source.split(feature, settings.seed)
            prompt = explanation_prompt(split, settings.wants_reading)
            self._feature_of[prompt.text] = feature
            how = (split, settings.seed, feature, settings.texts_per_request)
            for kind, make in (("detection", detection_questions), ("fuzzing", fuzzing_questions)):
                for question in make(*how):
                    for item in question.items:
                        self._truth[kind, feature, item.shown] = item.truth

    def __call__(self, body: Body) -> Answer:
        prompt = body["messages"][0]["content"]
        kind = kind_of(prompt)
        if kind == "explain":
            feature = self._feature_of[prompt]
            reading = self._readings.get(feature)
            return says(json.dumps({"explanation": f"thing {feature}", "reading": reading}))
        feature = int(explanation_in(prompt).removeprefix("thing "))
        return says(verdicts([self._truth[kind, feature, text] for text in texts_of(prompt)]))


class Guessing:
    """Explains everything alike and tosses a coin for each text."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def __call__(self, body: Body) -> Answer:
        prompt = body["messages"][0]["content"]
        if kind_of(prompt) == "explain":
            return says('{"explanation": "all sorts of tokens", "reading": null}')
        return says(verdicts([self._rng.random() < 0.5 for _ in texts_of(prompt)]))
