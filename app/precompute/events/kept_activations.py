"""The activations at the hooks, kept on disk while a job runs, for questions that events raise.

Which places are worth a second look is known only after the whole corpus was seen; without these
files each of them would cost a forward pass of its context. One file of raw numbers, in the model's
own dtype, for each hook and shard; what is read is bit for bit what the encoders saw. A shard may
have none: then the model has to be run again. Knows no dictionary.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from app import durable

_BITS = {2: torch.int16, 4: torch.int32}
"""By bytes of a number: numpy has no bfloat16, so bits are written and read."""


FREE_SHARE = 0.25
"""Most of the free disk they may take."""


def has_room(
    folder: Path, gigabytes: float, widths: Mapping[str, int], bytes_per_column: int
) -> bool:
    """Whether all activations may be kept: within `gigabytes` (10⁹) and a quarter of the free disk.

    `widths`: d_in by hook name; `bytes_per_column`: of all tokens together, for one number of each.
    """
    needed = sum(widths.values()) * bytes_per_column
    return needed <= min(gigabytes * 1e9, FREE_SHARE * shutil.disk_usage(folder).free)


@dataclass(frozen=True)
class KeptActivations:
    """The files of all hooks, `[contexts, context_size, d_in]` each."""

    folder: Path
    keeps: bool
    """whether shards that are run from now on leave a file"""
    contexts_per_shard: int
    context_size: int
    dtype: torch.dtype

    def path(self, hook_name: str, shard: int) -> Path:
        """Where the file of a hook and shard is, if there is one."""
        return self.folder / hook_name / f"{shard:05d}.bin"

    def files(self, hook_names: Collection[str], shard: int) -> list[Path]:
        """Those there are of a shard."""
        paths = [self.path(name, shard) for name in hook_names]
        return [path for path in paths if path.exists()]

    @contextmanager
    def writing(self, hook_names: Collection[str], shard: int) -> Iterator["Writing"]:
        """Takes a shard in, batch by batch; its files stand once the block has ended.

        Where nothing is kept, older files of the shard go: they may be of another model.

        Raises:
            OSError: the disk is full or the folder can't be written.
        """
        paths = {name: self.path(name, shard) for name in hook_names}
        with ExitStack() as files:
            if self.keeps:
                into = {n: files.enter_context(durable.replacing(p)) for n, p in paths.items()}
                yield Writing(into)
            else:
                for path in paths.values():
                    path.unlink(missing_ok=True)
                yield Writing({})

    def rows(
        self,
        hook_name: str,
        d_in: int,
        context_id: Integer[np.ndarray, " n"],
        position: Integer[np.ndarray, " n"],
    ) -> Float[Tensor, "n d_in"] | None:
        """The activations at these places, on the CPU; None if a shard of them has no file.

        Memory: the result; of the files only the pages that are touched.
        """
        shard = context_id // self.contexts_per_shard
        found = torch.empty(len(context_id), d_in, dtype=self.dtype)
        bits = found.view(_BITS[self.dtype.itemsize]).numpy()
        for index in np.unique(shard).tolist():
            path = self.path(hook_name, index)
            if not path.exists():
                return None
            stored = np.memmap(path, bits.dtype, "r").reshape(-1, self.context_size, d_in)
            here = shard == index
            bits[here] = stored[context_id[here] - index * self.contexts_per_shard, position[here]]
        return found


@dataclass(frozen=True)
class Writing:
    """The open files of a shard, by hook; none where nothing is kept."""

    files: Mapping[str, BinaryIO]

    def add(self, activations: Mapping[str, Float[Tensor, "batch pos _d_in"]]) -> None:
        """The next contexts, all hooks."""
        for hook_name, file in self.files.items():
            x = activations[hook_name].cpu().contiguous()
            file.write(x.view(_BITS[x.dtype.itemsize]).numpy().data)
