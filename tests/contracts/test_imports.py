"""Imports run one way, and the server never reaches torch.

Reads the whole package by its syntax, so that an import inside a function or under a condition
counts as well.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[2] / "app"
HEAVY = {"torch", "transformers", "transformer_lens", "datasets", "pyarrow"}
CLIENTS = (
    *("httpx", "requests", "urllib3", "urllib.request", "http.client", "aiohttp"),
    "huggingface_hub",
)
"""Modules by which a program asks another machine for something"""
SILENT = "huggingface_hub.constants"
"""The one part of a client that asks nobody: it says where the cache lies."""

ALLOWED = {
    "errors": set(),
    "settings": {"errors"},
    "durable": set(),
    "npy": set(),
    "lock": set(),
    "opening": {"errors"},
    "db": {"errors", "durable", "npy", "lock"},
    "stats": {"errors", "durable", "npy"},
    "sae": {"errors", "npy", "opening"},
    "hub": {"errors"},
    "notebook": {"errors", "durable"},
    "access": {"errors", "notebook"},
    "evidence": {"errors", "db", "stats", "notebook"},
    "explain": {"errors", "db", "stats", "notebook", "evidence"},
    "web": {"errors", "durable", "settings", "db", "stats", "notebook", "access", "evidence"}
    | {"live"},
    "precompute": {"errors", "durable", "npy", "lock", "settings", "sae", "hub", "stats"} | {"db"},
    "live": {"errors", "sae", "hub", "stats", "db", "precompute"},
    "check": {"errors", "sae", "hub", "stats", "db", "precompute"},
    "demo": {"errors", "settings", "sae", "stats", "db", "precompute"},
    "exchange": {"errors", "durable", "opening", "db", "stats", "notebook"},
    "commands": {"errors", "settings", "web", "precompute", "check", "demo", "db", "notebook"}
    | {"access", "explain", "hub", "exchange", "sae"},
    "cli": {"errors", "commands", "precompute"},
    "__main__": {"cli", "precompute"},
}
"""What each part may import besides itself and the package's version. The demo uses the job, and
builds its invented atlas from records; the commands also check and describe an atlas."""


def _modules() -> list[Path]:
    return sorted(path for path in APP.rglob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(APP.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _imports(path: Path) -> frozenset[str]:
    """Every module a file imports; `from a import b` counts as a.b where that is a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            argument = node.args[0]
            computed = not isinstance(argument, ast.Constant)
            assert not computed or "precompute" in path.parts, f"{path}: computed import"
            found |= {str(argument.value)} if isinstance(argument, ast.Constant) else set()
    return frozenset(found)


def _part(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_imports_run_one_way(path: Path) -> None:
    part = _part(_name(path))
    if not part:
        return
    reached = {_part(name) for name in _imports(path) if name.startswith("app.")}
    assert reached - ALLOWED[part] - {part, "__version__"} == set()


def _reachable(start: str) -> set[str]:
    """Modules of the package and from outside that the import of `start` can lead to."""
    by_name = {_name(path): path for path in _modules()}
    seen: set[str] = set()
    waiting = [name for name in by_name if name == start or name.startswith(f"{start}.")]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in by_name:
            waiting += _imports(by_name[name])
            waiting.append(name.rpartition(".")[0] or name)
    return seen


@pytest.mark.parametrize(
    "start",
    ["app.web", "app.db", "app.stats", "app.explain", "app.demo.synthetic", "app.exchange.reader"],
)
def test_torch_is_out_of_reach(start: str) -> None:
    reached = {name.partition(".")[0] for name in _reachable(start)}
    assert reached & HEAVY == set()


@pytest.mark.parametrize("start", ["app.web", "app.db", "app.notebook", "app.live"])
def test_nothing_that_serves_can_send(start: str) -> None:
    """Only commands that are told to speak to another machine; the live model neither, though it
    reads what lies in the hub's cache."""
    senders = (*CLIENTS, "app.explain", "app.hub.client", "app.hub.fetching")
    reached = _reachable(start) - {SILENT}
    assert {name for name in reached if name.startswith(senders)} == set()


def test_two_files_speak_http() -> None:
    found = {
        _name(path)
        for path in _modules()
        if any(one.startswith(CLIENTS) and one != SILENT for one in _imports(path))
    }
    # The last names the errors that the one before it raises, and asks for nothing.
    assert found == {"app.explain.endpoint", "app.hub.client", "app.hub.failures"}


def test_what_is_fetched_was_named_by_the_user() -> None:
    """The job and the commands fetch what they are given; who only reads recipes looks here."""
    found = {_name(path) for path in _modules() if "app.hub.fetching" in _imports(path)}
    assert found == {"app.precompute.pipeline", "app.commands.given"}


def test_no_import_cycles() -> None:
    by_name = {_name(path): path for path in _modules()}
    graph = {
        name: {other for other in _imports(path) if other in by_name and other != name}
        - {name.rpartition(".")[0]}
        for name, path in by_name.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
