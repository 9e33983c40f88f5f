"""The memory of a step, computed without values, is what the same step has with values."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from jobs.estimate import memory, plan
from jobs.estimate.memory import BatchShape, LiveBytes, activations, gpu_loss, largest_batches, state_bytes
from jobs.t5 import fused
from jobs.train import gpus
from jobs.train.batches import BatchSchedule, Lengths
from jobs.train.recipes import FAST, REFERENCE

BASE: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 768,
    "d_kv": 64,
    "num_heads": 12,
    "d_ff": 2048,
    "num_layers": 12,
}
SHAPE = BatchShape(rows=6, source=16, target=24)
MEASURED_GIGABYTES = 25
"""README.md, figures: FLAN-T5-base's shape, 16,384 target tokens a batch, real rows, on an H200."""


def config(**shape: Any) -> T5Config:
    chosen = {
        "vocab_size": 160, "d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 64, "num_layers": 2, "decoder_start_token_id": 0,
        "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "dropout_rate": 0.1,
    }  # fmt: skip
    return T5Config(**{**chosen, **shape})


def real_model(shape: T5Config) -> T5ForConditionalGeneration:
    model = T5ForConditionalGeneration(shape)
    if not shape.scale_decoder_outputs:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(shape.vocab_size, shape.d_model))
    fused.fuse(model)
    return model.train()  # type: ignore[no-any-return]


def inputs_of(shape: BatchShape) -> dict[str, torch.Tensor]:
    source, target = (torch.randint(2, 160, (shape.rows, tokens)) for tokens in (shape.source, shape.target))
    return {"input_ids": source, "attention_mask": torch.ones_like(source), "labels": target}


@pytest.mark.parametrize("lean_loss", [True, False], ids=["fast", "reference"])
@pytest.mark.parametrize(
    "shape", [{}, {"tie_word_embeddings": True}, {"dropout_rate": 0.0}, {"feed_forward_proj": "relu"}]
)
def test_the_saved_bytes_are_those_of_a_real_forward_pass(shape: dict[str, Any], lean_loss: bool) -> None:
    model = real_model(config(**shape))
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    saved: dict[int, torch.UntypedStorage] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage
        return tensor

    inputs = inputs_of(SHAPE)
    given = {tensor.untyped_storage().data_ptr() for tensor in inputs.values()}
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        loss = gpu_loss(model, inputs, lean_loss=lean_loss)
    real = sum(storage.nbytes() for pointer, storage in saved.items() if pointer not in given)
    assert loss.isfinite()
    found = activations(config(**shape), SHAPE, lean_loss=lean_loss)
    assert found.saved == pytest.approx(real, rel=0.01)
    assert found.most > found.saved


@pytest.mark.parametrize("lean_loss", [True, False], ids=["fast", "reference"])
def test_a_whole_step_needs_no_more_than_gradients_and_the_most_of_its_forward_pass(lean_loss: bool) -> None:
    model = real_model(config())
    with LiveBytes() as live:
        gpu_loss(model, inputs_of(SHAPE), lean_loss=lean_loss).backward()  # type: ignore[no-untyped-call]
    gradients = 4 * sum(weight.numel() for weight in model.parameters())
    most = activations(config(), SHAPE, lean_loss=lean_loss).most
    assert most <= live.most <= most + gradients


@pytest.mark.parametrize("is_tied", [True, False])
def test_weights_gradients_and_adamw_states_are_counted_in_float32(is_tied: bool) -> None:
    shape = config(tie_word_embeddings=is_tied)
    model = real_model(shape)
    optimizer = torch.optim.AdamW(model.parameters())
    gpu_loss(model, inputs_of(SHAPE), lean_loss=True).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    weights = list(model.parameters())
    states = [optimizer.state[weight][name] for weight in weights for name in ("exp_avg", "exp_avg_sq")]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    assert state_bytes(shape) == sum(tensor.nbytes for tensor in [*weights, *gradients, *states])


@pytest.mark.parametrize("side", ["rows", "source", "target"])
def test_more_rows_or_longer_ones_need_more(side: str) -> None:
    sizes = [replace(SHAPE, **{side: factor * getattr(SHAPE, side)}) for factor in (1, 2, 4)]
    most = [activations(config(), shape, lean_loss=True).most for shape in sizes]
    assert most == sorted(set(most))


@pytest.mark.parametrize("shape", [BatchShape(182, 32, 96), BatchShape(32, 64, 512)], ids=["mean", "longest"])
def test_the_memory_of_flan_t5_base_is_near_the_measured_one(shape: BatchShape) -> None:
    base = config(**BASE)
    total = state_bytes(base) + activations(base, shape, lean_loss=True).most
    assert total / 1e9 == pytest.approx(MEASURED_GIGABYTES, rel=0.15)


def test_the_largest_batches_have_the_most_tokens_and_the_most_attention_scores() -> None:
    lengths = Lengths(np.array([3, 3, 9, 30, 5]), np.array([4, 20, 4, 90, 6]))
    steps = ((np.array([0, 1]), np.array([2])), (np.array([3]), np.array([4])))
    schedule = BatchSchedule(steps, (2,))
    assert largest_batches(schedule, lengths, 8) == [BatchShape(1, 32, 96)]
    many = Lengths(np.full(60, 8), np.full(60, 8))
    both = BatchSchedule((*steps, (np.arange(5, 60),)), (3,))
    joined = Lengths(np.concatenate([lengths.source, many.source]), np.concatenate([lengths.target, many.target]))
    assert largest_batches(both, joined, 8) == [BatchShape(55, 8, 8), BatchShape(1, 32, 96)]


@pytest.mark.parametrize("recipe", [replace(FAST, target_tokens_per_batch=2048), replace(REFERENCE, batch_rows=64)])
def test_the_largest_halved_batches_that_fit_are_found(recipe: Any) -> None:
    lengths = Lengths(np.full(200, 8), np.full(200, 24))
    needed = plan.step_memory(lengths, config(), recipe, seed=1)
    small = replace(gpus.by_name("L4"), memory_bytes=0.6 * needed.total / memory.USABLE_FRACTION)
    found = plan.fitting_recipe(lengths, config(), recipe, small, seed=1)
    assert found is not None
    assert plan.step_memory(lengths, config(), found, seed=1).fits(small)
    twice = replace(
        found,
        target_tokens_per_batch=2 * found.target_tokens_per_batch,
        batch_rows=2 * found.batch_rows,
        gradient_accumulation=found.gradient_accumulation // 2,
    )
    assert not plan.step_memory(lengths, config(), twice, seed=1).fits(small)
    none = replace(small, memory_bytes=needed.state)
    assert plan.fitting_recipe(lengths, config(), recipe, none, seed=1) is None
