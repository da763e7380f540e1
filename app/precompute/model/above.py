"""One batch run again and again with a hook changed: what lies below the hook is run once.

Takes a model and tokens; the first pass is whole and keeps what each block gave. A later pass that
changes one hook has the blocks below it give that again, without computing, so only what can change
is run. Whether a model can be run so is seen, not believed: the first such pass changes nothing and
has to give the logits of the whole one, else passes stay whole. Where a hook needs the bridge they
are whole as well. Knows no dictionary.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from app.precompute.model.agreement import relative_difference
from app.precompute.model.forward import Visitor
from app.precompute.model.language_model import LanguageModel

_BLOCK_OUTPUT = "hook_resid_post"


class Above:
    """A batch of texts, of equal length."""

    def __init__(self, model: LanguageModel, tokens: Int[Tensor, "batch pos"]) -> None:
        """Runs the model once."""
        self._model = model
        self._tokens = tokens
        self._given: dict[nn.Module, Any] = {}
        blocks = [model.module(f"blocks.{i}") for i in range(model.n_layers)]
        self._blocks: list[nn.Module] = [block for block in blocks if block is not None]
        if len(self._blocks) < len(blocks):
            self._blocks = []
        with _recorded(self._blocks, self._given), torch.no_grad():
            self.clean: Float[Tensor, "batch pos d_vocab"] = model.logits(tokens)
            """Logits with nothing changed."""
        self._below: dict[str, list[nn.Module]] = {}

    @torch.no_grad()
    def activation(self, hook_name: str) -> Float[Tensor, "batch pos _d_in"]:
        """What stands at a hook, heads flattened; once asked for, changes there are run."""
        found = self.read(hook_name)
        blocks = self._blocks_below(hook_name)
        if blocks:
            logits = self._run(blocks, {hook_name: lambda _: None})
            if not relative_difference(logits, self.clean) <= self._model.tolerance:
                blocks = []
        self._below[hook_name] = blocks
        return found

    def read(self, hook_name: str) -> Float[Tensor, "batch pos _d_in"]:
        """What stands at a hook, heads flattened, where nothing will be changed."""
        return self._model.activations(self._tokens, [hook_name])[hook_name]

    def is_replayed(self, hook_name: str) -> bool:
        """Whether less than the whole model is run for a change at a hook asked for before."""
        return bool(self._below[hook_name])

    @torch.no_grad()
    def logits(
        self, hook_name: str, change: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """With the activation changed at a hook that was asked for before.

        `change` takes and gives it with heads flattened.
        """

        def visit(activation: Tensor) -> Tensor:
            return change(activation.flatten(start_dim=2)).reshape(activation.shape)

        return self._run(self._below[hook_name], {hook_name: visit})

    def _run(
        self, blocks: list[nn.Module], visitors: Mapping[str, Visitor]
    ) -> Float[Tensor, "batch pos d_vocab"]:
        with _replayed({block: self._given[block] for block in blocks}):
            return self._model.logits(self._tokens, visitors)

    def _blocks_below(self, hook_name: str) -> list[nn.Module]:
        """The blocks that no change at the hook reaches, or that end with it."""
        scope, _, rest = hook_name.partition(".")
        number, _, name = rest.partition(".")
        if scope != "blocks" or not number.isdigit():
            return []
        n = int(number) + (name == _BLOCK_OUTPUT)
        return [block for block in self._blocks[:n] if block in self._given]


@contextmanager
def _recorded(modules: list[nn.Module], into: dict[nn.Module, Any]) -> Iterator[None]:
    """While it lasts, what the modules give is kept."""

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        into[module] = output

    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_hook(keep).remove)
        yield


@contextmanager
def _replayed(given: Mapping[nn.Module, Any]) -> Iterator[None]:
    """While it lasts the modules give what is said, whatever they are given; their hooks are run
    as ever."""
    with ExitStack() as undo:
        for module, output in given.items():
            own = vars(module)
            if "forward" in own:  # somebody else's replacement: it is put back
                undo.callback(own.__setitem__, "forward", own["forward"])
            else:
                undo.callback(own.pop, "forward")
            own["forward"] = lambda *_args, output=output, **_kwargs: output
        yield
