"""Makes the application: the only place of the server that knows all its parts.

Takes settings, gives a FastAPI application; importing this makes nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DatabaseError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from app import __version__
from app.db.cursor import BadCursor
from app.errors import AtlasError
from app.notebook.database import open_notebook
from app.notebook.errors import Absent, NotAllowed
from app.settings import Settings
from app.web import respond, static_files, urls
from app.web.access.cookies import Cookies
from app.web.access.guard import refuse_if_open
from app.web.access.middleware import AccessMiddleware
from app.web.access.proxies import ProxyMiddleware
from app.web.access.visit import visit
from app.web.atlas_file import AtlasFile
from app.web.description import DescribedApp
from app.web.head import HeadMiddleware
from app.web.headers import SecurityHeadersMiddleware
from app.web.hosts import HostMiddleware
from app.web.limits import SizeMiddleware
from app.web.live import start_live
from app.web.memory import MemoryOfBuild
from app.web.notebook.name_cache import NameCache
from app.web.notebook.scope import EVERYTHING
from app.web.routes import (
    cards,
    combined,
    compare,
    connections,
    context,
    dictionary,
    docs,
    effects,
    export,
    feature,
    figures,
    geometry,
    health,
    index,
    live,
    live_json,
    matches,
    notebook_features,
    notebook_lists,
    notebook_things,
    points,
    pruning,
    quality,
    regions,
    search,
    shares,
    suggest,
)
from app.web.templating import make_templates


def create_app(settings: Settings) -> FastAPI:
    """The server of one atlas.

    Raises:
        AtlasError: the atlas can't be opened.
    """
    static = static_files.load_static_files()
    atlas_file = AtlasFile(settings.atlas)
    atlas_file.current()
    place = settings.notebook_place
    notebook = None if place is None else open_notebook(place)
    refuse_if_open(settings, notebook)
    owner = start_live(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        if owner is not None:
            owner.close()
        atlas_file.close()
        if notebook is not None:
            notebook.dispose()

    app = DescribedApp(
        title="Feature Atlas",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=urls.openapi_url(),
        lifespan=lifespan,
    )
    app.state.atlas_file = atlas_file
    app.state.notebook = notebook
    app.state.names = NameCache()
    app.state.notebook_scope = EVERYTHING
    app.state.live = owner
    app.state.cookies = Cookies(f"{settings.atlas.resolve()} {place}")
    app.state.static = static
    app.state.memory = MemoryOfBuild(settings.atlas)
    # A page without the model's controls is another page.
    app.state.code_version = static_files.code_version(static) + ("live" if owner else "")
    app.state.templates = make_templates(static)
    live_saes = owner.saes if owner else {}
    app.state.templates.globals |= {
        "keeps_notebook": notebook is not None,
        "runs_model": bool(live_saes),
        "may_run": lambda address: address in live_saes and visit().is_inside,
    }
    app.state.public_url = settings.public_url
    app.state.static_copy = False
    app.state.embed_hosts = settings.embed_hosts
    # What lies under `/-/` comes first: `/{model}/{sae}/…` would take some of it for a dictionary.
    modules = (health, static_files, docs, index, search, suggest, shares)
    modules = (*modules, notebook_things, notebook_lists, live_json, live, notebook_features)
    modules = (*modules, quality, pruning, geometry, matches, connections, regions)
    modules = (*modules, effects, combined)
    modules = (*modules, context, figures, cards, export, compare, feature, points, dictionary)
    for module in modules:
        app.include_router(module.router)
    _add_handlers(app)
    _add_middleware(app, settings)
    return app


def _add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, respond.on_http_exception)
    app.add_exception_handler(RequestValidationError, respond.on_invalid_arguments)
    app.add_exception_handler(BadCursor, respond.on_bad_cursor)
    app.add_exception_handler(AtlasError, respond.on_atlas_error)
    app.add_exception_handler(Absent, respond.on_absent)
    app.add_exception_handler(NotAllowed, respond.on_not_allowed)
    app.add_exception_handler(DatabaseError, respond.on_damaged_atlas)
    app.add_exception_handler(Exception, respond.on_any_error)


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added sees a request first."""
    notebook, cookies = app.state.notebook, app.state.cookies
    app.add_middleware(AccessMiddleware, settings=settings, notebook=notebook, cookies=cookies)
    app.add_middleware(
        ProxyMiddleware, header=settings.trusted_header, proxies=settings.trusted_proxies
    )
    app.add_middleware(HostMiddleware, settings=settings)
    app.add_middleware(SizeMiddleware)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=3)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(HeadMiddleware)
