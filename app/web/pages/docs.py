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
    """One address that answers GET."""

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
                {"path": item.path, "summary": item.summary, "description": item.description}
                for item in self.addresses
            ]
        }


def build(openapi: dict[str, Any]) -> DocsPage:
    """The page of an OpenAPI description; only GET is read, there is nothing else."""
    return DocsPage(
        [
            Address(
                path,
                methods["get"].get("summary", ""),
                methods["get"].get("description", ""),
                [_argument(item) for item in methods["get"].get("parameters", [])],
            )
            for path, methods in sorted(openapi["paths"].items())
        ]
    )


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
