"""A user's functions through the whole job: every number against dense recomputation, pages that
answer, and the numbers of the ordinary job where both define them."""

import html
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from app.check.whole import Asked, check_whole
from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.examples import get_groups
from app.db.features import get_feature, get_panels
from app.db.studies import get_study
from app.db.study_records.combined import CombinedStudy
from app.db.study_records.geometry import Geometry
from app.errors import AtlasError
from app.precompute.brought.module import precompute_module
from app.precompute.model.language_model import LanguageModel
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.sae.architectures import keep_top_k
from app.sae.readers import load_dictionary
from app.settings import Settings
from app.web.factory import create_app

ACIDS = [*"ACDEFGHIKLMNPQRSTVWY", "<mask>"]
D_IN, D_SAE, SIZE = 6, 9, 12


class Protein(torch.nn.Module):
    """A convolution that looks both ways, so that padding would be seen."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embedding = torch.randn(len(ACIDS), D_IN, generator=generator)
        self.kernel = torch.randn(D_IN, D_IN, 3, generator=generator) / 3
        self.W_enc = torch.randn(D_IN, D_SAE, generator=generator)
        self.W_dec = torch.randn(D_SAE, D_IN, generator=generator) / 3

    def activations(self, tokens: torch.Tensor) -> torch.Tensor:
        assert tokens.max() < len(ACIDS), "padding is not shown to the function"
        x = self.embedding[tokens]
        return x + torch.nn.functional.conv1d(x.mT, self.kernel, padding=1).mT

    def hidden_pre(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.W_enc - 1

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.hidden_pre(x).relu()

    def decode(self, acts: torch.Tensor) -> torch.Tensor:
        return acts @ self.W_dec + 0.1


@pytest.fixture(scope="module")
def sequences() -> dict[str, str]:
    random = np.random.default_rng(0)
    return {
        f"P{i:03d}": "".join(random.choice(ACIDS[:20], random.integers(3, 31))) for i in range(40)
    }


def arguments(module: Protein, texts: dict[str, str], **others: Any) -> dict[str, Any]:
    return {
        "name": "protein/conv",
        "activations": module.activations,
        "encode": module.encode,
        "decode": module.decode,
        "vocabulary": ACIDS,
        "sequences": texts,
        "special": ["<mask>"],
        "context_size": SIZE,
        "ablation_window": 3,
        "context_examples": 1,
    } | others


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, sequences: dict[str, str]) -> Path:
    """An atlas of all that can be given."""
    path, module = tmp_path_factory.mktemp("protein") / "atlas.db", Protein()
    precompute_module(
        path,
        **arguments(
            module, sequences, hidden_pre=module.hidden_pre, threshold=0.0, W_dec=module.W_dec,
            unembedding=torch.eye(D_IN, len(ACIDS)),
        ),
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def dense(sequences: dict[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(x, activations, counted, tokens) of all contexts, each piece of a sequence by itself."""
    module = Protein()
    pieces = [
        [ACIDS.index(acid) for acid in text[start : start + SIZE]]
        for text in sequences.values()
        for start in range(0, len(text), SIZE)
    ]
    x = np.zeros((len(pieces), SIZE, D_IN))
    acts = np.zeros((len(pieces), SIZE, D_SAE))
    counted, tokens = np.zeros((len(pieces), SIZE), bool), np.full((len(pieces), SIZE), len(ACIDS))
    for row, piece in enumerate(pieces):
        found = module.activations(torch.tensor([piece]))[0]
        x[row, : len(piece)], acts[row, : len(piece)] = found, module.encode(found)
        counted[row, 1 : len(piece)] = True
        tokens[row, : len(piece)] = piece
    return x, acts, counted, tokens


def test_statistics_are_those_of_the_dense_activations(whole: Path, dense: Any) -> None:
    x, acts, counted, tokens = dense
    n = counted.sum()
    module = Protein()
    atlas = open_atlas(whole)
    with atlas.connect() as connection:
        sae = find_sae(connection, "protein", "conv")
        assert sae is not None and sae.corpus.n_tokens == n
        error = x[counted] - module.decode(torch.tensor(acts[counted]).float()).numpy()
        spread = x[counted] - x[counted].mean(axis=0)
        quality = sae.record.quality
        assert quality.l0 == pytest.approx((acts[counted] > 0).sum() / n)
        assert quality.mse == pytest.approx((error**2).mean(), rel=1e-4)
        explained = 1 - (error**2).sum() / (spread**2).sum()
        assert quality.explained_variance == pytest.approx(explained, rel=1e-4)
        assert quality.ce_clean is None
        for index in range(D_SAE):
            own = np.where(counted, acts[..., index], 0)
            active = own[own > 0]
            record = get_feature(connection, sae.sae_id, index)
            panels = get_panels(connection, sae.sae_id, index)
            assert record is not None and panels is not None
            assert record.n_active == active.size
            assert record.density == active.size / n
            assert record.max_activation == pytest.approx(active.max(), rel=1e-5)
            assert record.mean_activation == pytest.approx(active.mean(), rel=1e-5)
            assert record.std_activation == pytest.approx(active.std(), rel=1e-5)
            assert record.n_contexts_active == (own > 0).any(axis=1).sum()
            zero = acts[:, 0, index]
            assert record.position_zero_n_active == (zero > 0).sum()
            assert record.position_zero_max == pytest.approx(zero.max(), rel=1e-5)
            norm = module.W_dec[index].norm().item()
            assert record.decoder_norm == pytest.approx(norm, rel=1e-5)
            assert panels.histogram is not None and panels.histogram.counts.sum() == active.size
            edges = np.linspace(0, active.max(), 51)
            counts = np.histogram(active, edges)[0]
            assert np.abs(panels.histogram.counts.astype(int) - counts).sum() <= 2
            mass = np.bincount(tokens[own > 0], own[own > 0], minlength=len(ACIDS))
            assert panels.tokens is not None
            strongest = int(panels.tokens.token_id[0])
            assert mass[strongest] == pytest.approx(mass.max(), rel=1e-5)
            assert panels.tokens.share[0] == pytest.approx(mass.max() / mass.sum(), rel=1e-4)
            of_token = tokens == strongest
            assert panels.tokens.n_occurrences[0] == (of_token & counted).sum()
            top, _ = get_groups(connection, sae.sae_id, index)["top"]
            peaks = own.max(axis=1)
            assert top.activation[0] == pytest.approx(peaks.max(), rel=1e-4)
            place = own[top.context_id.astype(int), top.position.astype(int)]
            assert np.allclose(place, top.activation, rtol=1e-4)
            assert (place == peaks[top.context_id.astype(int)]).all()
            cosine = torch.nn.functional.cosine_similarity(module.W_dec[index], module.W_dec)
            cosine[index] = -2
            assert panels.neighbors is not None
            assert panels.neighbors.feature_index[0] == int(cosine.argmax())
    atlas.close()


def test_ablated_text_is_what_the_function_gives_for_changed_texts(whole: Path, dense: Any) -> None:
    _, _, _, tokens = dense
    module = Protein()

    def read(text: np.ndarray, index: int) -> float:
        x = module.activations(torch.from_numpy(text[None].astype(np.int64)))[0, -1:]
        return float(module.encode(x)[0, index])

    atlas = open_atlas(whole)
    with atlas.connect() as connection:
        sae = find_sae(connection, "protein", "conv")
        assert sae is not None
        n_deleted = 0
        for index in range(D_SAE):
            top, ablated = get_groups(connection, sae.sae_id, index)["top"]
            assert ablated is not None
            for row, rank in enumerate(ablated.rank):
                peak = int(top.position[rank])
                text = tokens[int(top.context_id[rank]), : peak + 1]
                baseline = read(text, index)
                assert ablated.baseline[row] == pytest.approx(baseline, rel=1e-4, abs=1e-5)
                part = slice(int(ablated.delete_indptr[row]), int(ablated.delete_indptr[row + 1]))
                for position, effect in zip(
                    ablated.delete_position[part], ablated.delete_effect[part], strict=True
                ):
                    changed = read(np.delete(text, int(position)), index)
                    assert effect == pytest.approx(changed - baseline, abs=1e-3)
                    n_deleted += 1
        assert n_deleted > 50
    atlas.close()


@pytest.fixture(scope="module")
def least(tmp_path_factory: pytest.TempPathFactory, sequences: dict[str, str]) -> Path:
    """An atlas of as little as can be given."""
    path = tmp_path_factory.mktemp("least") / "atlas.db"
    precompute_module(path, **arguments(Protein(), sequences))
    return path


def test_what_was_not_given_is_absent_and_said(least: Path) -> None:
    client = TestClient(create_app(Settings(atlas=least)), base_url="http://127.0.0.1")
    for address in ("/", "/protein/conv", "/protein/conv/3?group=near", "/-/search?q=A"):
        assert client.get(address).status_code == 200
    page = client.get("/protein/conv/3").text
    assert "There is no logit lens" in page
    assert "the decoder rows were not given" in page
    assert "‖W_dec‖" not in page
    assert "no function hidden_pre was given" in client.get("/protein/conv").text
    twin = client.get("/protein/conv/3.json").json()
    assert twin["statistics"]["decoder_norm"] is None
    assert twin["logit_lens"] is None
    assert not [each for each in twin["examples"] if each["group"] == "near"]
    assert [each for each in twin["examples"] if each["group"] == "silent"]
    checks = list(check_whole(least, Asked(9, 0, None, ())))
    assert [problem for each in checks for problem in each.problems] == []


def test_nothing_that_takes_files_is_offered(least: Path, whole: Path) -> None:
    client = TestClient(create_app(Settings(atlas=least)), base_url="http://127.0.0.1")
    for study in ("norms", "pruning", "effects", "connections", "geometry"):
        answer = client.get(f"/protein/conv/{study}")
        assert answer.status_code == 404
        assert f"The study {study!r} can" in html.unescape(answer.text)
        assert "--replace" not in answer.text
    for address in ("/", "/protein/conv/3"):
        assert "started as" not in client.get(address).text
        assert 'id="live"' not in client.get(address).text
        assert "index-live" not in client.get(address).text
    with pytest.raises(AtlasError, match="given as functions or firings"):
        create_app(Settings(atlas=whole, live=True))


def test_pages_of_all_that_can_be_given_answer(whole: Path) -> None:
    client = TestClient(create_app(Settings(atlas=whole)), base_url="http://127.0.0.1")
    studies = [f"/protein/conv/{study}" for study in ("geometry", "combined", "regions", "quality")]
    feature = ["/protein/conv/3", "/protein/conv/3?group=near"]
    for address in ("/", "/protein/conv", *feature, *studies):
        assert client.get(address).status_code == 200, address
    lens = client.get("/protein/conv/3.json").json()["logit_lens"]
    W_dec = Protein().W_dec[3]
    first = lens["raw"]["positive"][0]
    assert first["token"] == ACIDS[int(W_dec.argmax())]
    assert first["logit"] == pytest.approx(float(W_dec.max()), rel=1e-4)


def test_the_same_model_gives_the_numbers_of_the_ordinary_job(
    tmp_path: Path,
    model_folder: Callable[[str], Path],
    small: Callable[..., PrecomputeSettings],
    quiet: Reporter,
    read_content: Callable[[Path], dict[str, Any]],
    differences: Callable[..., list[str]],
) -> None:
    """Ids without borders of documents, so that both take each row as a document."""
    model = LanguageModel.load(model_folder("neox"))
    special = sorted({*model.tokenizer.all_special_ids})
    plain = np.setdiff1d(np.arange(min(len(model.tokenizer), model.d_vocab)), special)
    ids = np.random.default_rng(0).choice(plain[:60], (30, 16))
    np.save(tmp_path / "ids.npy", ids)
    settings = small(
        corpus=str(tmp_path / "ids.npy"),
        context_size=16,
        quality_contexts=8,
        skip=["norms", "variants", "pruning", "matches", "connections", "effects"],
    )
    run(settings, reporter=quiet)
    dictionary = load_dictionary(Path(settings.sae[0]))
    hook = "blocks.0.hook_resid_post"
    words = [f"w{i}" for i in range(model.d_vocab)]

    def logits(tokens: torch.Tensor, x: torch.Tensor | None) -> torch.Tensor:
        return model.logits(tokens, {} if x is None else {hook: lambda _: x})

    precompute_module(
        tmp_path / "brought.db",
        name="tiny/resid",
        activations=lambda tokens: model.activations(tokens, [hook])[hook],
        encode=dictionary.encode,
        decode=dictionary.decode,
        hidden_pre=dictionary.hidden_pre,
        threshold=dictionary.firing_threshold(),
        W_dec=dictionary.W_dec,
        logits=logits,
        vocabulary=words,
        special=[i for i in special if i < model.d_vocab],
        sequences=list(ids),
        reporter=quiet,
        **{
            name: getattr(settings, name)
            for name in (
                "context_size", "ablation_examples", "ablation_interval_examples",
                "ablation_window", "replacements", "context_draws", "quality_contexts",
                "contexts_per_shard", "batch_contexts",
            )
        },
    )  # fmt: skip
    found, expected = read_content(tmp_path / "brought.db"), read_content(settings.output)

    def comparable(content: dict[str, Any]) -> dict[str, Any]:
        tables = ("feature/", "feature_panel/", "feature_example/", "corpus_token/")
        own = {key: value for key, value in content.items() if key.startswith(tables)}
        # What rests on texts of tokens or on weights that only the ordinary job sees.
        lacking = ("/summary", "/short", "/max_logit", "/encoder_decoder_cosine", "/encoder_norm")
        for value in own.values():
            if isinstance(value, dict):
                value.pop("logit_lens", None)
        return {key: value for key, value in own.items() if not key.endswith(lacking)}

    assert len(comparable(expected)) > 400
    assert differences(comparable(found), comparable(expected), 2e-3) == []
    both, studied = [], []
    for path in (tmp_path / "brought.db", settings.output):
        atlas = open_atlas(path)
        with atlas.connect() as connection:
            sae = find_sae(connection, "tiny", "resid")
            assert sae is not None
            both.append(vars(sae.record.quality))
            geometry = get_study(connection, Geometry, sae.sae_id)
            combined = get_study(connection, CombinedStudy, sae.sae_id)
            assert geometry is not None and combined is not None
            studied.append((geometry, combined))
        atlas.close()
    (found_geometry, found_combined), (geometry, combined) = studied
    np.testing.assert_allclose(found_geometry.cosine, geometry.cosine, rtol=1e-5)
    np.testing.assert_array_equal(found_geometry.nearest_index, geometry.nearest_index)
    assert found_geometry.covariance_tokens == geometry.covariance_tokens > 0
    assert found_combined == combined
    for name, value in both[1].items():
        assert both[0][name] == (
            value if isinstance(value, str) else pytest.approx(value, rel=1e-3)
        ), name


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "shape": ({"activations": lambda t: torch.zeros(3, 3)}, "activations returned shape"),
    "nan": (
        {"activations": lambda t: torch.full((*t.shape, D_IN), torch.nan)},
        "activations returned NaN",
    ),
    "raises": ({"encode": lambda x: x @ torch.zeros(99, 3)}, "encode raised RuntimeError"),
    "device": (
        {"encode": lambda x: x @ torch.zeros(D_IN, 3, device="meta")},
        "encode ",
    ),
    "negative": ({"encode": lambda x: x - 10}, "a feature's activation is 0 or above"),
    "no tensor": ({"decode": lambda acts: 3}, "decode returned int"),
    "decode": ({"decode": lambda acts: acts}, "decode returned shape"),
    "W_dec": ({"W_dec": torch.ones(D_SAE, D_IN)}, "W_dec is not what decode adds"),
    "W_dec shape": ({"W_dec": torch.ones(2, 2)}, "W_dec has shape"),
    "threshold": ({"threshold": 1.0}, "threshold is one of hidden_pre"),
    "unembedding": ({"unembedding": torch.ones(2, 2)}, "unembedding has shape"),
    "token": ({"sequences": ["AXC"]}, "sequences, sequence 1: the token 'X' is not in vocabulary"),
    "id": ({"sequences": [[1, 99]]}, "99 is no token"),
    "special": ({"special": ["?"]}, "special: the token '?'"),
    "nothing": ({"sequences": []}, "sequences holds no token"),
    "name": ({"name": "Protein"}, "is not an address"),
    "option": (
        {"top_exmples": 3},
        "top_exmples is no option of precompute_module; the closest are top_examples",
    ),
    "argument": ({"hiden_pre": 3}, "hiden_pre is no option of precompute_module; the closest are"),
    "context": ({"context_size": 10**9}, "context_size is 1000000000: input should be less"),
    "seed": ({"seed": -1}, "seed is -1: input should be greater than or equal to 0"),
    "large seed": ({"seed": 2**32}, "seed is 4294967296: input should be less than"),
    "no features": (
        {"encode": lambda x: x[:, :0]},
        "encode returned shape [12, 0]",
    ),
    "complex": (
        {"activations": lambda t: torch.full((*t.shape, D_IN), 1 + 2j)},
        "activations returned a complex tensor",
    ),
    "complex features": ({"encode": lambda x: x.relu() + 0j}, "encode returned a complex tensor"),
    "complex matrix": (
        {"unembedding": torch.eye(D_IN, len(ACIDS)) + 0j},
        "unembedding is a complex tensor",
    ),
    "unembedding holds NaN": (
        {"unembedding": torch.full((D_IN, len(ACIDS)), torch.nan)},
        "unembedding holds NaN or infinity",
    ),
    "threshold is NaN": (
        {"hidden_pre": Protein().hidden_pre, "threshold": torch.nan},
        "threshold holds NaN or infinity",
    ),
    "other hidden_pre": (
        {"hidden_pre": lambda x: Protein().hidden_pre(x) + 5},
        "hidden_pre doesn't fit encode: feature ",
    ),
    "other threshold": (
        {"hidden_pre": Protein().hidden_pre, "threshold": 0.5},
        "threshold doesn't fit encode: feature ",
    ),
    "threshold under top-k": (
        {
            "hidden_pre": Protein().hidden_pre,
            "encode": lambda x: keep_top_k(Protein().hidden_pre(x), 2),
            "threshold": 0.0,
        },
        "leave it out where other features have a say",
    ),
    "hidden_pre of the batch": (
        {
            "hidden_pre": lambda x: Protein().hidden_pre(x) - len(x) * (Protein().encode(x) == 0),
        },
        "hidden_pre gives one token other numbers when others stand in the same batch",
    ),
    "logits": (
        {"logits": lambda tokens, x: torch.zeros(*tokens.shape, 3)},
        "logits returned shape",
    ),
    "logits in place": (
        {"logits": lambda tokens, x: torch.ones(*tokens.shape, len(ACIDS)) * (1 + (x is None))},
        "logits gives other numbers with a text's own activations in place",
    ),
    "sparse": (
        {"activations": lambda t: torch.ones(*t.shape, D_IN).to_sparse()},
        "activations returned a sparse tensor",
    ),
    "no numbers": (
        {"encode": lambda x: torch.ones(len(x), D_SAE, device="meta")},
        "encode returned a tensor without numbers",
    ),
    "no such device": ({"device": "tpu"}, "device is 'tpu', and there is none such here"),
    "half a character": (
        {"vocabulary": [*ACIDS[:20], chr(0xD800)], "special": []},
        "vocabulary: token 20 is no text",
    ),
    "fraction": ({"sequences": [[1.5, 2, 3]]}, "sequence 1: 1.5 is no token"),
    "truth": ({"sequences": [[True, False]]}, "sequence 1: True is no token"),
    "three axes": (
        {"sequences": np.zeros((2, 3, 4), np.int64)},
        "sequence 1: a token is an array of shape [4], expected one id",
    ),
    "workers": ({"workers": "ray"}, "workers is no option"),
    "separator": ({"separator": "<mask>"}, "separator stands between"),
    "batch": (
        {"activations": lambda t: torch.ones(*t.shape, D_IN) * t.sum()},
        "others stand in the same batch",
    ),
}


@pytest.mark.parametrize("which", WRONG)
def test_a_wrong_argument_is_named(which: str, tmp_path: Path, sequences: dict[str, str]) -> None:
    changes, said = WRONG[which]
    with pytest.raises(AtlasError) as caught:
        precompute_module(tmp_path / "atlas.db", **arguments(Protein(), sequences, **changes))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "--" not in str(caught.value).replace("precompute --help", "")
    assert not any(tmp_path.iterdir())


def test_hidden_pre_may_be_rounded_another_way_and_others_may_have_a_say(
    tmp_path: Path, sequences: dict[str, str], quiet: Reporter
) -> None:
    module = Protein()
    rounded = {"encode": lambda x: module.encode(x).bfloat16(), "threshold": 0.0}
    of_two = {"encode": lambda x: keep_top_k(module.hidden_pre(x), 2)}
    for name, changes in (("rounded", rounded), ("of-two", of_two)):
        precompute_module(
            tmp_path / "atlas.db",
            **arguments(
                module, sequences, name=f"protein/{name}", hidden_pre=module.hidden_pre,
                reporter=quiet, **changes,
            ),
        )  # fmt: skip
    atlas = open_atlas(tmp_path / "atlas.db")
    with atlas.connect() as connection:
        for name in ("rounded", "of-two"):
            assert find_sae(connection, "protein", name) is not None
    atlas.close()


def test_what_is_said_names_arguments(
    tmp_path: Path, sequences: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    precompute_module(tmp_path / "atlas.db", **arguments(Protein(), sequences, progress="json"))
    said = capsys.readouterr().err
    assert "(skip regions)" in said
    assert "less with ablation_examples, " in said
    assert "--" not in said
    with pytest.raises(AtlasError, match="use replace to build it again, or another name"):
        precompute_module(tmp_path / "atlas.db", **arguments(Protein(), sequences))


def test_packed_sequences_are_joined_by_the_separator(
    tmp_path: Path, sequences: dict[str, str], quiet: Reporter
) -> None:
    precompute_module(
        tmp_path / "atlas.db",
        **arguments(Protein(), sequences, separator="<mask>", packing="packed", reporter=quiet),
    )
    (corpus,) = (tmp_path / "atlas.events" / "protein").glob("corpus-*")
    tokens = np.load(corpus / "tokens.npy").reshape(-1)
    joined = "".join(f"{text}*" for text in sequences.values())
    expected = [ACIDS.index(acid) if acid != "*" else 20 for acid in joined]
    assert tokens.tolist() == expected[: len(tokens)]
    assert len(expected) - len(tokens) <= SIZE


_UNCHECKED = """
import sys, torch
from app.errors import AtlasError
from feature_atlas.modules import precompute_module
made = dict(
    name="toy/one", activations=lambda t: torch.ones(*t.shape, 3), encode=lambda x: x,
    decode=lambda acts: acts, vocabulary=["a", "b"], sequences=["ab"], hidden_pre=lambda x: x,
)
for wrong in (
    {"threshold": "high"}, {"sequences": None}, {"sequences": ["ab", None]}, {"name": 5},
    {"vocabulary": None}, {"special": None},
):
    try:
        precompute_module(sys.argv[1], **made | wrong)
    except AtlasError as error:
        print(error)
"""


def test_wrong_types_are_named_where_nothing_checks_them(tmp_path: Path) -> None:
    """The tests' own checks of types would be first: a process without them."""
    done = subprocess.run(
        [sys.executable, "-c", _UNCHECKED, str(tmp_path / "atlas.db")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "threshold is str, expected numbers.",
        "sequences is None: give a list of sequences.",
        "sequences, sequence 2: None is no sequence of tokens.",
        "name is 5, expected an address like toy-protein/layer-0.",
        "vocabulary is no list of strings, one for each token id.",
        "special is None, expected a list of tokens.",
    ]
    assert not any(tmp_path.iterdir())
