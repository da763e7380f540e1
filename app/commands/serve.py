"""`feature-atlas serve`: the pages of an atlas."""

from typing import Annotated

import typer

from app.commands.given import given_dictionaries, given_model
from app.commands.options import AtlasPath, Host, NotebookPlace, Port
from app.errors import AtlasError

AccessKey = Annotated[
    str | None,
    typer.Option(
        envvar="FEATURE_ATLAS_ACCESS_KEY", help="Only who has the link with this key sees a page."
    ),
]
Public = Annotated[bool, typer.Option("--public", help="Let anyone who can reach it see it.")]
AllowedHost = Annotated[
    list[str] | None, typer.Option(help="Host name under which it is reached (repeatable).")
]
PublicUrl = Annotated[
    str, typer.Option(help="Where others reach it (https://…): link previews need it.")
]
EmbedHost = Annotated[
    list[str] | None, typer.Option(help="Host whose pages may frame ?embed pages (repeatable).")
]

TrustedHeader = Annotated[
    str, typer.Option(help="Header in which a proxy that signs people in gives their name.")
]
TrustedProxy = Annotated[
    list[str] | None, typer.Option(help="Address the proxy connects from (repeatable).")
]
TrustedRole = Annotated[
    str,
    typer.Option(help="What those it signed in may do.", metavar="read|write|admin"),
]
RequestsPerSecond = Annotated[
    float,
    typer.Option(min=0, help="Of one key, or one address; ten times it at once. 0: any."),
]


def serve(
    atlas: AtlasPath,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    access_key: AccessKey = None,
    public: Public = False,
    allowed_host: AllowedHost = None,
    public_url: PublicUrl = "",
    embed_host: EmbedHost = None,
    notebook: NotebookPlace = "",
    trusted_header: TrustedHeader = "",
    trusted_proxy: TrustedProxy = None,
    trusted_role: TrustedRole = "write",
    requests_per_second: RequestsPerSecond = 50,
    live: Annotated[
        bool, typer.Option("--live", help="Run the model, to try texts of one's own.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help="With --live: folder or name of the model, where the recipe's isn't found.",
            metavar="PATH",
        ),
    ] = "",
    sae: Annotated[
        list[str] | None,
        typer.Option(
            help="With --live: a dictionary of the atlas, or hf://… (repeatable), likewise.",
            metavar="PATH",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="With --live: cpu, cuda, cuda:1, mps, or auto for the best.")
    ] = "auto",
) -> None:
    """Show an atlas in the browser."""
    from app.access.viewer import role_of
    from app.web.serve import Live, Trusted
    from app.web.serve import serve as run_server

    if not live and (model or sae or device != "auto"):
        raise AtlasError("--model, --sae and --device say what --live runs: add --live.")

    folder = str(given_model(model)) if model else ""
    run_server(
        atlas,
        host,
        port,
        access_key,
        public,
        tuple(allowed_host or ()),
        public_url,
        tuple(embed_host or ()),
        notebook,
        Trusted(trusted_header, tuple(trusted_proxy or ()), role_of(trusted_role)),
        requests_per_second,
        live=Live(live, folder, given_dictionaries(sae or ()), device),
    )
