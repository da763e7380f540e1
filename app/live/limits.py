"""How much the live model may be asked for, and the error of whoever asks for more.

Plain numbers with units; knows no process.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one live model."""

    tokens: int = 512
    """of a text, BOS included; never more than the model's n_ctx"""
    new_tokens: int = 64
    """written while steering"""
    seconds: float = 30.0
    """that one request may compute"""
    wait_seconds: float = 60.0
    """that it may wait for its turn"""
    waiting: int = 256
    """requests at hand, the one that runs included"""


class LiveError(Exception):
    """A request that can't be answered; the text is a sentence for whoever asked."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        """`status`: of an HTTP answer; `retry_after`: seconds after which to ask again."""
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after
