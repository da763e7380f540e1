"""What forms that write send, and how things of the notebook are named in paths.

Lengths and shapes stand in the description only: what is too long or misspelt is answered by a page
that still has the text, or by the sentence for what isn't there. Knows no route.
"""

from typing import Annotated

from fastapi import Form, Path

from app.notebook.limits import LONGEST
from app.web.urls import SLUG


def _text(kind: str, said: str) -> object:
    return Form(description=said, json_schema_extra={"maxLength": LONGEST[kind]})


LabelText = Annotated[str, _text("label", "the label, on one line")]
NoteText = Annotated[str, _text("note", "Markdown")]
ReadingText = Annotated[str, _text("reading", "a reading to be tested and kept with the label")]
Title = Annotated[str, _text("title", "of a list")]
Description = Annotated[str, _text("description", "of a list, in Markdown")]
Remark = Annotated[str, _text("remark", "why the feature stands on the list")]
Slug = Annotated[str, Form(description="of a list", json_schema_extra={"pattern": f"^({SLUG})?$"})]
Version = Annotated[int, Form(ge=0, le=2**31, description="the version the form was made on")]

ListSlug = Annotated[str, Path(json_schema_extra={"pattern": f"^{SLUG}$"})]
Uid = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{32}$"})]
