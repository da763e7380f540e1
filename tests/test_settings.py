"""Which combinations of settings would show an atlas to strangers."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.errors import AtlasError
from app.settings import Settings

ATLAS = Path("atlas.db")


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
    assert Settings(atlas=ATLAS, host=host, access_key=SecretStr("k")).key == "k"


def test_a_key_must_be_one_and_excludes_public() -> None:
    with pytest.raises(AtlasError, match="The access key is empty"):
        Settings(atlas=ATLAS, access_key=SecretStr("  "))
    with pytest.raises(AtlasError, match="Both --access-key and --public"):
        Settings(atlas=ATLAS, access_key=SecretStr("k"), public=True)


def test_the_key_is_not_printed() -> None:
    assert "secret" not in repr(Settings(atlas=ATLAS, access_key=SecretStr("secret")))
