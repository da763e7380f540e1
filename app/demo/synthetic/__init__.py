"""An invented atlas, built in seconds without a model and without torch.

For tests and measurements of the pages: any number of features, every panel filled, text and
numbers that agree with each other (every statistic is counted from invented firings over an
invented corpus), and on request tokens that try to break a page. Its numbers mean nothing; its
shapes, orders and sums are those of a real atlas.
"""

from app.demo.synthetic.build import build_synthetic_atlas

__all__ = ["build_synthetic_atlas"]
