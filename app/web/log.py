"""What the server writes to its log, and that no key ever stands in it.

Mistakes of ours with their traces, and a line for every write. Every line, traces included, goes
through a formatter that blanks whatever looks like a key, a cookie made from one or a share link,
and the access key itself, whoever wrote it there. Takes the settings, knows no page.
"""

import logging
import re
from typing import Any
from urllib.parse import quote, quote_plus

from app.settings import Settings

_SECRETS = re.compile(
    r"fa_[A-Za-z0-9_-]{20,}"  # a key
    r"|(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"  # a cookie made from one, the notebook's secret
    r"|[0-9a-f]{16}\.[A-Za-z0-9_-]{20,}"  # a share link
    r"|(?<=[?&]key=)[^&\s\"']+"
    r"|(?i:(?<=bearer ))[^\s\"',]+"
)
BLANK = "[key]"


class KeylessFormatter(logging.Formatter):
    """Formats as usual, then blanks."""

    def __init__(self, key: str | None = None) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        written = {key, quote(key, safe=""), quote_plus(key)} if key else set()
        self._keys = sorted(filter(None, written), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """One record with its trace, on as many lines as it has."""
        text = super().format(record)
        for key in self._keys:
            text = text.replace(key, BLANK)
        return _SECRETS.sub(BLANK, text)


def log_config(settings: Settings) -> dict[str, Any]:
    """For `logging.config`: everything to stderr; of the server itself warnings and worse."""
    to_stderr = {"handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"keyless": {"()": KeylessFormatter, "key": settings.key}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "keyless",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "uvicorn": {**to_stderr, "level": "WARNING"},
            "uvicorn.access": {**to_stderr, "level": "CRITICAL"},
            "feature_atlas": {**to_stderr, "level": "INFO"},
        },
    }
