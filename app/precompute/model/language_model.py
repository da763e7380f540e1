"""The language model of a job: what it is called, where dictionaries can sit on it, and running it.

Takes a Hugging Face folder and token ids; gives activations at TransformerLens hook names,
and logits with activations changed on the way. Activations are the model's own numbers: no norm is
folded, nothing is centred. Knows nothing of dictionaries, corpora or what activations are for.
"""

import copy
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.normalization import NormalizationBridge

from app.errors import AtlasError, closest
from app.precompute.model.agreement import TOLERANCE, Agreement
from app.precompute.model.bypass import bypassed, n_outputs_of, only_at
from app.precompute.model.forward import BridgeForward, Forward, PlainForward, Site, Visitor, read
from app.precompute.model.heights import PLACES
from app.precompute.model.mid_stream import reaching_the_stream
from app.precompute.model.narrow import Places, narrowed
from app.precompute.model.norms import read_norm
from app.precompute.model.pretrained import load_pretrained

HOOKS_PER_BLOCK = tuple(PLACES)
"""The activations of a block that dictionaries are trained on; not every architecture has each."""


class LanguageModel:
    """A model ready to run; made by `LanguageModel.load`."""

    def __init__(self, folder: str, plain: nn.Module, tokenizer: Any, named: str = "") -> None:
        """`plain` is the Hugging Face module, read from `folder`; it stays as it is.

        The bridge gets a copy of the module tree that shares the parameters (what it splits for
        itself, joint query-key-value matrices, comes on top). AtlasError if TransformerLens does
        not know the architecture.
        """
        self.folder = folder
        self.name = named or folder
        """As the user wrote it."""
        self.tokenizer = tokenizer
        self.plain = plain
        twin = _twin(plain)
        self._paths = {id(module): path for path, module in twin.named_modules()}
        self.bridge = _boot(folder, self.name, twin, tokenizer, self.device)
        self._hooks = self.bridge.hook_dict
        blocks = [f"blocks.{i}.{hook}" for i in range(self.n_layers) for hook in HOOKS_PER_BLOCK]
        self.hook_names = tuple(name for name in ("hook_embed", *blocks) if self._has(name))
        """The activations dictionaries can read or write, from the embedding upwards."""
        places = {name: self._place(name) for name in self.hook_names}
        plain_forward = PlainForward(plain, {name: site for name, site in places.items() if site})
        self._bridge_forward = BridgeForward(self.bridge, self._mlp_inputs())
        self._agreement = Agreement(plain_forward, self._bridge_forward, self.tolerance)
        self._widths: dict[str, int] = {}
        self._block_outputs: int | None = None

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: str = "cpu",
        dtype: Literal["float32", "bfloat16"] = "float32",
        named: str = "",
    ) -> "LanguageModel":
        """Weights and tokenizer from a Hugging Face folder; asks nothing of a network.

        `named` is what sentences call it, by default the folder.

        AtlasError if the folder is missing, is no causal language model, has no tokenizer, or holds
        NaN, if the device is not there, or if TransformerLens does not know the architecture.
        """
        plain, tokenizer = load_pretrained(Path(folder), getattr(torch, dtype), device, named)
        return cls(str(folder), plain, tokenizer, named)

    @property
    def n_layers(self) -> int:
        return self.bridge.cfg.n_layers

    @property
    def d_model(self) -> int:
        return self.bridge.cfg.d_model

    @property
    def n_ctx(self) -> int:
        """Most tokens one context may have."""
        return self.bridge.cfg.n_ctx

    @property
    def d_vocab(self) -> int:
        """Rows of the unembedding, which may be more than the tokenizer has tokens."""
        return self.W_U.shape[1]

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        unembedding: Any = self.plain.get_output_embeddings()  # pyright: ignore[reportCallIssue]
        return unembedding.weight.T

    @property
    def device(self) -> torch.device:
        return next(self.plain.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.plain.parameters()).dtype

    @property
    def tolerance(self) -> float:
        """How far two ways of computing one activation may differ; see `TOLERANCE`."""
        return TOLERANCE[self.dtype]

    @property
    def runs(self) -> bool:
        """Always."""
        return True

    @property
    def takes_masks(self) -> bool:
        """Whether it may be given masks and positions; if it honours them, is seen on the way."""
        return True

    @property
    def fill(self) -> int:
        """What stands to the right of shorter texts: a causal model never sees it from there."""
        return 0

    @property
    def one_at_a_time(self) -> bool:
        """Twins have modules of their own, so several threads may run side by side."""
        return False

    def way(self, hook_names: Iterable[str]) -> str:
        """What a pass that reads all these hooks, each of them read before, runs through."""
        apart = (self._agreement.differences[name] for name in hook_names)
        if any(difference > self.tolerance for difference in apart):
            return "the bridge"
        attention = getattr(self.plain.config, "_attn_implementation", None) or "its own"
        return f"the plain modules with {attention} attention"

    def ways(self, hook_names: Iterable[str]) -> list[str]:
        """How a pass that reads all these hooks is run, and what was seen on their first batch."""
        names = list(dict.fromkeys(hook_names))
        way, allowed = self.way(names), f"(allowed: {self.tolerance:g})"
        said = []
        for name in names:
            apart = self._agreement.differences[name]
            if apart > self.tolerance:
                reason = f"as the plain modules differ by {apart:.1g} {allowed}"
            elif way == "the bridge":
                reason = "as a hook that is read in the same pass needs it"
            else:
                reason = f"which equal the bridge within {apart:.1g} {allowed}"
            said.append(f"{name}: through {way}, {reason}.")
        return said

    def twin(self) -> "LanguageModel":
        """The same model for another thread: hooks sit on modules, so it has modules of its own.

        Parameters are shared (but for what the bridge splits), and so is what was found out about
        hooks, so that both run them the same way.
        """
        twin = LanguageModel(self.folder, _twin(self.plain), self.tokenizer, self.name)
        twin._agreement.share(self._agreement)
        twin._widths = self._widths
        return twin

    def plain_way(self, hook_names: Iterable[str]) -> PlainForward | None:
        """The plain modules, if they agree with the bridge at all these hooks; else None."""
        names, _ = self._asked(hook_names, None, None)
        tokens = torch.zeros(1, 2, dtype=torch.long, device=self.device)
        with torch.no_grad():
            way = self._agreement.way(tokens, names, {})
        return way if isinstance(way, PlainForward) else None

    def norm_paths(self) -> list[str]:
        """Where the norms of the blocks are among the plain modules; those of heads are left out,
        as are norms that stand before the first block or behind the last."""
        found = [
            self._path(name)
            for name, component in self.bridge.named_modules()
            if name.startswith("blocks.") and isinstance(component, NormalizationBridge)
        ]
        return [path for path in dict.fromkeys(found) if path and self._is_wide(path)]

    def native_name(self, hook_name: str) -> str:
        """The bridge's own name of a hook: component and side, "blocks.0.attn.o.hook_in"."""
        self._check_hook(hook_name)
        return str(self._hooks[hook_name].name)

    def hook_width(self, hook_name: str) -> int:
        """d_in of a dictionary at this hook, heads flattened. AtlasError for an unknown hook."""
        if hook_name not in self._widths:
            self._check_hook(hook_name)
            tokens = torch.zeros(1, 2, dtype=torch.long, device=self.device)
            found = self._read(self._bridge_forward, tokens, [hook_name])
            self._widths[hook_name] = found[hook_name].shape[-1]
        return self._widths[hook_name]

    @torch.no_grad()
    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "batch pos _d_in"]]:
        """The activations at these hooks, keyed by the names asked for, on the model's device.

        Nothing above the deepest hook runs. Padding goes to the right, where a causal model needs
        no mask for it. `attention_mask` is `[batch, pos]` (1 = token) or `[batch, 1, pos, pos]` of
        floats that are added to the scores. AtlasError if there is no such hook.
        """
        names, inputs = self._asked(hook_names, attention_mask, position_ids)
        tokens = tokens.to(self.device)
        return self._read(self._agreement.way(tokens, names, inputs), tokens, names, **inputs)

    @torch.no_grad()
    def activations_at(
        self,
        places: Places,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "n_places _d_in"]]:
        """`activations` at these places; above the last attention nothing else is computed."""
        names, inputs = self._asked(hook_names, attention_mask, position_ids)
        tokens = tokens.to(self.device)
        places = (places[0].to(self.device), places[1].to(self.device))
        forward = self._agreement.way(tokens, names, inputs)
        modules = self._above_last_attention(names) if isinstance(forward, PlainForward) else []
        with narrowed(modules, places):
            found = self._read(forward, tokens, names, **inputs)
        return {name: values[places] for name, values in found.items()}

    @torch.no_grad()
    def logits(
        self,
        tokens: Int[Tensor, "batch pos"],
        changes: Mapping[str, Visitor] | None = None,
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """Logits of a whole pass in which every hook in `changes` holds what its visitor returns.

        Visitors see activations as the hooks hold them (attention heads may be a dimension of their
        own) and must return the same shape. What `hook_resid_mid` gains, the stream past the MLP
        gains as well.
        """
        tokens = tokens.to(self.device)
        changes = reaching_the_stream(changes or {})
        return self._agreement.way(tokens, changes, {})(tokens, changes)

    @torch.no_grad()
    def logits_at(
        self,
        places: Places,
        tokens: Int[Tensor, "batch pos"],
        changes: Mapping[str, Visitor],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
        without_blocks: int = 0,
    ) -> Float[Tensor, "n_places d_vocab"]:
        """`logits` at these places, with mask and positions as `activations` takes them.

        Args:
            without_blocks: so many of the first blocks hand on what they are given; a visitor has
                to put the activation there. ValueError where the hooks need the bridge, or the
                blocks can't be found.
        """
        changes = reaching_the_stream(changes)
        names, inputs = self._asked(changes, attention_mask, position_ids)
        tokens = tokens.to(self.device)
        places = (places[0].to(self.device), places[1].to(self.device))
        forward = self._agreement.way(tokens, names, inputs)
        if not isinstance(forward, PlainForward):
            if without_blocks:
                raise ValueError("blocks of the bridge can't be left out")
            return forward(tokens, changes, **inputs)[places]
        unembedding: Any = self.plain.get_output_embeddings()  # pyright: ignore[reportCallIssue]
        blocks = self._blocks(without_blocks)
        n_outputs = self._n_outputs() if blocks else 0
        with bypassed(blocks, n_outputs), only_at(unembedding, places):
            return forward(tokens, changes, **inputs)[0]

    def module(self, component: str) -> nn.Module | None:
        """The plain module behind a component of the bridge ("ln_final", "blocks.0.attn.o")."""
        path = self._path(component)
        return None if path is None else self.plain.get_submodule(path)

    def weights_hash(self) -> str:
        """sha256 of all parameters: names, shapes, dtype, bytes. The same on every device."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.plain.named_parameters()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def _asked(
        self, hook_names: Iterable[str], *extra: Tensor | None
    ) -> tuple[list[str], dict[str, Tensor]]:
        """The hooks, once each and checked; mask and positions as the model takes them."""
        names = list(dict.fromkeys(hook_names))
        for name in names:
            self._check_hook(name)
        keys = ("attention_mask", "position_ids")
        given = zip(keys, extra, strict=True)
        return names, {key: value.to(self.device) for key, value in given if value is not None}

    def _above_last_attention(self, hook_names: list[str]) -> list[nn.Module]:
        """What may be narrowed when only these hooks are read: parts of the deepest block.

        Empty if a hook inside that block is read, where the parts' own inputs would be seen.
        """
        top = max(hook_names, key=self.hook_names.index)
        block = top.removesuffix("hook_resid_post")
        if block == top or any(name.startswith(block) and name != top for name in hook_names):
            return []
        found = [self.module(f"{block}{part}") for part in ("attn.o", "mlp")]
        return [module for module in found if module is not None]

    def _blocks(self, n: int) -> list[nn.Module]:
        """The first blocks. ValueError where the plain model has none such."""
        places = [self._place(f"blocks.{i}.hook_resid_pre") for i in range(n)]
        found = [place for place in places if place is not None and place.side == "hook_in"]
        if len(found) < n:
            raise ValueError(f"the blocks of {self.name} can't be found among its modules")
        return [self.plain.get_submodule(place.path) for place in found]

    def _n_outputs(self) -> int:
        if self._block_outputs is None:
            tokens = torch.zeros(1, 2, dtype=torch.long, device=self.device)
            (block,) = self._blocks(1)
            self._block_outputs = n_outputs_of(
                block, lambda: self.plain(input_ids=tokens, use_cache=False)
            )
        return self._block_outputs

    def _path(self, component: str) -> str | None:
        try:
            owner: Any = self.bridge.get_submodule(component)
        except AttributeError:
            return None
        return self._paths.get(id(getattr(owner, "original_component", None)))

    def _mlp_inputs(self) -> dict[str, str]:
        """The bridge's own names of `hook_mlp_in`, which it has but doesn't run in every block.

        It is the stream as the MLP's norm takes it: where there is a `hook_resid_mid`, that place.
        """
        found = {}
        for i in range(self.n_layers):
            for name in (f"blocks.{i}.hook_resid_mid", f"blocks.{i}.ln2.hook_in"):
                if name in self._hooks:
                    found[f"blocks.{i}.hook_mlp_in"] = str(self._hooks[name].name)
                    break
        return found

    def _is_wide(self, path: str) -> bool:
        """Whether a norm stands in the residual stream: its weights are as many."""
        parameters = list(self.plain.get_submodule(path).parameters())
        return all(parameter.numel() == self.d_model for parameter in parameters)

    def _has(self, hook_name: str) -> bool:
        if hook_name.endswith(".hook_mlp_in"):
            return hook_name in self._mlp_inputs()
        return hook_name in self._hooks

    def _place(self, hook_name: str) -> Site | None:
        native = self._mlp_inputs().get(hook_name) or str(self._hooks[hook_name].name)
        component, _, side = native.rpartition(".")
        path = self._path(component)
        if not path or side not in ("hook_in", "hook_out", "hook_normalized"):
            return None
        if side != "hook_normalized":
            return Site(path, side)
        norm = read_norm(self.plain.get_submodule(path), self.d_model)
        return Site(path, side, norm) if norm is not None else None

    def _check_hook(self, hook_name: str) -> None:
        if hook_name not in self.hook_names:
            raise AtlasError(
                f"The model {self.name} has no hook {hook_name!r} that a dictionary can sit on; "
                f"close ones are: {closest(hook_name, self.hook_names)}."
            )

    @torch.no_grad()
    def _read(
        self,
        forward: Forward,
        tokens: Int[Tensor, "batch pos"],
        hook_names: list[str],
        **inputs: Tensor,
    ) -> dict[str, Float[Tensor, "batch pos _d_in"]]:
        found = read(forward, tokens, hook_names, **inputs)
        for name in hook_names:
            if name not in found:
                raise AtlasError(
                    f"The hook {name!r} never fired in a pass of {self.name}; "
                    "name another hook of the same layer."
                )
        # Inside a norm the bridge computes in float32.
        return {name: values.to(self.dtype) for name, values in found.items()}


def _twin(module: nn.Module) -> nn.Module:
    """A copy of the module tree that shares every parameter and buffer."""
    shared = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in shared})


def _boot(
    folder: str, name: str, twin: nn.Module, tokenizer: Any, device: torch.device
) -> TransformerBridge:
    try:
        return TransformerBridge.boot_transformers(
            folder, hf_model=twin, tokenizer=tokenizer, device=device
        )
    except Exception as error:
        raise AtlasError(
            f"TransformerLens cannot read the model {name}, a {type(twin).__name__} ({error}); "
            "choose a model of an architecture it supports."
        ) from error
