"""A dictionary as people write it, `model/sae`, held against an atlas where there is one."""

import re
from pathlib import Path

from app.db.known_features import weights_hashes
from app.errors import AtlasError, closest, echoed

_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"


def read_address(text: str, atlas: Path | None) -> tuple[str, str]:
    """The two slugs of an address.

    Raises:
        AtlasError: it is none, or the atlas has no such dictionary.
    """
    if not re.fullmatch(rf"{_SLUG}/{_SLUG}", text):
        raise AtlasError(f"{echoed(text)!r} names no dictionary: write MODEL/SAE, as its page's "
                         "address has it.")  # fmt: skip
    if atlas is not None:
        known = [f"{model}/{sae}" for model, sae in weights_hashes(atlas)]
        if text not in known:
            raise AtlasError(
                f"{atlas} has no dictionary {echoed(text)!r}: known are {closest(text, known)}."
            )
    model, sae = text.split("/")
    return model, sae
