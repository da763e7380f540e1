"""The job over a module of your own: `precompute_module(…)`. Needs the extra `precompute`.

Apart from the rest of the package, which reads atlases without torch.
"""

from app.precompute.brought.module import precompute_module

__all__ = ["precompute_module"]
