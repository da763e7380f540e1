"""What a server is told: which atlas, where to listen, who may look.

Filled from arguments (the command line) or from the environment (`FEATURE_ATLAS_PORT=…`); a
combination that would show an atlas to strangers by accident is refused. Reads no file.
"""

import ipaddress
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import AtlasError

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_EMBED_HOST = re.compile(r"(https?://)?(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?")
"""A host of the policy `frame-ancestors`; nothing in it can end the policy or begin another."""
_HEADER = re.compile(r"[A-Za-z0-9-]{1,80}")
_OWN_HEADERS = ("authorization", "cookie", "host", "origin", "content-type", "content-length",
                "x-forwarded-for", "x-forwarded-proto")  # fmt: skip
_SHORTEST_KEY = 16
"""Characters: of letters and digits drawn at random about 2^95 keys, beyond any guessing"""
_MAKE_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"


class Settings(BaseSettings):
    """Settings of one server.

    Raises:
        AtlasError: an address other than this machine's own without an access key or `public`,
            an access key together with `public`, one of fewer than 16 characters, or an address
            or host that is none.
    """

    model_config = SettingsConfigDict(env_prefix="FEATURE_ATLAS_", frozen=True)

    atlas: Path
    """the atlas file"""
    host: str = "127.0.0.1"
    """address to listen on"""
    port: int = Field(default=8000, ge=0, le=65535)
    """0 lets the system choose"""
    access_key: SecretStr | None = None
    """whoever opens a link with `?key=` and this value may look; nobody else. At least 16
    characters"""
    public: bool = False
    """anyone who can reach the server may look"""
    allowed_hosts: tuple[str, ...] = ()
    """names the server is reached by, besides this machine's own; `*` allows any"""

    public_url: str = ""
    """where others reach the server (https://atlas.example.org, a path may follow): the base of the
    absolute addresses that link previews need; without it pages have no preview image"""
    embed_hosts: tuple[str, ...] = ()
    """hosts whose pages may show `?embed` addresses in a frame; nobody without any"""

    notebook: str = ""
    """where what people write is kept: a path or postgresql://user@host/database; empty for a file
    beside the atlas, `off` for nowhere"""

    trusted_header: str = ""
    """header in which a proxy that signs people in gives their name; empty for none"""
    trusted_proxies: tuple[str, ...] = ()
    """addresses of our own proxies (127.0.0.1, 10.0.0.0/8): only from them the header counts, and
    what they forward about where a request came from"""
    trusted_role: Literal["read", "write", "admin"] = "write"
    """what those whom the proxy signed in may do"""
    requests_per_second: float = Field(default=50, ge=0, le=100_000)
    """of one key, or one address without any, in the long run; ten times as many at once, a tenth
    of it for writing; 0 for no bound. This machine's own user has none"""

    live: bool = False
    """run the model behind the pages: it answers texts of the visitors' own"""
    live_model: str = ""
    """folder or hub name of it; empty takes what the atlas' recipe names"""
    live_saes: tuple[Path, ...] = ()
    """the dictionaries; empty takes what the recipe names"""
    live_device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto for the best there is"""
    live_tokens: int = Field(default=512, ge=2, le=100_000)
    """most tokens of a text, BOS included; never more than the model takes"""
    live_new_tokens: int = Field(default=64, ge=1, le=256)
    """most tokens the model writes for one request"""
    live_seconds: float = Field(default=30, gt=0, le=3600)
    """that one request may compute"""
    live_waiting: int = Field(default=256, ge=1, le=10_000)
    """requests at hand; further ones are told when to ask again"""

    @property
    def notebook_place(self) -> str | None:
        """Path or address of the notebook; None where none is kept."""
        if self.notebook == "off":
            return None
        return self.notebook or str(self.atlas.with_suffix(".notebook.db"))

    @property
    def loopback(self) -> bool:
        """Only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def key(self) -> str | None:
        """The access key itself."""
        return None if self.access_key is None else self.access_key.get_secret_value()

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        if value and not _PUBLIC_URL.fullmatch(value):
            raise AtlasError(
                f"The public address {value!r} can't be used: write it with its scheme and without "
                "a question mark, such as https://atlas.example.org."
            )
        return value.rstrip("/")

    @field_validator("embed_hosts")
    @classmethod
    def _check_embed_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _EMBED_HOST.fullmatch(host):
                raise AtlasError(
                    f"The embed host {host!r} can't be used: write a host such as "
                    "wiki.example.org, *.example.org or https://wiki.example.org:8443."
                )
        return value

    @field_validator("trusted_header")
    @classmethod
    def _check_trusted_header(cls, value: str) -> str:
        if value and (not _HEADER.fullmatch(value) or value.lower() in _OWN_HEADERS):
            raise AtlasError(
                f"The trusted header {value!r} can't be used: write the name of one that only your "
                "proxy sets, such as X-Remote-User."
            )
        return value

    @model_validator(mode="after")
    def _check_proxies(self) -> "Settings":
        if self.trusted_header and not self.trusted_proxies:
            raise AtlasError(
                f"Anybody could send {self.trusted_header}: add --trusted-proxy with the address "
                "of the proxy that may, such as 127.0.0.1."
            )
        if self.trusted_header and self.public:
            raise AtlasError(
                "Both --trusted-header and --public are given: a public atlas asks nobody's name, "
                "so choose one of them."
            )
        return self

    @model_validator(mode="after")
    def _check_access(self) -> "Settings":
        if self.key is not None and len(self.key.strip()) < _SHORTEST_KEY:
            raise AtlasError(
                f"The access key has {len(self.key.strip())} characters and could be guessed: give "
                f"{_SHORTEST_KEY} or more, made for example with {_MAKE_KEY}."
            )
        if self.key is not None and self.public:
            raise AtlasError(
                "Both --access-key and --public are given: a public atlas needs no key, so choose "
                "one of them."
            )
        # Whether a notebook that is named has keys can't be known here: `refuse_if_open` looks.
        if not self.guarded and not self.notebook:
            raise AtlasError(open_to_strangers(self.host))
        return self

    @property
    def guarded(self) -> bool:
        """Nobody from elsewhere gets in by accident, whether or not anybody made a key."""
        return bool(self.loopback or self.key or self.public or self.trusted_header)


def open_to_strangers(host: str) -> str:
    """The sentence for a server that would show its atlas to other machines by accident."""
    return (
        f"Listening on {host} would show the atlas to other machines: add --access-key KEY to "
        "admit those who have the link, or --public to admit anyone; or make keys with "
        "`feature-atlas keys create` and name their --notebook."
    )
