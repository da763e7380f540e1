"""What prompts are made of: a message, numbered texts, and how an answer must look."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.explain.prompts.wording import AGAIN

Message = dict[str, str]


@dataclass(frozen=True)
class Prompt:
    """One question."""

    step: str
    """what it is for: explain, detection-0, fuzzing-3"""
    text: str
    form: str
    """what the answer must be, to be said again where it wasn't"""

    def messages(self, unread: str = "") -> list[Message]:
        """As they are sent: one message of the user, since not every model takes a system's.

        Args:
            unread: an answer that couldn't be read; it is asked for again.
        """
        first = {"role": "user", "content": self.text}
        if not unread:
            return [first]
        again = AGAIN.format(form=self.form)
        return [first, {"role": "assistant", "content": unread}, {"role": "user", "content": again}]

    def request(self, model: str, temperature: float, unread: str = "") -> dict[str, Any]:
        """What decides the answer, as the endpoint is sent it."""
        return {"model": model, "temperature": temperature, "messages": self.messages(unread)}


def numbered(texts: Iterable[str]) -> str:
    """One text a line."""
    return "\n".join(f"{i}. {text}" for i, text in enumerate(texts, 1))
