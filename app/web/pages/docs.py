"""`/-/docs`: the addresses of the server and their arguments, out of its OpenAPI description."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Argument:
    """One argument of an address."""

    name: str
    place: str
    """path or query"""
    default: str
    allowed: str
    """values or type, in a few words"""
    description: str


@dataclass(frozen=True)
class Address:
    """One way to ask an address."""

    method: str
    path: str
    summary: str
    description: str
    arguments: list[Argument]


@dataclass(frozen=True)
class DocsPage:
    """Context of `pages/docs.html`."""

    addresses: list[Address]

    def as_json(self) -> dict[str, Any]:
        """The list of addresses; the full description is at `/-/openapi.json`."""
        return {
            "addresses": [
                {
                    "method": item.method,
                    "path": item.path,
                    "summary": item.summary,
                    "description": item.description,
                }
                for item in self.addresses
            ]
        }


def build(openapi: dict[str, Any]) -> DocsPage:
    """The page of an OpenAPI description, by address and method."""
    schemas = openapi.get("components", {}).get("schemas", {})
    return DocsPage(
        [
            Address(
                method.upper(),
                path,
                said.get("summary", ""),
                said.get("description", ""),
                [_argument(item) for item in said.get("parameters", [])] + _body(said, schemas),
            )
            for path, methods in sorted(openapi["paths"].items())
            for method, said in sorted(methods.items())
        ]
    )


def _body(said: dict[str, Any], schemas: dict[str, Any]) -> list[Argument]:
    """The fields of what is sent, whatever it is sent as."""
    content = said.get("requestBody", {}).get("content", {})
    schema = next(iter(content.values()), {}).get("schema", {})
    schema = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return [
        _argument({"name": name, "in": "body", "schema": field} | _described(field))
        for name, field in schema.get("properties", {}).items()
    ]


def _described(field: dict[str, Any]) -> dict[str, str]:
    return {"description": field["description"]} if "description" in field else {}


def _argument(parameter: dict[str, Any]) -> Argument:
    schema = parameter.get("schema", {})
    default = schema.get("default", "")
    return Argument(
        parameter["name"],
        parameter["in"],
        "" if default in ("", None, []) else str(default),
        _allowed(schema),
        parameter.get("description", ""),
    )


def _allowed(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(filter(None, (_allowed(item) for item in schema["anyOf"])))
    if "enum" in schema:
        return ", ".join(str(value) or "(empty)" for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "null":
        return ""
    if "examples" in schema:
        return "for example " + ", ".join(map(str, schema["examples"]))
    return str(schema.get("type", ""))
