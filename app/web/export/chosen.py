"""Which dictionaries and features an export takes, as people write them.

Takes `model/sae` and `0..99`, `1,5,7` or `all`; gives dictionaries with their features. Knows no
file.
"""

import re

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


def choose_features(sae: Sae, text: str) -> list[int]:
    """The features a text names, ascending.

    Raises:
        AtlasError: it can't be read, or names a feature the dictionary doesn't have.
    """
    n = sae.record.d_sae
    if text == "all":
        return list(range(n))
    found: set[int] = set()
    for part in text.split(","):
        read = re.fullmatch(r"\s*(\d+)(?:\.\.(\d+))?\s*", part, re.ASCII)
        if read is None:
            raise AtlasError(
                f"{echoed(text)!r} names no features: write all, a range (0..99) or numbers "
                "(1,5,7)."
            )
        low, high = int(read[1]), int(read[2] or read[1])
        if low > high:
            raise AtlasError(f"{echoed(part.strip())!r} runs backwards: write {high}..{low}.")
        if high >= n:
            raise AtlasError(
                f"{echoed(text)!r} goes beyond {sae.address}, which has features 0 to {n - 1:,}."
            )
        found |= set(range(low, high + 1))
    return sorted(found)
