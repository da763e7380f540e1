"""The tokens of a context a dictionary was trained on, where its config names a possible number.

Takes the settings and the name, gives the number and notes what says it. Knows no format.
"""

from app.sae.readers.fields import Fields
from app.sae.recognition import Findings

#: From the fewest that have one behind position 0 to what any job takes.
LEAST, MOST = 2, 2**20


def stated_context_size(fields: Fields, name: str, findings: Findings) -> int | None:
    """None where the config has none, or what no context can have: some write -1 for none."""
    stated, why = fields.whole(name), fields.told(name)
    if stated is not None and not LEAST <= stated <= MOST:
        stated, why = None, f"{why}, and a context has {LEAST} to {MOST:,} tokens"
    return findings.say("context size", stated, why)
