"""`feature-atlas import`: other tools' files, as an atlas."""

import typer

from app.commands.import_delphi import import_delphi
from app.commands.import_foreign import register

importing = typer.Typer(
    name="import", help="Put other tools' files into an atlas.", rich_markup_mode=None
)
register(importing)
importing.command("delphi")(import_delphi)
