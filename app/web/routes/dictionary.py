"""`/{model}/{sae}`: one dictionary and its list of features; the whole list as a file."""

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response, StreamingResponse

from app.web.dependencies import AtlasDep, ConnectionDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.dictionary.columns import TypedWrong
from app.web.pages.dictionary.feature_list import feature_list, records_in_order
from app.web.pages.dictionary.files import blocks, csv_pieces, json_pieces
from app.web.pages.dictionary.page import build
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.respond import is_fresh, respond, validators, wants_json
from app.web.views import DictionaryForm, DictionaryView

router = APIRouter()

_ROWS_AT_ONCE = 500


@router.get("/{model}/{sae}/features.{kind}", summary="The whole list as CSV or JSON")
def features(
    request: Request,
    atlas: AtlasDep,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    kind: Literal["csv", "json"],
    view: Annotated[DictionaryView, Query()],
) -> Response:
    """Every feature the page lists under the same arguments, all pages in one, in its order.

    `size`, `next`, `columns` and those of the charts change nothing here. In CSV, texts that a
    spreadsheet could take for a formula have an apostrophe before them.
    """
    name = f"{sae.record.model}-{sae.record.sae}-features.{kind}"
    headers = {
        **validators(request),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    if is_fresh(request, headers):
        return Response(status_code=304, headers=headers)
    found = feature_list(connection, sae, view, memory, reader).everything().tolist()
    names = reader.names(sae)

    def rows() -> Iterator[FeatureRow]:
        # Its own connection: the request's may be given back before the last piece is sent.
        with atlas.connect() as own:
            for start in range(0, len(found), _ROWS_AT_ONCE):
                part = found[start : start + _ROWS_AT_ONCE]
                records = records_in_order(own, sae.sae_id, part)
                yield from make_rows(own, sae.model_id, records, names)

    if kind == "csv":
        text = blocks(csv_pieces(rows()))
        return StreamingResponse(text, 200, headers, "text/csv; charset=utf-8")
    head = {
        "ok": True,
        "model": sae.record.model,
        "sae": sae.record.sae,
        "arguments": dict(view.arguments(next=None)),
        "n_matching": len(found),
    }
    return StreamingResponse(blocks(json_pieces(head, rows())), 200, headers, "application/json")


@router.get("/{model}/{sae}", summary="One dictionary and its features")
@router.get("/{model}/{sae}.json", summary="One dictionary and its features, as JSON")
def dictionary(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    form: Annotated[DictionaryForm, Query()],
) -> Response:
    """Quality figures, density histogram and a page of the sorted and filtered list.

    Where a range can't be read the answer is 400: the page all the same, with a sentence at the
    field, or the sentence alone as JSON.
    """
    problems = form.problems()
    if problems and wants_json(request):
        raise HTTPException(400, next(iter(problems.values())))
    typed = {name: TypedWrong(getattr(form, name), problems[name]) for name in problems}
    view = form.readable()
    return respond(
        request,
        "dictionary",
        lambda: build(connection, sae, view, memory, typed, reader),
        status=400 if problems else 200,
    )
