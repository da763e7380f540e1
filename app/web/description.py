"""The OpenAPI description: what FastAPI reads off the routes, and what only the server knows.

FastAPI takes every answer for JSON, every success for 200 and every refusal for a 422 of its own
shape. Here an answer is what its address says it is, a form leads elsewhere (303), what goes wrong
has the one envelope, and who may ask is said. Knows no dictionary: the description is the same for
everybody.
"""

from typing import Any

from fastapi import FastAPI

from app.web.same_site import FIELD, HEADER

_KEY, _COOKIE, _TOKEN = "key", "cookie", "same_site"
_SCHEMES = {
    _KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `feature-atlas keys create`, or the access key. It needs no "
        "same-site token.",
    },
    _COOKIE: {
        "type": "apiKey",
        "in": "cookie",
        "name": "feature-atlas-…",
        "description": "What a link with `?key=` leaves in a browser; its name is the server's.",
    },
    _TOKEN: {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": f"Of a page of this server, where its forms carry it as `{FIELD}`.",
    },
}
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What everything that goes wrong is answered with.",
    "properties": {
        "ok": {"type": "boolean", "const": False},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "error": {"type": "string", "minLength": 1, "description": "one sentence"},
    },
    "required": ["ok", "status", "error"],
    "additionalProperties": False,
}
_TWIN = {
    "type": "object",
    "properties": {"ok": {"type": "boolean", "const": True}},
    "required": ["ok"],
}
_TEXT = {"type": "string"}
_BINARY = {"type": "string", "format": "binary"}


ONWARD: dict[int | str, dict[str, Any]] = {
    303: {"description": "The address to keep for what was asked is at `Location`"}
}
"""For routes of pages that sometimes lead to another one"""


class DescribedApp(FastAPI):
    """An application whose description says what its answers are."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def completed(described: dict[str, Any]) -> dict[str, Any]:
    """A description by FastAPI, with answers, refusals and rights as they are; changed in place."""
    components = described.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, methods in described["paths"].items():
        for method, said in methods.items():
            _complete(path, method, said)
    return described


def _complete(path: str, method: str, said: dict[str, Any]) -> None:
    """One operation."""
    writes = method == "post" and not path.endswith(".json")
    responses = said["responses"]
    responses.pop("422", None)
    if writes:
        del responses["200"]
        responses["303"] = {"description": "Done: the page to look at next is at `Location`"}
    elif "200" in responses and path != "/-/health":
        responses["200"] = {"description": "Found", "content": _content(path, responses["200"])}
    if "303" in responses:
        responses["303"]["headers"] = {"Location": {"required": True, "schema": _TEXT}}
    refused = _refusal(path, writes)
    responses["4XX"] = {"description": "What was asked can't be answered: one sentence", **refused}
    responses["503"] = {"description": "Not now: one sentence", **refused}
    if "/live" in path:
        for status, why in (("504", "It took the model too long"), ("507", "Out of memory")):
            responses[status] = {"description": f"{why}: one sentence", **refused}
    # Where nobody ever made a key, nobody needs one; what is written needs the token all the same.
    said["security"] = [{_KEY: []}, {_COOKIE: [], _TOKEN: []}, {_TOKEN: []}] if writes else [
        {_KEY: []}, {_COOKIE: []}, {},
    ]  # fmt: skip


def _content(path: str, found: dict[str, Any]) -> dict[str, Any]:
    """What a page's own address says it is, as `wants_json` reads it."""
    if path.endswith(".{kind}"):
        return {"text/csv": {"schema": _TEXT}, "application/json": {"schema": _TWIN}}
    if path.endswith(".json"):
        told = found.get("content", {}).get("application/json", {}).get("schema")
        return {"application/json": {"schema": {"allOf": [told, _TWIN]} if told else _TWIN}}
    if path.endswith(".svg"):
        return {"image/svg+xml": {"schema": _TEXT}}
    if path.endswith(".png"):
        return {"image/png": {"schema": _BINARY}}
    return {"text/html": {"schema": _TEXT}}


def _refusal(path: str, writes: bool) -> dict[str, Any]:
    """The envelope; pages say the same as a page, unless only JSON is accepted."""
    content: dict[str, Any] = {
        "application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    if writes or not path.endswith(".json"):
        content["text/html"] = {"schema": _TEXT}
    return {"content": content}
