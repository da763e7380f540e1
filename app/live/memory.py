"""Running out of memory: how any library says so, and what can be given back.

Knows no request.
"""

import gc
import traceback


def out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error means."""
    said = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("out of memory" in said or "can't alloc" in said))
    )


def free_memory(error: BaseException) -> None:
    """Gives back what a failed pass left behind."""
    import torch

    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
