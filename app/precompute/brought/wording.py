"""Sentences of the job as they are said to whoever calls it from Python.

The stages name options as the command line does, `--context-size`; here they are arguments.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import AtlasError
from app.precompute.settings import PrecomputeSettings

_FLAG = re.compile(r"(?<![\w/-])--([a-z]+(?:-[a-z]+)*)(?![\w/-])")


def as_arguments(sentence: str) -> str:
    """The sentence, in which every option of the job is written as an argument, `context_size`."""
    return _FLAG.sub(_argument, sentence)


def _argument(flag: re.Match[str]) -> str:
    name = flag[1].replace("-", "_")
    return name if name in PrecomputeSettings.model_fields else flag[0]


@contextmanager
def errors_name_arguments() -> Iterator[None]:
    """Every `AtlasError` raised inside speaks of arguments."""
    try:
        yield
    except AtlasError as error:
        error.args = (as_arguments(str(error)),)
        raise
