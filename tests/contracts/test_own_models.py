"""The example of docs/own-models.md runs as it stands; its atlas holds what it should."""

import re
from pathlib import Path

import pytest

from app.check.whole import Asked, check_whole
from app.db.catalog import find_sae
from app.db.engine import open_atlas

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-models.md"


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(PAGE), "exec"), {})
    atlas = open_atlas(tmp_path / "proteins.db")
    with atlas.connect() as connection:
        sae = find_sae(connection, "toy-protein", "layer-0")
        assert sae is not None
        assert sae.record.d_sae == 32
        assert sae.corpus.n_documents == 50
    atlas.close()
    checks = list(check_whole(tmp_path / "proteins.db", Asked(4, 0, None, ())))
    assert len(checks) > 10
    assert [problem for each in checks for problem in each.problems] == []
