"""A text as an address carries it: compressed, in the characters an address may hold.

zlib at its highest level, then base64url without padding. Takes texts and gives arguments, and
back; what is hostile or too long is a sentence. Knows no page.
"""

import base64
import binascii
import zlib

from app.live.protocol import MOST_CHARACTERS

MOST_PACKED = 8_000
"""Characters of the argument: browsers, proxies and chats begin to cut addresses above that."""
_MOST_BYTES = 4 * MOST_CHARACTERS
_BROKEN = (
    "The text of this address can't be read: it was cut or changed on its way. Copy the whole "
    "address, or type the text again."
)


def pack_text(text: str) -> str:
    """The argument for a text; an empty one is empty.

    Raises:
        ValueError: it is too long for an address.
    """
    if not text:
        return ""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"The text has {len(text):,} characters, {MOST_CHARACTERS:,} are the most that the "
            "model is asked about: shorten it."
        )
    data = zlib.compress(text.encode("utf-8", "replace"), 9)
    packed = base64.urlsafe_b64encode(data).decode().rstrip("=")
    if len(packed) > MOST_PACKED:
        raise ValueError(
            f"The text is too long for an address: {len(packed):,} characters once compressed, "
            f"{MOST_PACKED:,} are the most. Shorten it, or send it as JSON (see Addresses)."
        )
    return packed


def unpack_text(packed: str) -> str:
    """The text of an argument.

    Raises:
        ValueError: it is none, or a longer text than may be.
    """
    if not packed:
        return ""
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        # Bounded: a few kilobytes can stand for gigabytes.
        unpacking = zlib.decompressobj()
        unpacked = unpacking.decompress(data, _MOST_BYTES)
        text = unpacked.decode()
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(_BROKEN) from error
    if not unpacking.eof and not unpacking.unconsumed_tail:
        raise ValueError(_BROKEN)
    if unpacking.unconsumed_tail or len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"The text of this address has more than {MOST_CHARACTERS:,} characters: shorten it."
        )
    return text
