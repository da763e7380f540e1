"""The panels of a feature that a frame in another page can show, chosen in the address.

Takes the text after `?embed=`, gives names of panels in the order of the page. Knows no page and no
header.
"""

from app.errors import echoed

EMBED_PANELS = (
    "summary",
    "facts",
    "activation",
    "tokens",
    "logits",
    "examples",
    "reading",
    "ablation",
    "locality",
    "related",
)
"""In the order of the page, whatever the order in the address."""

EMBED_DEFAULT = "summary,activation,examples"
"""What `?embed` alone means."""


def parse_embed(text: str) -> tuple[str, ...]:
    """The panels of an address, each once, in the order of the page.

    Raises:
        ValueError: a name that is no panel; the message lists those there are.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in EMBED_PANELS:
            raise ValueError(
                f"There is no panel {echoed(name)!r} to embed: choose from "
                f"{', '.join(EMBED_PANELS)}, separated by commas."
            )
    chosen = names or EMBED_DEFAULT.split(",")
    return tuple(name for name in EMBED_PANELS if name in chosen)
