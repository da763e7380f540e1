"""The page of one feature inside a frame of another page: some of its panels and nothing else.

Takes the page as it is built for its own address. Its links lead to whole pages, in a window of
their own. Knows no query and no header.
"""

from dataclasses import dataclass
from typing import Any

from app.web.pages.feature.page import FeaturePage
from app.web.views import FeatureView


@dataclass(frozen=True)
class EmbedPage:
    """Context of `pages/embed.html`."""

    feature: FeaturePage
    """built for the whole view, so that its links lead to whole pages"""
    panels: tuple[str, ...]
    """in the order of the page"""

    def as_json(self) -> dict[str, Any]:
        """The twin of a frame is that of the page."""
        return self.feature.as_json()


def whole_view(view: FeatureView) -> FeatureView:
    """The view of the page that a frame is part of."""
    return view.model_copy(update={"embed": None})
