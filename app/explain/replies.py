"""What stands in the body of an endpoint's answer: takes bytes, gives text and usage."""

import json
from dataclasses import dataclass
from typing import Any

from app.explain.failures import Unanswered


class BadReply(Exception):
    """Not a chat completion; asking again may help."""


@dataclass(frozen=True)
class Reply:
    """One answer."""

    text: str
    was_cut: bool
    """it ended because no more tokens were allowed"""
    prompt_tokens: int | None
    """None where the endpoint doesn't say"""
    completion_tokens: int | None


def read_reply(body: bytes) -> Reply:
    """The first choice of a chat completion.

    Raises:
        BadReply: the body is none.
        Unanswered: the model, or a filter before it, refused.
    """
    try:
        data = json.loads(body)
        if isinstance(data, dict) and data.get("error") and not data.get("choices"):
            raise BadReply("an error in place of an answer")
        choice = data["choices"][0]
        message = choice["message"]
        text = _text(message.get("content"))
        reason = choice.get("finish_reason")
        refused = bool(message.get("refusal")) or reason == "content_filter"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise BadReply("an answer that is no chat completion") from error
    if refused:
        raise Unanswered("a refusal")
    usage = data.get("usage")
    return Reply(
        text, reason == "length", _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    )


def error_in(body: bytes) -> tuple[str, str]:
    """What a body says of an error, on one line however long, and its code; empty if nothing."""
    try:
        data = json.loads(body)
        found = data.get("error", data) if isinstance(data, dict) else {}
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(found, dict):
        return _line(found), ""
    said = found.get("message") or found.get("detail") or ""
    return _line(said), str(found.get("code") or "")


def _text(content: Any) -> str:
    """A message's content: a text, or parts of which some are texts."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    if not isinstance(content, str):
        raise TypeError("content of another kind")
    return content


def _count(usage: Any, name: str) -> int | None:
    found = usage.get(name) if isinstance(usage, dict) else None
    in_range = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**31
    return found if in_range else None


def _line(said: Any) -> str:
    line = " ".join(str(said).split())
    return "".join(letter for letter in line if letter.isprintable())
