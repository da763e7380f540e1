"""Runs the server until it is interrupted, and says where it can be reached.

Takes what the command line was told; binds the address itself, so that a port in use is a sentence
and port 0 has a number before it is announced. Knows no page.
"""

import gc
import ipaddress
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import uvicorn
from pydantic import SecretStr

from app.errors import AtlasError
from app.settings import Settings
from app.web.factory import create_app
from app.web.log import log_config
from app.web.wire import BoundedProtocol

_BACKLOG = 128
_OBJECTS_BETWEEN_COLLECTIONS = 10_000


@dataclass(frozen=True)
class Live:
    """A model behind the pages, as the settings of the same names say it."""

    live: bool
    live_model: str
    live_saes: tuple[Path, ...]
    live_device: str


@dataclass(frozen=True)
class Trusted:
    """A proxy that signs people in, as the settings of the same names say it."""

    trusted_header: str
    trusted_proxies: tuple[str, ...]
    trusted_role: str


def serve(
    atlas: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    access_key: str | None = None,
    public: bool = False,
    allowed_hosts: tuple[str, ...] = (),
    public_url: str = "",
    embed_hosts: tuple[str, ...] = (),
    notebook: str = "",
    trusted: Trusted | None = None,
    requests_per_second: float = 50,
    live: Live | None = None,
) -> None:
    """Serves an atlas; returns after an interrupt.

    Raises:
        AtlasError: the atlas can't be opened, the address can't be taken, or the settings would
            show it to strangers by accident.
    """
    settings = Settings(
        atlas=atlas,
        host=host,
        port=port,
        access_key=None if access_key is None else SecretStr(access_key),
        public=public,
        allowed_hosts=allowed_hosts,
        public_url=public_url,
        embed_hosts=embed_hosts,
        notebook=notebook,
        requests_per_second=requests_per_second,
        **(asdict(trusted) if trusted else {}),
        **(asdict(live) if live else {}),
    )
    app = create_app(settings)
    bound = bind(settings)
    config = uvicorn.Config(
        app,
        log_config=log_config(settings),
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whose word is taken is for the access layer to say
        http=BoundedProtocol,
    )
    # What isn't read by somebody now is a log, and no log holds a key.
    url = open_url(settings, bound.getsockname()[1], with_key=sys.stderr.isatty())
    print(
        f"{settings.atlas} is open at {url}\nCtrl-C ends the server.", file=sys.stderr, flush=True
    )
    # What is loaded by now stays: collections that pass over it made one page in a hundred slow.
    # The parts of a page are freed as it is sent, without any help: fewer, later searches for what
    # isn't take a tenth off the time of a page.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    uvicorn.Server(config).run(sockets=[bound])


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the address of the settings.

    Raises:
        AtlasError: the port is in use or not allowed, or the address isn't this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        # The protocol must be named: without it asyncio leaves Nagle's algorithm on, and every
        # answer waits 40 ms for an acknowledgement.
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(settings, error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _cannot_listen(settings, error) from error
    return bound


def _cannot_listen(settings: Settings, error: OSError) -> AtlasError:
    return AtlasError(
        f"Can't listen on {settings.host} port {settings.port} ({error.strerror or error}): "
        "choose another --port, or 0 for any free one."
    )


def open_url(settings: Settings, port: int, with_key: bool = True) -> str:
    """The link to give to those who may look; it holds the access key if there is one.

    Args:
        with_key: False says instead what to put there.
    """
    name = settings.host
    try:
        number = ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        if number.is_unspecified:
            name = socket.gethostname()
        elif number.version == 6:
            name = f"[{name}]"
    shown = quote(settings.key or "", safe="") if with_key else "… (the access key)"
    key = f"?key={shown}" if settings.key is not None else ""
    return f"http://{name}:{port}/{key}"
