"""The GPU memory of a training step, measured without a GPU: the step is run on tensors that have shapes but no memory."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import convert_outputs_to_fp32
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import T5Config, T5ForConditionalGeneration
from transformers.initialization import no_init_weights

from jobs.t5 import fused
from jobs.t5.loss import CHUNK_LOGITS, summed_loss
from jobs.t5.models import expected_parameters, has_own_head
from jobs.train.batches import BatchSchedule, Lengths

FLOAT_BYTES = 4
STATES_PER_WEIGHT = 4
"""Float32 numbers per weight: the weight, its gradient, and the two moments of AdamW."""

USABLE_FRACTION = 0.85
"""The memory of a GPU that an estimate may fill. The rest is for the CUDA context, fragmentation and the error of the estimate."""


@dataclass(frozen=True)
class BatchShape:
    """The shape of a padded batch: rows, source tokens per row and target tokens per row."""

    rows: int
    source: int
    target: int


@dataclass(frozen=True)
class Activations:
    """Bytes of a forward pass, weights excluded.

    `saved`: what is kept for the backward pass. `most`: the most that exists at one time, with the values between two operations;
    the loss needs the largest of these.
    """

    saved: int
    most: int


def state_bytes(config: T5Config) -> int:
    """Return the bytes of weights, gradients and AdamW state, all float32."""
    return STATES_PER_WEIGHT * FLOAT_BYTES * expected_parameters(config)


def largest_batches(schedule: BatchSchedule, lengths: Lengths, multiple: int) -> list[BatchShape]:
    """Return the padded batches of a schedule that may need the most memory: that with the most tokens, and that with the most
    attention scores.

    `multiple`: the tokens of a row are padded to a multiple of it.
    """
    batches = [rows for step in schedule.steps for rows in step]
    shapes = {
        BatchShape(
            len(rows), *(_rounded_up(int(side[rows].max()), multiple) for side in (lengths.source, lengths.target))
        )
        for rows in batches
    }
    by_size = sorted(
        shapes, key=lambda shape: (shape.rows, shape.source, shape.target)
    )  # the same one if two are equal
    return list(dict.fromkeys(max(by_size, key=size) for size in (_tokens, _attention_scores)))


def _rounded_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _tokens(shape: BatchShape) -> int:
    return shape.rows * (shape.source + shape.target)


def _attention_scores(shape: BatchShape) -> int:
    """Return the scores of one head in an encoder layer and a decoder layer."""
    return shape.rows * (shape.source**2 + shape.target**2 + shape.source * shape.target)


def activations(config: T5Config, shape: BatchShape, *, lean_loss: bool) -> Activations:
    """Return the bytes of a forward pass in bfloat16 with the layers that `train` uses on a GPU, each position a real token.

    `lean_loss`: as in `Recipe`. Of FLAN-T5-base with 16,384 target tokens a batch, `state_bytes` and `most` together are 22.7 GB for
    182 rows of 30 source and 90 target tokens, and 32.5 GB for 248 rows of 72 and 72. Steps on real rows, whose largest batch is
    not known, were measured at 25 GB (torch 2.11, H200).
    """
    with FakeTensorMode():
        model = _model(config)
        fused.fuse(model)
        model.train()
        inputs = {
            name: torch.ones(shape.rows, tokens, dtype=torch.int64)
            for name, tokens in (
                ("input_ids", shape.source),
                ("attention_mask", shape.source),
                ("labels", shape.target),
            )
        }
        with LiveBytes() as live:
            loss = gpu_loss(model, inputs, lean_loss=lean_loss)
            found = Activations(live.now, live.most)
            del loss  # what is saved for the backward pass exists until here
    return found


def _model(config: T5Config) -> T5ForConditionalGeneration:
    """Return the model without values, its weights shared as in a loaded one."""
    with no_init_weights():
        model = T5ForConditionalGeneration(config)
    model.encoder.embed_tokens = model.decoder.embed_tokens = model.shared
    weight = torch.empty_like(model.shared.weight)
    model.lm_head.weight = torch.nn.Parameter(weight) if has_own_head(config) else model.shared.weight
    return model


def gpu_loss(model: T5ForConditionalGeneration, inputs: Mapping[str, torch.Tensor], *, lean_loss: bool) -> torch.Tensor:
    """Return the loss of a batch on the CPU, computed with the operations that a GPU would use, so that the same values are saved.

    All labels count as real tokens. `lean_loss`: as in `Recipe`.
    """
    with GpuOperations(), torch.autocast("cpu", torch.bfloat16):
        if lean_loss:
            return summed_loss(model, inputs, CHUNK_LOGITS["cuda"])
        outputs = convert_outputs_to_fp32(model.forward)(**inputs, use_cache=False)  # as Seq2SeqTrainer does
        loss: torch.Tensor = outputs.loss
        return loss


class GpuOperations(TorchFunctionMode):
    """Replaces operations that torch computes differently on a GPU, with other values saved for the backward pass.

    A number of real tokens that depends on values is not known without values: a mask selects every position.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Return the result of the GPU's operation, or of `func` itself."""
        kwargs = kwargs or {}
        if func is torch.dropout:
            values, probability, training = args
            if not training or not probability:
                return values
            return torch.ops.aten.native_dropout(values, probability, training)[0]
        if func is torch.rms_norm:
            values, shape, weight, epsilon = args
            return torch.ops.aten._fused_rms_norm(values, list(shape), weight, epsilon)[0]
        if func is torch.nn.functional.cross_entropy:
            return func(args[0].float(), *args[1:], **kwargs)  # autocast of a GPU computes it in float32
        if func is torch.Tensor.__getitem__ and isinstance(args[1], torch.Tensor) and args[1].dtype == torch.bool:
            return args[0].flatten(0, 1).clone()
        return func(*args, **kwargs)


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # its base has no types
    """Counts the bytes of the tensors that the operations of a block create and that still exist; views count once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Return the result of an operation, counted."""
        kwargs = kwargs or {}
        before = {_key(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)}
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and _key(tensor) not in before:
                self._count(tensor.untyped_storage(), _key(tensor))
        return result

    def _count(self, storage: torch.UntypedStorage, key: int) -> None:
        if key in self._storages:
            return
        size = storage.nbytes()

        def remove(_: object) -> None:
            self.now -= size
            del self._storages[key]

        self._storages[key] = weakref.ref(storage, remove)
        self.now += size
        self.most = max(self.most, self.now)


def _key(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
