"""What is known about a stage while it runs and when it has ended: how much, how long, how fast.

Plain numbers with their meaning; every view of the progress and the closing summary read the same
ones. Measures the process as a whole. Knows no stage by name and prints nothing.
"""

import resource
import sys
import time
from dataclasses import dataclass

import torch


@dataclass
class Figures:
    """One stage."""

    name: str
    total: int | None
    """units there are to do; None where nobody can know before"""
    unit: str
    """what is counted: tokens, features, contexts …"""
    tokens: int = 0
    """tokens of text that `total` stands for; 0 where the stage reads no text"""
    done: int = 0
    """units done so far"""
    seconds: float = 0.0
    """wall time until now, or until the end"""
    processor_seconds: float = 0.0
    """time all threads of this process have computed meanwhile"""
    bound: float | None = None
    """seconds that the trial measured for the model and the encoder alone, a token"""
    bound_on_processor: bool = True
    """whether that is time of one thread, or else wall time beside a device"""

    def __post_init__(self) -> None:
        """The stage begins now."""
        self._began = time.perf_counter()
        self._began_processor = time.process_time()

    def look(self) -> "Figures":
        """Takes the time."""
        self.seconds = time.perf_counter() - self._began
        self.processor_seconds = time.process_time() - self._began_processor
        return self

    @property
    def tokens_done(self) -> int:
        """Tokens of text that what is done stands for."""
        if self.unit == "tokens":
            return self.done
        return round(self.tokens * self.done / self.total) if self.total else 0

    @property
    def per_second(self) -> float | None:
        """Units a second; None before the first is done."""
        return self.done / self.seconds if self.done and self.seconds else None

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens a second; None where the stage reads no text or none is done."""
        return self.tokens_done / self.seconds if self.tokens_done and self.seconds else None

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before there is one."""
        if self.per_second is None or self.total is None:
            return None
        return max(self.total - self.done, 0) / self.per_second

    @property
    def of_bound(self) -> float | None:
        """How often the stage could have run the model and the encoder in its time.

        On the CPU by the time of all threads, so that their number and what else the machine does
        don't count; on another device by wall time. None where no trial was made.
        """
        if not self.bound or not self.tokens_done:
            return None
        spent = self.processor_seconds if self.bound_on_processor else self.seconds
        return spent / (self.bound * self.tokens_done)


def peak_bytes() -> int:
    """The most memory this process has ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_device_bytes() -> int | None:
    """The most memory tensors have ever had on the GPU; None where there is none in use."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else None


def duration(seconds: float) -> str:
    """A time as people read it: 3.2 s, 1:05, 2:03:09."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(n_bytes: int) -> str:
    """A size as people read it, in powers of ten: 812 B, 1.2 kB, 34.5 MB, 1.2 GB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:,.1f} {unit}"
    return f"{n_bytes} B"


def sentence(figures: Figures) -> str:
    """What is done, how fast, how long it takes still, with how much memory."""
    done = f"{figures.done:,}"
    if figures.total is not None:
        done += f"/{figures.total:,}"
    parts = [f"{done} {figures.unit}", *_rates(figures)]
    if figures.seconds_left is not None:
        parts.append(f"{duration(figures.seconds_left)} left")
    return " · ".join([*parts, f"peak {size(peak_bytes())}"])


def ended(figures: Figures) -> str:
    """What was done, how long it took and how fast that was."""
    done = f"{figures.done:,} {figures.unit} in {figures.seconds:,.1f} s"
    rates = _rates(figures)
    return f"{done} ({', '.join(rates)})" if rates else done


def _rates(figures: Figures) -> list[str]:
    rates = []
    if figures.per_second is not None:
        rates.append(f"{_number(figures.per_second)} {figures.unit}/s")
    if figures.unit != "tokens" and figures.tokens_per_second is not None:
        rates.append(f"{_number(figures.tokens_per_second)} tokens/s")
    return rates


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
