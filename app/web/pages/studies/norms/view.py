"""What the address of a dictionary's norms may say. Knows no query and no template."""

from typing import Literal

from app.web.views import View


class NormsView(View):
    """In which order tokens are listed."""

    sort: Literal["-maximum", "-mean", "-n_outlier", "-error_share", "-unembedding"] = "-maximum"
    """a column of the table of tokens, largest first"""
