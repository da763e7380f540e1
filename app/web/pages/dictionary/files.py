"""A whole list of features as a file: CSV (RFC 4180) or JSON, made piece by piece.

Holds exactly the features the list shows under the same view, all its pages, in its order; every
number is written so that reading it gives the stored one back. Takes records, gives text; knows
no request.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from app.db.schema import SORTABLE
from app.stats.wording import plain
from app.web.pages.feature_row import FeatureRow

TEXT_COLUMNS = ("lives_as", "top_tokens", "ablation_token", "summary", "short", "label")
COLUMNS = ("feature_index", *SORTABLE, "top_token_id", "ablation_token_id", *TEXT_COLUMNS)
"""Columns of the CSV; `top_tokens` is a JSON list of texts"""

_FORMULA = tuple("=+-@\t\r'＝＋－＠")
"""What a spreadsheet may read as a formula at the start of a text, and the mark against it"""


def csv_pieces(rows: Iterable[FeatureRow]) -> Iterator[str]:
    """The header, then a line for each feature; missing numbers are empty."""
    yield _line(COLUMNS)
    for row in rows:
        record = row.record
        numbers = (getattr(record, name) for name in COLUMNS[: -len(TEXT_COLUMNS)])
        tokens = json.dumps([token.token for token in row.top_tokens], ensure_ascii=False)
        ablation = row.ablation_token.token if row.ablation_token else ""
        said = (plain(record.summary), plain(record.short), row.label)
        texts = (row.lives_as, tokens, ablation, *said)
        yield _line((*numbers, *map(guarded, texts)))


def json_pieces(head: dict[str, Any], rows: Iterable[FeatureRow]) -> Iterator[str]:
    """One object: `head`, then `features` as the page's twin writes them."""
    yield _dump(head)[:-1] + ',"features":['
    for i, row in enumerate(rows):
        yield (",\n" if i else "\n") + _dump(row.as_json())
    yield "\n]}\n"


def blocks(pieces: Iterable[str], characters: int = 1 << 16) -> Iterator[str]:
    """The same text in fewer and larger pieces: each costs a sender more than its letters."""
    waiting: list[str] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= characters:
            yield "".join(waiting)
            waiting, length = [], 0
    yield "".join(waiting)


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: where it begins like one, or with an
    apostrophe, an apostrophe stands before it. Taking that away gives the text back."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(values: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue()


def _dump(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
