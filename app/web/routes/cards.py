"""`…/card.png`: the picture in the preview of a link to a feature or a dictionary.

Behind the access key like every page: a preview shows no more than the page does.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.cards import dictionary_card, feature_card
from app.web.dependencies import ConnectionDep, FeatureIndexDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.dictionary import page as dictionary
from app.web.pages.feature import page as feature
from app.web.respond import respond_file
from app.web.views import DictionaryView, FeatureView, PlainView

router = APIRouter()


@router.get("/{model}/{sae}/card.png", summary="Preview of a dictionary, PNG")
def dictionary_preview(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    view: Annotated[PlainView, Query()],
) -> Response:
    """Name, quality in a sentence, histogram of densities; 1200 × 630 pixels."""
    return respond_file(
        request,
        "image/png",
        lambda: dictionary_card(dictionary.build(connection, sae, DictionaryView(size=1), memory)),
    )


@router.get("/{model}/{sae}/{feature_index:number}/card.png", summary="Preview of a feature, PNG")
def feature_preview(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    reader: ReaderDep,
    view: Annotated[PlainView, Query()],
) -> Response:
    """Name, label, short form, activation histogram and two examples; 1200 × 630 pixels."""

    def card() -> bytes:
        page = feature.build(connection, sae, feature_index, FeatureView(), memory)
        return feature_card(page, reader.name(sae, feature_index))

    return respond_file(request, "image/png", card)
