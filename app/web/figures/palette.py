"""The light theme as plain colours, for drawings that have no style sheet.

A test holds them to `static/css/base.css`. Knows no shape.
"""

from app.web.charts.histogram import LIGHT_BAR, LIGHT_HEAT

INK, INK_2, INK_3 = "#16140f", "#55524b", "#6c6961"
RULE, RULE_STRONG, PAPER, SUNKEN = "#e3e1dc", "#c4c1ba", "#fdfdfc", "#f4f3f0"
EFFECT = {
    "n1": "#ebe4fa", "n2": "#ccbcec", "n3": "#af95dd", "n4": "#936ecd", "n5": "#7844bb",
    "p1": "#d5efe5", "p2": "#a4d2c2", "p3": "#76b3a0", "p4": "#47957f", "p5": "#047860",
}  # fmt: skip
EFFECT_ORDER = ("n5", "n4", "n3", "n2", "n1", "", "p1", "p2", "p3", "p4", "p5")
_DARK_GROUND = {"heat-8", "heat-9", "effect-n5", "effect-p5"}
ON_LIGHT, ON_DARK = "#0f0d0a", "#ffffff"


def fill_of(css: str, default: str = "") -> str:
    """The ground of a shape by the classes the page gives it; `default` where none is a colour."""
    for name in css.split():
        if name.startswith("heat-"):
            return LIGHT_HEAT[int(name[5:])]
        if name.startswith("effect-"):
            return EFFECT[name[7:]]
        if name == "mark-strong":
            return INK
        if name == "mark":
            return LIGHT_BAR
    return default


def ink_on(css: str, default: str = INK) -> str:
    """The colour of text on that ground."""
    names = set(css.split())
    if names & _DARK_GROUND:
        return ON_DARK
    return ON_LIGHT if any(n.startswith(("heat-", "effect-")) for n in names) else default
