"""Five thousand requests made from the server's own OpenAPI description; none breaks it.

Schemathesis makes them from what `/-/openapi.json` says: the borders of every argument, then random
ones that fit, then random ones that don't. All are held against the description (status, type,
headers, body) and against what holds for every answer.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, Response
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.python.asgi import get_client
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app.settings import Settings
from app.web.factory import create_app
from app.web.headers import SECURITY_HEADERS
from tests.live.made import Made
from tests.web.openapi.names import Names
from tests.web.openapi.world import World, open_world

AT_LEAST = 5_000
BORDERS, FITTING, UNFITTING = 100, 45, 12
"""Most requests of each kind for each operation; of the list's 544 borders every fifth"""
NOTHING_TO_SHOW = [f"GET /{{model}}/{{sae}}/matches{twin}" for twin in ("", ".json")]
"""No two dictionaries of this atlas share a hook: these answer 404, which is held to be right"""
ALWAYS: dict[str, Any] = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def world(live_atlas: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = str(tmp_path_factory.mktemp("generated") / "notebook.db")
    app = create_app(
        Settings(
            atlas=live_atlas.atlas,
            notebook=place,
            live=True,
            live_model=str(live_atlas.model),
            live_saes=live_atlas.saes,
            live_device="cpu",
            live_tokens=32,
            live_new_tokens=4,
            requests_per_second=0,
        )
    )
    made = open_world(app, place)
    yield made
    app.state.live.close()
    made.notebook.dispose()
    app.state.notebook.dispose()


def test_nothing_breaks(world: World) -> None:
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    schema.config.generation.update(with_security_parameters=False)
    schema.config.checks.negative_data_rejection.expected_statuses = ["4xx"]
    sent = Sent(world)
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        borders = list(_borders(operation))
        for case in borders[:: -(-len(borders) // BORDERS)]:
            sent.send(case)
        sent.send_random(operation, GenerationMode.POSITIVE, FITTING)
        sent.send_random(operation, GenerationMode.NEGATIVE, UNFITTING)
    report = "\n\n".join([f"{len(sent.wrong)} answers are wrong", *sent.wrong[:20]])
    assert not sent.wrong, report
    assert not [status for status in sent.statuses if status >= 500]
    assert sum(sent.statuses.values()) >= AT_LEAST, sent.statuses
    counted = sent.by_operation.items()
    unanswered = [label for label, n in counted if not n["done"] and label not in NOTHING_TO_SHOW]
    assert not unanswered, f"never got past the door: {unanswered}"


class Sent:
    """What was sent and what came back, over all operations."""

    def __init__(self, world: World) -> None:
        self._world = world
        app: Any = world.app
        self._session = get_client(app)
        self.statuses: Counter[int] = Counter()
        self.by_operation: dict[str, Counter[str]] = {}
        self.wrong: list[str] = []

    def send_random(self, operation: APIOperation, mode: GenerationMode, most: int) -> None:
        """Random requests of one operation, the same ones every time."""

        @settings(max_examples=most, **ALWAYS)
        @given(case=operation.as_strategy(generation_mode=mode))
        def draw(case: schemathesis.Case) -> None:
            self.send(case)

        with suppress(Unsatisfiable):  # nothing can be wrong with what takes no argument
            draw()

    def send(self, case: schemathesis.Case) -> None:
        """One request, held against the description and against what holds for every answer."""
        counted = self.by_operation.setdefault(case.operation.label, Counter())
        number = sum(counted.values())
        names = Names(self._world, case.path, number)
        _name_things(case, names)
        who, headers = self._world.visitor(number)
        try:
            answer = case.call(
                base_url="http://127.0.0.1",
                app=self._world.app,
                session=self._session,
                headers=headers,
                allow_redirects=False,
            )
        except Exception as error:
            self.wrong.append(f"{case.operation.label} by {who}: {case!r}\n{error!r}")
            self.statuses[500] += 1
            return
        self._session.cookies.clear()
        self.statuses[answer.status_code] += 1
        counted["done" if answer.status_code < 400 else "refused"] += 1
        try:
            not_held = [positive_data_acceptance]
            if case.path.endswith(("/star", "/show")):
                not_held.append(negative_data_rejection)  # 0, on, yes … are booleans of a form
            case.validate_response(answer, excluded_checks=not_held)
            _holds_always(case, answer, who)
        except (FailureGroup, Failure, AssertionError) as error:
            self.wrong.append(f"{case.operation.label} by {who}: {case!r}\n{error}")


def _borders(operation: APIOperation) -> Iterator[schemathesis.Case]:
    """Every argument alone at its shortest, longest, smallest, largest, and just beyond."""
    return operation.schema.iter_coverage_cases(
        operation,
        generation_modes=list(GenerationMode),
        generation_config=operation.schema.config.generation,
    )


def _name_things(case: schemathesis.Case, names: Names) -> None:
    """What fits is to be about things that are there; of what doesn't fit only the path is."""
    mode = {part: info.mode for part, info in case.meta.components.items()} if case.meta else {}

    def fits(part: ParameterLocation) -> bool:
        return mode.get(part) == GenerationMode.POSITIVE

    if fits(ParameterLocation.PATH):
        names.path(case.path_parameters)
    if fits(ParameterLocation.QUERY):
        names.query(case.query)
    if fits(ParameterLocation.BODY) and isinstance(case.body, dict):
        if case.media_type == "application/json":
            names.body(case.body)
        else:
            names.form(case.body)


def _holds_always(case: schemathesis.Case, answer: Response, who: str) -> None:
    """No traceback, one envelope, the headers of every answer, and nothing without a key."""
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name.lower()] == [value], name
    text = answer.content.decode("utf-8", "replace")
    assert "Traceback" not in text and 'File "' not in text
    if who == "nobody":
        assert answer.status_code in (401, 405, 414) or case.path.startswith(
            ("/-/health", "/-/open")
        )
    if answer.status_code >= 400 and answer.headers["content-type"] == ["application/json"]:
        body = json.loads(text)
        assert body.keys() == {"ok", "status", "error"} and body["status"] == answer.status_code
