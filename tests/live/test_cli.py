"""`feature-atlas serve --live`: what can't be run is one sentence, before anything is served."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from tests.live.made import Made


@pytest.fixture
def sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The last line of a command that ends with 2."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["feature-atlas", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        said = capfd.readouterr().err
        assert "Traceback" not in said
        return said.splitlines()[-1]

    return run


def test_another_model_is_refused(
    made: Made, model_folder: Callable[[str], Path], sentence: Callable[..., str]
) -> None:
    said = sentence(
        *("serve", made.atlas, "--live", "--notebook", "off"),
        *("--model", model_folder("gpt2"), "--sae", made.saes[0]),
    )
    assert "is not the model tiny was made from: its weights differ" in said


def test_options_of_the_model_need_live(made: Made, sentence: Callable[..., str]) -> None:
    said = sentence("serve", made.atlas, "--model", made.model)
    assert said == "Error: --model, --sae and --device say what --live runs: add --live."
