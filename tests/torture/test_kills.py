"""The real process, killed with SIGKILL anywhere and resumed, ends with the atlas of a quiet run.

`FEATURE_ATLAS_KILLS` says how many kills (`make torture` asks for 30). Kills go round the stages:
the test waits for the line that ends one of them and strikes within the next milliseconds, in the
middle of what follows; one in four strikes at any time at all.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.torture.command import Command
from tests.torture.conftest import Job, content, stages_in

N_KILLS = int(os.environ.get("FEATURE_ATLAS_KILLS", "6"))
SEED = int(os.environ.get("FEATURE_ATLAS_SEED", str(time.time_ns())))


def strike(after: str | None, delay: float) -> Callable[[int, Path], None]:
    """Kills a command `delay` seconds after the line that ends stage `after` (or its start)."""

    def meanwhile(pid: int, log: Path) -> None:
        deadline = time.monotonic() + 300
        while after is not None and after not in said(log):
            if not Path(f"/proc/{pid}").exists() or time.monotonic() > deadline:
                return
            time.sleep(0.0005)
        time.sleep(delay)
        with suppress(ProcessLookupError):  # it was faster
            os.kill(pid, signal.SIGKILL)

    return meanwhile


def said(log: Path) -> list[str]:
    return stages_in(log.read_text("utf-8")) if log.exists() else []


def test_a_killed_run_is_resumed_to_the_same_atlas(
    command: Command, make_job: Callable[..., Job], uninterrupted: Any, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    print(f"FEATURE_ATLAS_SEED={SEED}")
    n_struck, hit = 0, set[str]()
    turn = 0
    while n_struck < N_KILLS:
        (tmp_path / str(turn)).mkdir()
        job = make_job(folder=tmp_path / str(turn))
        # Several kills of one run, as bad luck has it: one to three.
        for _ in range(min(chance.choice([1, 1, 2, 3]), N_KILLS - n_struck)):
            if job.output.exists() and not job.building.exists():
                break  # killed on its way out: it is whole, and would refuse to be built again
            stage = uninterrupted.stages[turn % len(uninterrupted.stages)]
            anywhere = turn % 2 == 1 and turn // 2 % 2 == 1
            delay = chance.random() * (0.8 * uninterrupted.seconds if anywhere else 0.05)
            ended = command.run(
                *job.arguments, meanwhile=strike(None if anywhere else stage, delay)
            )
            turn += 1
            if ended.code == 0:
                break
            assert ended.code == -signal.SIGKILL, ended.said
            n_struck += 1
            hit.add(stages_in(ended.said)[-1] if stages_in(ended.said) else "start")
        # Killed on its way out, with everything in place, there is nothing to resume.
        if job.building.exists() or not job.output.exists():
            ended = command.run(*job.arguments)
            assert ended.code == 0, f"seed {SEED}: {ended.said}"
        found = content(job.output)
        differences = [
            key
            for key in uninterrupted.content.keys() | found.keys()
            if found.get(key) != uninterrupted.content.get(key)
        ]
        assert not differences, f"seed {SEED}, kill {n_struck}: {sorted(differences)}"
    print(f"{n_struck} kills, behind: {sorted(hit)}")
