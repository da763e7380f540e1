"""Which dictionaries an export takes, as people write them: `model/sae`. Knows no file."""

from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.errors import AtlasError, closest, echoed


def choose_saes(connection: Connection, addresses: list[str]) -> list[Sae]:
    """The dictionaries named, in the order of the atlas; all of them where none is.

    Raises:
        AtlasError: the atlas has no such dictionary, or none at all.
    """
    saes = list_saes(connection)
    if not saes:
        raise AtlasError("This atlas holds no dictionary: there is nothing to export.")
    known = [sae.address for sae in saes]
    for address in addresses:
        if address not in known:
            raise AtlasError(
                f"There is no dictionary {echoed(address)} in this atlas: known are "
                f"{closest(address, known)}."
            )
    return [sae for sae in saes if not addresses or sae.address in addresses]
