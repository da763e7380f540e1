"""The command line: `feature-atlas demo | precompute | explain | serve | export | info | check`.

Turns options into settings and calls one function for each command; libraries are imported inside
the commands, so that the server's commands work where torch is not installed. Bad input ends with
exit code 2 and one sentence. Progress goes to stderr, results to stdout.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from typer.exceptions import TyperException

from app.errors import AtlasError
from app.explain.options import explain
from app.options import AtlasPath, NotebookPlace
from app.precompute.drivers.interruption import EXIT_CODE, Interrupted, Stop
from app.precompute.settings import PrecomputeSettings, read_settings
from app.settings import Settings

cli = typer.Typer(
    name="feature-atlas",
    help="Browse the features of a language model's dictionaries.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
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


def main() -> None:
    """The entry point of the installed command."""
    try:
        sys.exit(cli(args=sys.argv[1:] or ["--help"], standalone_mode=False))
    except AtlasError as error:
        _fail(str(error))
    except DatabaseError as error:
        _fail(f"The atlas is damaged ({error.orig}): `feature-atlas check` says where.")
    except TyperException as error:
        _fail(f"{error.format_message().rstrip('.')} (--help lists the options).")
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE)


def precompute(config: Path | None, **options: Any) -> None:
    """Write an atlas.

    Runs a model and its dictionaries over a corpus; progress goes to stderr. A run that was cut
    short goes on where it was when the same command is given again.
    """
    settings = read_settings(config, **options)
    run = _needs_precompute(lambda: import_module("app.precompute.pipeline").run)
    reporter = _needs_precompute(
        lambda: import_module("app.precompute.progress.reporter").Reporter
    )(kind=settings.progress)
    try:
        _run_until_stopped(lambda stop: run(settings, reporter=reporter, stop=stop), reporter.say)
    except AtlasError as error:
        if settings.progress != "json":
            raise
        reporter.fail(str(error))
        sys.exit(2)
    _say_how_to_open(settings.output)


def _precompute_signature() -> Signature:
    """One option for every field of the settings, under its name and with its docstring as help."""
    config = Annotated[
        Path | None, typer.Option(help="A .toml that holds the same options.", metavar="PATH")
    ]
    parameters = [Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=config)]
    for name, field in PrecomputeSettings.model_fields.items():
        kind, metavar = _kind_and_metavar(name, field.annotation)
        flags = [f"--{name.replace('_', '-')}"]
        if kind in (bool, bool | None):
            flags = [f"{flags[0]}/--no-{flags[0][2:]}"]
        option = typer.Option(*flags, help=_help(kind, field), metavar=metavar, show_default=False)
        parameters.append(
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[kind | None, option],  # type: ignore[operator]
            )
        )
    return Signature(parameters)


def _kind_and_metavar(name: str, kind: Any) -> tuple[Any, str | None]:
    """The type the command line reads an option as, and what `--help` calls its value."""
    if get_origin(kind) is Literal:
        return str, "|".join(get_args(kind))
    if name == "name":
        return kind, "MODEL/SAE"
    (value,) = [part for part in get_args(kind) or [kind] if part is not type(None)]
    return kind, {Path: "PATH", str: "TEXT", int: "N"}.get(value)


def _help(kind: Any, field: FieldInfo) -> str:
    notes = []
    if get_origin(kind) is list:
        notes.append("repeatable")
    if field.is_required():
        notes.append("required")
    elif field.default is not None and field.default != []:
        value = field.default
        notes.append(f"default: {('no', 'yes')[value] if isinstance(value, bool) else value}")
    return f"{field.description} [{'; '.join(notes)}]" if notes else str(field.description)


precompute.__signature__ = _precompute_signature()  # type: ignore[attr-defined]
cli.command()(precompute)
cli.command()(explain)


@cli.command()
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
        list[Path] | None,
        typer.Option(
            help="With --live: a dictionary of the atlas (repeatable), likewise.", metavar="PATH"
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
        live=Live(live, model, tuple(sae or ()), device),
    )


@cli.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the demo's atlas is kept.")] = Path(
        "demo-atlas.db"
    ),
    serve: Annotated[bool, typer.Option("--serve/--no-serve")] = True,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    live: Annotated[
        bool, typer.Option("--live", help="Run its model, to try texts of one's own.")
    ] = False,
) -> None:
    """Build the bundled demo's atlas and show it.

    Building takes a few minutes, once.
    """
    demo = _needs_precompute(lambda: import_module("app.demo.build"))
    _run_until_stopped(lambda stop: demo.build(output, stop=stop))
    if serve:
        from app.web.serve import Live
        from app.web.serve import serve as run_server

        made = demo.demo_settings(output)
        run_server(output, host, port, live=Live(live, made.model, tuple(made.sae), "auto"))
    else:
        _say_how_to_open(output)


WithLabels = Annotated[
    bool,
    typer.Option("--with-labels", help="With the notebook's labels, and who wrote them."),
]
WithNotes = Annotated[
    bool, typer.Option("--with-notes", help="With the notebook's notes, and who wrote them.")
]
export = typer.Typer(help="Take an atlas out of the server.", rich_markup_mode=None)
cli.add_typer(export, name="export")


@export.command("site")
def export_site(
    atlas: AtlasPath,
    output: Annotated[Path, typer.Argument(help="A folder: new, empty or of an earlier export.")],
    sae: Annotated[
        list[str] | None,
        typer.Option(help="Only this dictionary (repeatable).", metavar="MODEL/SAE"),
    ] = None,
    features: Annotated[
        str, typer.Option(help="Of each dictionary: all, a range (0..99) or numbers (1,5,7).")
    ] = "all",
    base_url: Annotated[
        str, typer.Option(help="Where the site will be reached (https://…): for link previews.")
    ] = "",
    with_labels: WithLabels = False,
    with_notes: WithNotes = False,
    notebook: NotebookPlace = "",
) -> None:
    """Write an atlas as a site of plain files, for any file host.

    Nothing of what people wrote goes with it unless it is asked for.
    """
    from app.web.export.site import export_site as write_site
    from app.web.export.written import Written

    written = Written(with_labels, with_notes, notebook)
    write_site(atlas, output, sae or [], features, base_url, written=written)


@export.command("feature")
def export_feature(
    atlas: AtlasPath,
    feature: Annotated[str, typer.Argument(help="Which one.", metavar="MODEL/SAE/NUMBER")],
    output: Annotated[Path, typer.Argument(help="The file to write.")],
    base_url: Annotated[
        str, typer.Option(help="Where the atlas is reached (https://…): for links in the file.")
    ] = "",
    with_labels: WithLabels = False,
    with_notes: WithNotes = False,
    notebook: NotebookPlace = "",
) -> None:
    """Write one feature as one HTML file that needs nothing else.

    Nothing of what people wrote goes with it unless it is asked for.
    """
    from app.web.export.single import export_feature as write_feature
    from app.web.export.written import Written

    written = Written(with_labels, with_notes, notebook)
    write_feature(atlas, feature, output, base_url, written)


notebook = typer.Typer(help="Take labels, notes and lists out, or in.", rich_markup_mode=None)
cli.add_typer(notebook, name="notebook")
LinesFile = Annotated[Path, typer.Argument(help="A file of JSON lines.", metavar="FILE")]


@notebook.command("export")
def export_notebook(atlas: AtlasPath, file: LinesFile, place: NotebookPlace = "") -> None:
    """Write everything in the notebook of an atlas, its history included, as JSON lines."""
    from app.notebook.files import export_file
    from app.settings import Settings

    typer.echo(export_file(Settings(atlas=atlas, notebook=place).notebook_place, file))


@notebook.command("import")
def import_notebook(
    atlas: AtlasPath,
    file: LinesFile,
    place: NotebookPlace = "",
    source: Annotated[str, typer.Option(help="Where labels come from whose lines don't say.")] = "",
    sae: Annotated[
        str,
        typer.Option(help="Dictionary of lines that name none.", metavar="MODEL/SAE"),
    ] = "",
) -> None:
    """Read JSON lines: an exported notebook, or explanations written elsewhere, as labels.

    A line needs "feature_index" and "text", and "model" and "sae" where --sae doesn't give them.
    All of the file is taken or, after a mistake in it, nothing; taking it again changes nothing.
    """
    from app.db.known_features import weights_hashes
    from app.notebook.files import import_file
    from app.settings import Settings

    found = Settings(atlas=atlas, notebook=place).notebook_place
    typer.echo(import_file(found, file, source or file.stem, sae, weights_hashes(atlas)))


keys = typer.Typer(help="Make, list and revoke the keys of an atlas.", rich_markup_mode=None)
shares = typer.Typer(help="List and revoke share links.", rich_markup_mode=None)
cli.add_typer(keys, name="keys")
cli.add_typer(shares, name="shares")
AtlasOfNotebook = Annotated[
    Path | None, typer.Argument(help="An atlas file, for its notebook; or give --notebook.")
]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="Whose it is; what they write is signed with it.")],
    atlas: AtlasOfNotebook = None,
    role: Annotated[
        str, typer.Option(help="read, write, or admin.", metavar="read|write|admin")
    ] = "read",
    dictionary: Annotated[
        str, typer.Option(help="The only dictionary it shows.", metavar="MODEL/SAE")
    ] = "",
    days: Annotated[
        float | None, typer.Option(help="How long it is good; without it, until it is revoked.")
    ] = None,
    notebook: NotebookPlace = "",
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    From the first key on nobody gets in without one, unless the server is started with --public.
    """
    from app.access import keys as made
    from app.access.listing import key_sentence
    from app.access.viewer import role_of
    from app.db.dictionary_address import read_address

    limit = read_address(dictionary, atlas) if dictionary else None
    with _opened_notebook(atlas, notebook) as opened:
        key, token = made.create_key(opened, name, role_of(role), limit, days)
    typer.echo(key_sentence(key), err=True)
    typer.echo(f"It opens http://…/?key={token}", err=True)
    typer.echo(token)


@keys.command("list")
def list_keys(atlas: AtlasOfNotebook = None, notebook: NotebookPlace = "") -> None:
    """Print every key there ever was, without what opens anything."""
    from app.access import keys as made
    from app.access.listing import key_lines

    with _opened_notebook(atlas, notebook) as opened:
        typer.echo("\n".join(key_lines(made.list_keys(opened))))


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its number in `keys list`.", metavar="KEY")],
    atlas: AtlasOfNotebook = None,
    notebook: NotebookPlace = "",
) -> None:
    """End a key now, and the share links made with it."""
    from app.access import keys as made

    with _opened_notebook(atlas, notebook) as opened:
        ended = made.revoke_key(opened, key)
    typer.echo(f"The key {ended.key_id} of {ended.viewer.name} opens nothing any more.")


@shares.command("list")
def list_shares(atlas: AtlasOfNotebook = None, notebook: NotebookPlace = "") -> None:
    """Print every share link there ever was, without what opens anything."""
    from app.access import shares as made
    from app.access.listing import share_lines

    with _opened_notebook(atlas, notebook) as opened:
        typer.echo("\n".join(share_lines(made.list_shares(opened))))


@shares.command("revoke")
def revoke_share(
    link: Annotated[str, typer.Argument(help="Its number in `shares list`.", metavar="LINK")],
    atlas: AtlasOfNotebook = None,
    notebook: NotebookPlace = "",
) -> None:
    """End a share link now."""
    from app.access import shares as made

    with _opened_notebook(atlas, notebook) as opened:
        ended = made.revoke_share(opened, link, "the command line")
    typer.echo(f"The link {ended.share_id} to {ended.address} opens nothing any more.")


@contextmanager
def _opened_notebook(atlas: Path | None, place: str) -> Iterator[Engine]:
    """The notebook that is named, or that of an atlas."""
    from app.notebook.database import open_notebook

    if atlas is None and not place:
        raise AtlasError("Name the atlas whose notebook is meant, or give --notebook.")
    found = Settings(atlas=atlas or Path(), notebook=place).notebook_place
    if found is None:
        raise AtlasError("--notebook off keeps no notebook: keys and links are kept in one.")
    engine = open_notebook(found)
    try:
        yield engine
    finally:
        engine.dispose()


@cli.command()
def info(atlas: AtlasPath) -> None:
    """Print what an atlas holds and how it was made."""
    from app.db.info import describe_atlas

    typer.echo(describe_atlas(atlas))


@cli.command()
def check(
    atlas: AtlasPath,
    sample: Annotated[
        int, typer.Option(min=0, help="Features of each dictionary that are computed again.")
    ] = 16,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the choice of these features.", metavar="N")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of the model, to compute activations again.", metavar="PATH"),
    ] = None,
    sae: Annotated[
        list[Path] | None,
        typer.Option(help="A dictionary of the atlas, for the same (repeatable).", metavar="PATH"),
    ] = None,
) -> None:
    """Verify that an atlas holds what it should.

    Looks at the file, the events beside it, and the model where it is at hand. Prints a line for
    each check; the exit code is 1 if anything is wrong. Which features are computed again is drawn
    anew each time unless --seed is given.
    """
    import secrets

    from app.check.lines import lines_of, verdict
    from app.check.whole import Asked, check_whole

    seed = secrets.randbelow(1_000_000) if seed is None else seed
    checks = []
    asked = Asked(sample, seed, model, tuple(sae or ()))
    for found in check_whole(atlas, asked):
        checks.append(found)
        for line in lines_of(found):
            typer.echo(line)
    typer.echo(verdict(atlas, checks, seed))
    if any(found.problems for found in checks):
        raise typer.Exit(1)


def _needs_precompute(load: Callable[[], Any]) -> Any:
    try:
        return load()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "app":
            raise
        raise AtlasError(
            f"This command needs {error.name}, which is not installed: run "
            "`pip install 'feature-atlas[precompute]'`."
        ) from error


def _run_until_stopped(
    job: Callable[[Stop], None], say: Callable[[str], None] | None = None
) -> None:
    """Runs the job; Ctrl-C and SIGTERM let it finish the pieces at hand, and say how to go on."""
    try:
        with Stop().listening() as stop:
            job(stop)
    except Interrupted:
        sentence = "Stopped. The same command goes on from what is finished."
        if say is None:
            typer.echo(sentence, err=True)
        else:
            say(sentence)
        sys.exit(EXIT_CODE)


def _say_how_to_open(atlas: Path) -> None:
    typer.echo(f"Open it with: feature-atlas serve {atlas}")


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"Error: {sentence}", err=True)
    sys.exit(2)
