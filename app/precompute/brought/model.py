"""A user's function from tokens to activations, as the stages of the job run it.

Takes token ids, `[batch, pos]`; the function is only given rows of equal length, without padding,
so that it may look both ways and needs no mask. It runs in one thread at a time: what it holds is
not ours to copy. Knows no dictionary.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.errors import AtlasError
from app.precompute.brought.asking import Function, ask, refuse_dependence
from app.precompute.model.forward import Visitor
from app.precompute.model.narrow import Places

TOLERANCE = 1e-3
"""‖difference‖ / ‖activation‖ by which a text's activations may change with its batch."""

ANY_LENGTH = 2**31


@dataclass
class BroughtModel:
    """A `Model` (see `app/precompute/model/model.py`) with one hook."""

    name: str
    hook_name: str
    """what the activations are called"""
    function: Function
    """`activations`: ids [batch, pos] -> [batch, pos, d_in]"""
    n_words: int
    """entries of the user's vocabulary; padding is the id behind them"""
    d_vocab: int
    """with padding, where any text is padded"""
    device: torch.device
    logits_of: Function | None = None
    """`logits`: (ids [batch, pos], activations [batch, pos, d_in] or None) -> [batch, pos, n]"""
    unembedding: Float[Tensor, "d_in n_words"] | None = None
    """direct path from the activations to the logits"""
    n_ctx: int = ANY_LENGTH
    dtype: torch.dtype = torch.float32
    tolerance: float = TOLERANCE
    runs: bool = True
    takes_masks: bool = False
    one_at_a_time: bool = True
    _width: int | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def fill(self) -> int:
        """Padding: rows are cut before they are given to the function."""
        return self.n_words

    def way(self, hook_names: Iterable[str]) -> str:
        """What a pass runs through."""
        return "a function of the user's"

    def ways(self, hook_names: Iterable[str]) -> list[str]:
        """Nothing to say."""
        return []

    def twin(self) -> "BroughtModel":
        """Itself."""
        return self

    def hook_width(self, hook_name: str) -> int:
        """d_in, as the function gave it."""
        self._check_hook(hook_name)
        if self._width is None:
            raise ValueError("the function was not asked yet")
        return self._width

    @torch.no_grad()
    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "batch pos _d_in"]]:
        """The activations by hook; 0 where a row is padded.

        Raises:
            AtlasError: the function raised, or gave another shape, NaN or infinity.
        """
        if attention_mask is not None or position_ids is not None:
            raise ValueError("a function of tokens takes neither mask nor positions")
        for name in hook_names:
            self._check_hook(name)
        return {self.hook_name: self._by_length(tokens.to(self.device))}

    def activations_at(
        self,
        places: Places,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "n_places _d_in"]]:
        """`activations` at these places."""
        found = self.activations(tokens, hook_names, attention_mask, position_ids)
        rows, positions = places[0].to(self.device), places[1].to(self.device)
        return {name: x[rows, positions] for name, x in found.items()}

    @torch.no_grad()
    def logits(
        self, tokens: Int[Tensor, "batch pos"], changes: Mapping[str, Visitor] | None = None
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """Of a pass in which the activations are what the visitor makes of them; −∞ for padding,
        and 0 where a row is padded.

        Raises:
            AtlasError: as `activations`. ValueError if no such function was given.
        """
        if self.logits_of is None:
            raise ValueError(f"{self.name} gives no logits")
        tokens = tokens.to(self.device)
        changed = None
        for hook_name, visitor in (changes or {}).items():
            before = self.activations(tokens, [hook_name])[hook_name]
            after = visitor(before)
            changed = before if after is None else after
        found = tokens.new_zeros((*tokens.shape, self.d_vocab), dtype=torch.float32)
        found[..., self.n_words :] = torch.finfo(torch.float32).min
        for length, rows in self._lengths(tokens):
            own = None if changed is None else changed[rows, :length]
            shape = (len(rows), length, self.n_words)
            with self._lock:
                given = tokens[rows, :length]
                logits = ask("logits", self.logits_of, given, own, shape=shape, device=self.device)
            found[rows, :length, : self.n_words] = logits
        return found

    def check(self, tokens: Int[Tensor, "batch pos"]) -> None:
        """Learns the width, and that what a text gives doesn't change with its batch.

        Raises:
            AtlasError: it does, logits with the activations in their own place are not those
                without, or as `activations`.
        """
        tokens = tokens.to(self.device)
        among = self._by_length(tokens)
        for row in range(min(len(tokens), 2)):
            alone = self._by_length(tokens[row : row + 1])[0]
            refuse_dependence("activations", alone, among[row], self.tolerance, "one text")
        if self.logits_of is not None:
            self._check_logits(tokens)

    def _check_logits(self, tokens: Int[Tensor, "batch pos"]) -> None:
        among = self.logits(tokens)[..., : self.n_words]
        alone = self.logits(tokens[:1])[0, :, : self.n_words]
        refuse_dependence("logits", alone, among[0], self.tolerance, "one text")
        same = self.logits(tokens, {self.hook_name: lambda x: x})[..., : self.n_words]
        apart = float((same - among).norm())
        if apart > self.tolerance * float(among.norm()):
            raise AtlasError(
                "logits gives other numbers with a text's own activations in place than with None: "
                "put what is given where activations takes them from, and change nothing else."
            )

    def _by_length(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_in"]:
        found: Tensor | None = None
        for length, rows in self._lengths(tokens):
            shape = (len(rows), length, self._width)
            with self._lock:
                given = tokens[rows, :length]
                x = ask("activations", self.function, given, shape=shape, device=self.device)
            self._width = x.shape[-1]
            if found is None:
                found = x.new_zeros((*tokens.shape, self._width))
            found[rows, :length] = x
        if found is None:
            raise ValueError("there is no token in these rows")
        return found

    def _lengths(self, tokens: Int[Tensor, "batch pos"]) -> list[tuple[int, Int[Tensor, " n"]]]:
        """(tokens before the padding, the rows that have so many), shortest first."""
        of_text = tokens != self.fill
        places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        lengths = (of_text * places).amax(dim=1)
        return [
            (length, (lengths == length).nonzero()[:, 0])
            for length in lengths.unique().tolist()
            if length
        ]

    def _check_hook(self, hook_name: str) -> None:
        if hook_name != self.hook_name:
            raise AtlasError(f"{self.name} has {self.hook_name}, not {hook_name}.")
