"""What the address of a figure may say: the view of the feature, and which panel is drawn."""

from typing import Literal, get_args

from pydantic import field_validator

from app.errors import echoed
from app.web.views import FeatureView

Panel = Literal[
    "examples", "activation", "logits", "profile", "ablation", "context", "runs", "lift",
    "positions",
]  # fmt: skip
PANELS: tuple[Panel, ...] = get_args(Panel)


class FigureView(FeatureView):
    """The view of a feature, and which of its panels is drawn."""

    panel: Panel = "examples"
    """examples, activation, logits, profile, ablation, context, runs, lift or positions"""

    @field_validator("panel", mode="before")
    @classmethod
    def _known_panel(cls, value: object) -> object:
        if value not in PANELS:
            raise ValueError(
                f"There is no figure {echoed(str(value))!r}: there are {', '.join(PANELS)}."
            )
        return value

    def view(self) -> FeatureView:
        """The page's own view."""
        return FeatureView(**self.model_dump(exclude={"panel"}))
