"""Exported and imported again, an atlas has the same pages.

The first import shows what the format holds (the tests beside the importers compare that with the
atlas); an export of it, imported in turn, must show the same: every page to the character.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import cli
from app.settings import Settings
from app.web.factory import create_app
from tests.exchange.conftest import FIRST, N_FEATURES, Export

SAE = "/synthetic/one"
OPTIONS = {
    "neuronpedia": ("--layer", "2", "--set", "one"),
    "circuit-tracer": ("--layer", "2"),
    "saedashboard": (),
}
FEATURE_VIEWS = ("", "?group=interval", "?group=silent", "?layout=wrapped&window=whole", ".json")
NOT_OF_THE_FEATURES = re.compile(
    r"(?s)<details class=.numbers.><summary>Its own settings.*?</details>"
    r'|class="mono">[0-9a-f]{7}<|value="[0-9a-f]{32}"'
)
"""The first export's settings hold more than an atlas of an import knows; numbers of an atlas."""
VIEWS = ("", "?sort=-max_activation", ".json", "/points.json", "/features.json")


def _import(form: str, folder: Path, output: Path) -> Path:
    output.parent.mkdir()
    done = CliRunner().invoke(
        cli, ["import", form, str(folder), str(output), "--name", "synthetic/one"]
    )
    assert done.exit_code == 0, done.exception
    return output


def _pages(atlas: Path) -> Iterator[tuple[str, Any]]:
    app = create_app(Settings(atlas=atlas))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        addresses = [f"{SAE}{view}" for view in VIEWS]
        addresses += [f"{SAE}/{i}{view}" for i in range(N_FEATURES) for view in FEATURE_VIEWS]
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.text)
            text = answer.text
            if answer.headers["content-type"] == "application/json":
                yield address, json.loads(text)
            else:
                yield address, NOT_OF_THE_FEATURES.sub("", text)


def _same(one: Any, other: Any, name: str = "") -> bool:
    """Pages to the character, twins but for the settings; numbers come back from float32."""
    if isinstance(one, dict) and isinstance(other, dict):
        differs = {"settings", "hash"} if name in ("corpus", "imported") else set()
        names = one.keys() - differs
        return names == other.keys() - differs and all(
            _same(one[key], other[key], key) for key in names
        )
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        if name == "edges":  # the middle one may be what is left of two large numbers
            return np.allclose(one, other, rtol=0, atol=1e-6 * max(map(abs, one), default=0))
        return all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return one == other


@pytest.mark.parametrize("form", OPTIONS)
def test_an_import_of_an_imports_export_has_the_same_pages(
    export: Export, tmp_path: Path, form: str
) -> None:
    first = export(form, "--sae", FIRST, *OPTIONS[form], name="first/files")
    once = _import(form, first, tmp_path / "once/atlas.db")
    second = export(form, *OPTIONS[form], name="second/files", atlas=once)
    twice = _import(form, second, tmp_path / "twice/atlas.db")
    n = 0
    for (address, one), (_, other) in zip(_pages(once), _pages(twice), strict=True):
        assert _same(one, other), address
        n += 1
    assert n > N_FEATURES * len(FEATURE_VIEWS)
