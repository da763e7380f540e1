"""Addresses of a feature's page with another reading, or with its counterexamples in another order.

Takes a feature's material and the view; every other argument of the view stays. Knows no reading.
"""

from dataclasses import dataclass

from app.web.pages.feature.material import Material
from app.web.urls import feature_url
from app.web.views import FeatureView


@dataclass(frozen=True)
class Link:
    """An address of this page with another reading or order."""

    label: str
    url: str
    current: bool = False


class ReadingLinks:
    """Addresses of this page with another reading or order."""

    def __init__(self, material: Material, view: FeatureView) -> None:
        self._material = material
        self._view = view

    def to(self, **changes: str) -> str:
        arguments = self._view.arguments(**changes)
        record = self._material.record
        return feature_url(self._material.sae, record.feature_index, arguments) + "#reading"
