"""The layers for training on a GPU: the same weights and results as those of transformers."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from jobs.t5 import fused
from jobs.t5.loss import IGNORED, summed_loss

ROWS, SOURCE_TOKENS, TARGET_TOKENS, VOCABULARY = 6, 17, 23, 64


def t5(feed_forward: str = "gated-gelu") -> T5ForConditionalGeneration:
    torch.manual_seed(1)
    config = T5Config(  # type: ignore[call-arg]
        vocab_size=VOCABULARY, d_model=32, d_kv=16, num_heads=2, d_ff=64, num_layers=2, feed_forward_proj=feed_forward,
        decoder_start_token_id=0, tie_word_embeddings=False, dropout_rate=0.0,
    )  # fmt: skip
    made = T5ForConditionalGeneration(config)
    made.lm_head.weight = torch.nn.Parameter(torch.randn(VOCABULARY, 32))
    return made.train()  # type: ignore[no-any-return]


def fused_copy(model: T5ForConditionalGeneration) -> T5ForConditionalGeneration:
    replaced = copy.deepcopy(model)
    fused.fuse(replaced)
    return replaced


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    """Rows of different lengths on both sides."""
    tokens = torch.Generator().manual_seed(2)
    source = torch.randint(2, VOCABULARY, (ROWS, SOURCE_TOKENS), generator=tokens)
    target = torch.randint(2, VOCABULARY, (ROWS, TARGET_TOKENS), generator=tokens)
    mask = torch.ones_like(source)
    mask[2, 9:], mask[3, 1:], target[1, 5:], target[4, 1:] = 0, 0, IGNORED, IGNORED
    return {"input_ids": source * mask, "attention_mask": mask, "labels": target}


def gradients(model: T5ForConditionalGeneration, inputs: dict[str, torch.Tensor], *, bf16: bool) -> dict[str, Any]:
    """The gradient of each weight, and the loss."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = summed_loss(model, inputs)
    loss.backward()  # type: ignore[no-untyped-call]
    return {"loss": loss.detach()} | {name: weight.grad.clone() for name, weight in model.named_parameters()}  # type: ignore[union-attr]


def error(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest relative error of a gradient, and of the loss."""
    return max(float((found[name] - expected[name]).norm() / expected[name].norm()) for name in expected)


@pytest.mark.parametrize("feed_forward", ["gated-gelu", "gated-silu", "relu"])
def test_loss_and_gradients_are_those_of_transformers(feed_forward: str, inputs: dict[str, torch.Tensor]) -> None:
    model = t5(feed_forward)
    assert error(gradients(fused_copy(model), inputs, bf16=False), gradients(model, inputs, bf16=False)) < 1e-5


def test_in_bfloat16_the_results_are_no_further_from_float32_than_those_of_transformers(
    inputs: dict[str, torch.Tensor],
) -> None:
    model = t5()
    exact = gradients(model, inputs, bf16=False)
    own, theirs = (error(gradients(made, inputs, bf16=True), exact) for made in (fused_copy(model), model))
    assert 0 < own < 1.2 * theirs


def test_the_weights_are_the_same_tensors_with_the_same_names() -> None:
    model = t5()
    weights = dict(model.named_parameters())
    fused.fuse(model)
    replaced = dict(model.named_parameters())
    assert list(replaced) == list(weights)
    assert all(replaced[name] is weight for name, weight in weights.items())
    assert not [name for name, weight in replaced.items() if weight.is_meta]


def test_generated_tokens_are_the_same(inputs: dict[str, torch.Tensor]) -> None:
    def generated(model: Any) -> torch.Tensor:
        tokens: torch.Tensor = model.generate(
            inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=20, do_sample=False
        )
        return tokens

    model = t5().eval()  # type: ignore[no-untyped-call]
    first, second = generated(model), generated(fused_copy(model))
    assert torch.equal(first, second)
    assert len(first[0]) > 10


def test_dropout_of_the_attention_weights_applies_in_training_only(inputs: dict[str, torch.Tensor]) -> None:
    model = t5()
    model.config.dropout_rate = 0.5
    replaced = T5ForConditionalGeneration(model.config)
    fused.fuse(replaced)
    for part in replaced.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    with torch.no_grad():
        replaced.train()
        assert float(summed_loss(replaced, inputs)) != float(summed_loss(replaced, inputs))
        replaced.eval()  # type: ignore[no-untyped-call]
        assert float(summed_loss(replaced, inputs)) == float(summed_loss(replaced, inputs))


def test_a_saved_model_does_not_name_the_layers(tmp_path: Path) -> None:
    model = fused_copy(t5())
    model.save_pretrained(tmp_path)
    assert fused.ATTENTION not in (tmp_path / "config.json").read_text()
    loaded = T5ForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.config._attn_implementation == "sdpa"
    weights = dict(model.named_parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in loaded.named_parameters())
