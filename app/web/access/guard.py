"""Whether a server would show its atlas to other machines by accident: then it isn't started.

Takes the settings and the open notebook. Knows no request.
"""

from sqlalchemy import Engine

from app.access.keys import any_key
from app.errors import AtlasError
from app.settings import Settings, open_to_strangers


def refuse_if_open(settings: Settings, notebook: Engine | None) -> None:
    """Looks for keys where nothing else keeps strangers out.

    Raises:
        AtlasError: there are none.
    """
    if settings.guarded:
        return
    if notebook is not None:
        with notebook.connect() as connection:
            if any_key(connection):
                return
    raise AtlasError(open_to_strangers(settings.host))
