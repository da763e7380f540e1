"""One feature from its texts to its label: explain, score, test the reading, keep.

Takes a source, something that asks, and a store; gives how it ended. What was answered is kept at
once, so that an end at any moment loses nothing. Knows no HTTP and no other feature.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.db.catalog import Sae
from app.explain.answers import Explained, read_explanation, read_verdicts
from app.explain.asking import Asker
from app.explain.failures import Unanswered
from app.explain.prompts.explanation import explanation_prompt
from app.explain.prompts.scoring import (
    Question,
    detection_questions,
    fuzzing_questions,
)
from app.explain.prompts.wording import PROMPT_VERSION
from app.explain.scores import Verdict, score
from app.explain.settings import ExplainSettings
from app.explain.source import Source
from app.explain.split import Split
from app.explain.store import Store
from app.notebook.records import State, Subject
from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import parse

Scored = Mapping[str, Any]
"""A `TestResult` as JSON, or under `absent` why there is none; with `again` where one may come"""


@dataclass(frozen=True)
class Ended:
    """How a feature ended in this run."""

    feature_index: int
    state: State
    reason: str = ""


class Explainer:
    """Explains features of one dictionary in one way."""

    def __init__(
        self, source: Source, settings: ExplainSettings, asker: Asker, store: Store
    ) -> None:
        self._source, self._settings = source, settings
        self._asker, self._store = asker, store

    async def explain(self, feature_index: int) -> Ended:
        """All of one feature that fires.

        Raises:
            EndpointRefuses, Stopped, NotebookError: the run is over; what was answered is kept.
        """
        subject = subject_of(self._source.sae, feature_index)
        split = self._source.split(feature_index, self._settings.seed)
        if not split.explaining:
            await self._store.note(subject, "done", "no example of it is stored")
            return Ended(feature_index, "done", "no example of it is stored")
        prompt = explanation_prompt(split, self._settings.wants_reading)
        explainer = self._settings.explainer
        try:
            said = await self._asker.ask(subject, prompt, explainer, read_explanation)
        except Unanswered as error:
            await self._store.note(subject, "unanswered", str(error))
            return Ended(feature_index, "unanswered", str(error))
        measured, failed = await self._measured(subject, split, said)
        state: State = "unscored" if failed else "done"
        corpus = self._source.sae.corpus.hash
        await self._store.keep_label(
            subject,
            self._settings.explanation_identity(corpus),
            explainer,
            said.text,
            measured,
            state,
            failed,
            split.as_json(self._settings.seed),
        )
        return Ended(feature_index, state, failed)

    async def _measured(
        self, subject: Subject, split: Split, said: Explained
    ) -> tuple[dict[str, Any], str]:
        """What a label keeps beside its text, and why a score is missing that may yet come."""
        about = (subject, split, said.text)
        detection, fuzzing = await _all([self._detection(*about), self._fuzzing(*about)])
        reading, evidence, why_not = await self._tested(subject.feature_index, said.reading)
        scores = {"detection": detection, "fuzzing": fuzzing, **why_not}
        failed = next((one["again"] for one in (detection, fuzzing) if "again" in one), "")
        kind = next((k for k in ("detection", "fuzzing") if "absent" not in scores[k]), "")
        return {
            "prompt_version": PROMPT_VERSION,
            "reading": reading,
            "evidence": evidence,
            "score": scores[kind]["balanced_accuracy"] if kind else None,
            "score_kind": kind,
            "scores": {
                name: {key: held for key, held in one.items() if key != "again"}
                for name, one in scores.items()
            },
        }, failed

    async def _detection(self, subject: Subject, split: Split, text: str) -> Scored:
        make = lambda *how: detection_questions(split, *how)  # noqa: E731
        return await self._score(subject, text, make, split.why_undetected)

    async def _fuzzing(self, subject: Subject, split: Split, text: str) -> Scored:
        make = lambda *how: fuzzing_questions(split, *how)  # noqa: E731
        return await self._score(subject, text, make, split.why_unscored)

    async def _score(
        self,
        subject: Subject,
        text: str,
        make: Callable[[int, int, int], list[Question]],
        why_not: str,
    ) -> Scored:
        settings = self._settings
        if not settings.wants_scores:
            return {"absent": "it wasn't asked for"}
        if why_not:
            return {"absent": why_not}
        questions = make(settings.seed, subject.feature_index, settings.texts_per_request)
        if not any(not item.truth for question in questions for item in question.items):
            return {"absent": "it fires on every token of these texts: no other can be marked"}
        answers = await _all([self._verdicts(subject, text, one) for one in questions])
        reasons = [one for one in answers if isinstance(one, str)]
        if reasons:
            n = f"{len(reasons)} of {len(answers)} questions got no answer ({reasons[0]})"
            return {"absent": n, "again": reasons[0]}
        verdicts = [one for found in answers if not isinstance(found, str) for one in found]
        return score(verdicts, settings.scorer).as_json()

    async def _verdicts(
        self, subject: Subject, text: str, question: Question
    ) -> list[Verdict] | str:
        """What the scorer says of each text, or why it doesn't."""
        n = len(question.items)
        try:
            said = await self._asker.ask(
                subject,
                question.prompt(text),
                self._settings.scorer,
                lambda answer: read_verdicts(answer, n),
            )
        except Unanswered as error:
            return str(error)
        return list(zip(question.items, said, strict=True))

    async def _tested(
        self, feature_index: int, reading: str
    ) -> tuple[str, dict[str, Any], dict[str, Scored]]:
        """The reading if it is one, its evidence, and else what is wrong with it."""
        if not reading:
            return "", {}, {}
        try:
            parse(reading)
            found = await asyncio.to_thread(self._source.evidence, feature_index, reading)
        except ReadingError as error:
            return "", {}, {"reading": {"absent": f"“{reading}” can't be read: {error}"}}
        return reading, {} if found is None else found.as_json(), {}


def subject_of(sae: Sae, feature_index: int) -> Subject:
    """A feature of a dictionary as it is now."""
    record = sae.record
    return Subject(record.model, record.sae, feature_index, record.weights_hash)


async def _all(tasks: Sequence[Any]) -> list[Any]:
    """The results of all, once all have ended; then the first error there was."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)
