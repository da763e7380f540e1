"""Taking the address and saying where it is."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.errors import AtlasError
from app.settings import Settings
from app.web.serve import bind, open_url, serve

ATLAS = Path("atlas.db")


def test_a_port_in_use_is_a_sentence(atlas_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AtlasError, match=rf"Can't listen on 127\.0\.0\.1 port {port}"):
            serve(atlas_path, port=port)


def test_an_address_of_another_machine_is_a_sentence() -> None:
    with pytest.raises(AtlasError, match=r"Can't listen on 192\.0\.2\.1"):
        bind(Settings(atlas=ATLAS, host="192.0.2.1", public=True))


def test_answers_are_not_held_back() -> None:
    """asyncio switches Nagle's algorithm off only where the protocol is named."""
    with bind(Settings(atlas=ATLAS, port=0)) as bound:
        assert bound.proto == socket.IPPROTO_TCP


def test_a_missing_atlas_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="There is no atlas at"):
        serve(tmp_path / "none.db", port=0)


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]"),
     ("0.0.0.0", socket.gethostname())],
)  # fmt: skip
def test_the_link_to_give_away(host: str, name: str) -> None:
    settings = Settings(atlas=ATLAS, host=host, access_key=SecretStr("a b&c, long enough"))
    assert open_url(settings, 8123) == f"http://{name}:8123/?key=a%20b%26c%2C%20long%20enough"


def test_without_a_key_the_link_is_the_address() -> None:
    assert open_url(Settings(atlas=ATLAS), 8000) == "http://127.0.0.1:8000/"
