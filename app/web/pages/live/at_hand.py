"""Which dictionaries the model can be asked about, by whom, and how it is said that it can't.

Takes requests, gives dictionaries and refusals. Knows no page.
"""

from fastapi import Request
from fastapi.responses import Response

from app.access.viewer import Viewer
from app.db.catalog import Sae
from app.db.engine import Atlas
from app.errors import closest, echoed
from app.live.limits import LiveError
from app.web.live import owner_of
from app.web.memory import Memory
from app.web.respond import error_response

GONE = 499
"""status of an answer nobody waits for; only the log sees it"""


def live_saes(request: Request, atlas: Atlas, memory: Memory, viewer: Viewer) -> dict[str, Sae]:
    """The dictionaries at hand that the viewer may see, by address."""
    at_hand = owner_of(request).saes
    return {
        address: sae
        for address, sae in memory.saes(atlas).items()
        if at_hand.get(address) == sae.record.weights_hash
        and viewer.may_read(sae.record.model, sae.record.sae)
    }


def no_sae(name: str, saes: dict[str, Sae]) -> str:
    return (
        f"The dictionary {echoed(name)} is not at hand for the model (or was built again since the "
        f"server started): live are {closest(name, list(saes))}."
    )


def refusal(request: Request, error: LiveError) -> Response:
    answer = error_response(request, error.status, str(error))
    if error.retry_after:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer
