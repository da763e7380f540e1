"""From other tools' files to pages: what they hold is shown, and what they lack is said."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import cli
from app.errors import AtlasError
from app.exchange.building.build import Asked, Imported, build_atlas
from app.exchange.foreign import Importer
from app.exchange.importing.circuit_tracer import CIRCUIT_TRACER
from app.exchange.importing.neuronpedia import NEURONPEDIA
from app.exchange.importing.openai_viewer import OPENAI_VIEWER
from app.exchange.reader.atlas import Atlas
from app.settings import Settings
from app.web.factory import create_app
from tests.exchange.conftest import FIRST, N_FEATURES, Export
from tests.exchange.importing import test_circuit_tracer as circuit_tracer
from tests.exchange.importing import test_openai_viewer as openai
from tests.exchange.importing.neuronpedia_export import (
    activation,
    explanation,
    feature,
    write_export,
)
from tests.exchange.importing.test_round_trips import held, strongest_band_first


def imported(importer: Importer, path: Path, output: Path) -> list[Imported]:
    return build_atlas(output, importer.open(path), Asked(importer.name, importer.title, path))


def pages_of(atlas: Path) -> TestClient:
    return TestClient(create_app(Settings(atlas=atlas)), base_url="http://localhost")


def write_neuronpedia(folder: Path) -> None:
    rows = [feature(n) for n in (0, 2, 9)]
    rows[1] |= {"frac_nonzero": 0, "maxActApprox": 0, "pos_str": None, "neg_str": None}
    rows[1] |= {"pos_values": [], "neg_values": [], "freq_hist_data_bar_heights": [0, 0, 0, 0]}
    texts = [
        activation(9, ["The", " cat", " sat"], [0.0, 8.0, 1.0]),
        activation(9, ["The", " cat", " sat"], [0.0, 8.0, 1.0]),
        activation(9, [" a", "<b>"], [0.5, 0], binMin=0, binMax=4, binContains=0.995),
        activation(9, ["zero"], [0.0], binMin=0, binMax=4, binContains=0.995),
        activation(2, [" the", "\x00"], [0.0, 0.0]),
    ]
    write_export(folder, rows, texts, [explanation(9, "cats")])


def write_circuit_tracer(folder: Path) -> None:
    objects = [circuit_tracer.feature(n) for n in range(3)]
    circuit_tracer.packed(folder, {5: [*objects, None], 6: [{}, objects[0]]})


def write_openai(folder: Path) -> None:
    atoms = folder / "gpt2-small/v5_32k/layer_8/resid_post_mlp/atoms"
    openai.write(atoms / "3.json", openai.feature(skew=9.0, kurtosis=99.0))
    openai.write(atoms / "4.json", {"density": 0, "hist": {}, "top": [], "random": []})


CASES: list[tuple[Importer, Callable[[Path], None], dict[str, list[int]]]] = [
    (NEURONPEDIA, write_neuronpedia, {"gpt2-small/6-res-test": [0, 2, 9]}),
    (CIRCUIT_TRACER, write_circuit_tracer, {"files/layer-5": [0, 1, 2], "files/layer-6": [0, 1]}),
    (OPENAI_VIEWER, write_openai, {"gpt2-small/v5-32k-layer-8-resid-post-mlp": [3, 4]}),
]


@pytest.mark.parametrize(
    ("importer", "write", "expected"), CASES, ids=[case[0].name for case in CASES]
)
def test_every_feature_has_a_page(
    tmp_path: Path,
    importer: Importer,
    write: Callable[[Path], None],
    expected: dict[str, list[int]],
) -> None:
    write(tmp_path / "files")
    done = imported(importer, tmp_path / "files", tmp_path / "atlas.db")
    assert {str(one.address): one.n_features for one in done} == {
        address: len(indices) for address, indices in expected.items()
    }
    source = importer.open(tmp_path / "files")[0].dictionary
    with pages_of(tmp_path / "atlas.db") as client:
        assert client.get("/").status_code == 200
        for address, indices in expected.items():
            page = client.get(f"/{address}")
            assert page.status_code == 200
            for said in (*source.absent, *source.approximate):
                assert said.replace("'", "&#39;") in page.text
            for index in indices:
                for suffix in ("", ".json"):
                    answer = client.get(f"/{address}/{index}{suffix}")
                    assert answer.status_code == 200, (address, index, suffix, answer.text[-900:])
            assert client.get(f"/{address}/{max(indices) + 1}").status_code == 404


@pytest.mark.parametrize("numbered", [False, True])
def test_tokens_without_their_logits_have_no_empty_column(tmp_path: Path, numbered: bool) -> None:
    logits = [[" yes", 0.5], [" y", 0.25]] if numbered else [" yes", " y"]
    one = circuit_tracer.feature(0, top_logits=logits)
    circuit_tracer.packed(tmp_path / "files", {5: [one]})
    imported(CIRCUIT_TRACER, tmp_path / "files", tmp_path / "atlas.db")
    with pages_of(tmp_path / "atlas.db") as client:
        page = client.get("/files/layer-5/0").text
    assert ("<th scope=col class=num>logit</th>" in page) is numbered
    assert ("either way, without their logits;" in page) is not numbered


def test_what_was_exported_is_shown_again(export: Export, atlas: Atlas, tmp_path: Path) -> None:
    """Neuronpedia's layout holds the texts without their first position."""
    (done,) = imported(NEURONPEDIA, export("neuronpedia", "--sae", FIRST), tmp_path / "again.db")
    assert done.n_features == N_FEATURES
    before = atlas.dictionary(*FIRST.split("/"))
    with Atlas.open(tmp_path / "again.db") as again:
        after = again.dictionary(done.address.model, done.address.sae)
        assert after.record.hook_name == before.record.hook_name
        for index in range(N_FEATURES):
            first, second = before.feature(index), after.feature(index)
            assert second.histogram is None or first.histogram is not None
            top = [e.activation for e in held(first, "top")]
            assert sorted(top, reverse=True) == [e.activation for e in second.top_examples]
            old = strongest_band_first(held(first, "interval"))
            new = strongest_band_first(list(second.group("interval")))
            assert sorted(e.activation for e in old) == sorted(e.activation for e in new)
            assert {_text(e.context.tokens[1:]) for e in old} >= {
                _text(e.context.tokens) for e in new if e.repeats == 1
            }
    with pages_of(tmp_path / "again.db") as client:
        for index in range(N_FEATURES):
            assert client.get(f"/{done.address}/{index}").status_code == 200


def _text(tokens: tuple[str, ...]) -> str:
    return "".join(tokens).replace("\x00", " ")


def test_the_command_takes_each_format(tmp_path: Path) -> None:
    """All into one atlas; explanations become labels of the notebook beside it."""
    atlas = tmp_path / "atlas.db"
    for importer, write, _ in CASES:
        folder = tmp_path / importer.name
        write(folder)
        done = CliRunner().invoke(cli, ["import", importer.name, str(folder), str(atlas)])
        assert done.exit_code == 0, (done.output, done.exception)
    with pages_of(atlas) as client:
        page = client.get("/gpt2-small/6-res-test/9").text
        assert "cats" in page and "&lt;b&gt;" in page
        assert client.get("/gpt2-small/v5-32k-layer-8-resid-post-mlp/3").status_code == 200


def test_a_file_that_is_refused_leaves_no_atlas(tmp_path: Path) -> None:
    write_export(tmp_path / "files", [feature(1), feature(2, frac_nonzero=7)])
    opened = NEURONPEDIA.open(tmp_path / "files")
    output = tmp_path / "atlas.db"
    with pytest.raises(AtlasError, match=r"batch-0.jsonl.gz, line 2, has frac_nonzero = 7"):
        build_atlas(output, opened, Asked("neuronpedia", "Neuronpedia", tmp_path / "files"))
    assert not output.exists()
