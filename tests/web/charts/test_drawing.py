"""A chart as markup: everything it holds is drawn once, at its place, and escaped."""

import re

from app.web.charts.drawing import drawing, link_areas
from app.web.charts.plot import Chart, Link, Mark, Polyline
from app.web.charts.scales import Tick

CHART = Chart(
    "odd", "label", "x & more", "<y>", [Tick(0.0, "a"), Tick(100 / 3, "b<")],
    [Tick(100.0, "0"), Tick(83.333333, "1")],
    marks=[Mark("1%", "2%", "3%", "98%", "heat-3", "4 < 5"),
           Mark("5%", "6%", "7%", "94%", "", "")],
    lines=[Polyline("0,0 1,1", "line", "first")], areas=[Polyline("0,1 1,0", "band", "second")],
)  # fmt: skip


def test_ticks_stand_at_their_places() -> None:
    markup = drawing(CHART)
    assert '<path class=grid d="M0 100H100M0 83.333H100"/>' in markup
    assert "<text y=100%>0</text><text y=83.333%>1</text>" in markup
    assert "<text x=0%>a</text><text x=33.333%>b&lt;</text>" in markup


def test_names_of_axes_are_escaped() -> None:
    assert re.findall(r">([^<>]+)</text>", drawing(CHART))[-2:] == ["x &amp; more", "&lt;y&gt;"]


def test_a_mark_that_says_something_is_drawn_alone_and_others_as_one_path() -> None:
    markup = drawing(CHART)
    assert (
        "<rect class=heat-3 x=1% y=2% width=3% height=98%><title>4 &lt; 5</title></rect>" in markup
    )
    assert '<path d="M5 100V6h7V100z"/>' in markup
    assert markup.count("<rect") == 1


def test_areas_lie_under_lines() -> None:
    markup = drawing(CHART)
    area = markup.index('<polygon class=band points="0,1 1,0"/>')
    assert area < markup.index('<polyline class=line points="0,0 1,1"/>')


def test_links_say_where_they_lead_and_which_is_shown() -> None:
    links = [
        Link("0%", "2%", "0 – 1: 4 tokens", "/a?b=1&c=2", False),
        Link("2%", "2%", "", "", True),
    ]
    first, second = link_areas(links).split("\n")
    assert first == (
        '<a href="/a?b=1&amp;c=2"><rect x=0% width=2%><title>0 – 1: 4 tokens</title></rect></a>'
    )
    assert " aria-current=true>" in second
