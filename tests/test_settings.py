"""Which combinations of settings would show an atlas to strangers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.errors import AtlasError
from app.settings import Settings

ATLAS = Path("atlas.db")
KEY = "abcdefghijklmnopqrstuvwx"


def test_only_this_machine_by_default() -> None:
    settings = Settings(atlas=ATLAS)
    assert (settings.host, settings.loopback, settings.key) == ("127.0.0.1", True, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert Settings(atlas=ATLAS, host=host).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "atlas.example.org"])
def test_another_address_needs_a_key_or_a_word(host: str) -> None:
    with pytest.raises(AtlasError, match=r"--access-key KEY .* or --public"):
        Settings(atlas=ATLAS, host=host)
    assert not Settings(atlas=ATLAS, host=host, public=True).loopback
    assert Settings(atlas=ATLAS, host=host, access_key=SecretStr(KEY)).key == KEY


def test_a_key_excludes_public() -> None:
    with pytest.raises(AtlasError, match="Both --access-key and --public"):
        Settings(atlas=ATLAS, access_key=SecretStr(KEY), public=True)


@pytest.mark.parametrize(("key", "n"), [("", 0), ("  ", 0), ("hunter2", 7), (KEY[:15] + "   ", 15)])
def test_a_key_that_can_be_guessed_is_refused_and_not_repeated(key: str, n: int) -> None:
    with pytest.raises(AtlasError, match=f"has {n} characters") as refused:
        Settings(atlas=ATLAS, access_key=SecretStr(key))
    assert not key.strip() or key.strip() not in str(refused.value)
    assert Settings(atlas=ATLAS, access_key=SecretStr(KEY[:16])).key == KEY[:16]


def test_the_sentence_says_how_to_make_one() -> None:
    with pytest.raises(AtlasError) as refused:
        Settings(atlas=ATLAS, access_key=SecretStr("short"))
    code = re.findall(r"python -c '(.*)'", str(refused.value))[0]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    made = said.stdout.strip()
    assert Settings(atlas=ATLAS, access_key=SecretStr(made)).key == made


def test_the_key_is_not_printed() -> None:
    assert KEY not in repr(Settings(atlas=ATLAS, access_key=SecretStr(KEY)))
