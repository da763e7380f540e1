"""`feature-atlas demo`: the bundled atlas, built and shown."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import Host, Port
from app.commands.running import needs, run_until_stopped, say_how_to_open


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
    demo = needs("precompute", lambda: import_module("app.demo.build"))
    run_until_stopped(lambda stop: demo.build(output, stop=stop))
    if serve:
        from app.web.serve import Live
        from app.web.serve import serve as run_server

        made = demo.demo_settings(output)
        run_server(
            output, host, port, live=Live(live, made.model, tuple(map(Path, made.sae)), "auto")
        )
    else:
        say_how_to_open(output)
