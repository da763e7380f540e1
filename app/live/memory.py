"""Running out of memory: what can be given back.

Knows no request.
"""

import gc
import traceback


def free_memory(error: BaseException) -> None:
    """Gives back what a failed pass left behind."""
    import torch

    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
