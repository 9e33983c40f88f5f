"""The loss of a T5 equals the loss that transformers computes, for a tied and an untied output head."""

from typing import Any

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from jobs.t5 import loss
from jobs.t5.loss import IGNORED

SOURCES = ([5, 6, 7, 1], [8, 1], [9, 10, 11, 12, 13, 1])
TARGETS = ([20, 21, 1], [22, 23, 24, 25, 26, 27, 1], [28, 1])


@pytest.fixture(params=[False, True], ids=["own head", "tied head"])
def model(request: pytest.FixtureRequest) -> T5ForConditionalGeneration:
    torch.manual_seed(1)
    config = T5Config(  # type: ignore[call-arg]
        vocab_size=64, d_model=32, d_kv=16, num_heads=2, d_ff=64, num_layers=1, feed_forward_proj="gated-gelu",
        decoder_start_token_id=0, tie_word_embeddings=request.param,
    )  # fmt: skip
    made = T5ForConditionalGeneration(config)
    if not request.param:
        made.lm_head.weight = torch.nn.Parameter(torch.randn(64, 32))
    return made.eval()  # type: ignore[no-untyped-call, no-any-return]


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    return batch(SOURCES, TARGETS)


def batch(sources: Any, targets: Any) -> dict[str, torch.Tensor]:
    masks = [[1] * len(source) for source in sources]
    return {
        name: torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=fill)
        for name, rows, fill in (
            ("input_ids", sources, 0), ("attention_mask", masks, 0), ("labels", targets, IGNORED),
        )
    }  # fmt: skip


@pytest.mark.parametrize("chunk_rows", [1, 5, 1000])
def test_the_summed_loss_and_its_gradients_equal_those_of_transformers(
    model: Any, inputs: dict[str, torch.Tensor], chunk_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", chunk_rows * 64)
    tokens = sum(map(len, TARGETS))
    (model(**inputs).loss * tokens).backward()
    expected = {name: weight.grad for name, weight in model.named_parameters()}
    model.zero_grad()
    summed = loss.summed_loss(model, inputs)
    summed.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert summed.item() == pytest.approx(model(**inputs).loss.item() * tokens, rel=1e-5)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-3, atol=1e-4)


def test_the_loss_of_each_row_equals_the_loss_of_transformers_on_that_row(
    model: Any, inputs: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "ROW_LOSSES_CHUNK_LOGITS", 5 * 64)
    found = loss.row_losses(model, inputs)
    with torch.no_grad():
        expected = [
            model(**batch([source], [target])).loss.item() for source, target in zip(SOURCES, TARGETS, strict=True)
        ]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_row_losses_add_up_to_the_summed_loss(model: Any, inputs: dict[str, torch.Tensor]) -> None:
    tokens = torch.tensor([len(target) for target in TARGETS])
    total = (loss.row_losses(model, inputs) * tokens).sum().item()
    assert total == pytest.approx(loss.summed_loss(model, inputs).item(), rel=1e-5)


def test_a_loss_without_gradients_computes_none(
    model: Any, inputs: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = loss.summed_loss(model, inputs).item()
    made: list[torch.Size] = []
    zeros_like = torch.zeros_like

    def recorded(tensor: torch.Tensor, **options: Any) -> torch.Tensor:
        made.append(tensor.shape)
        return zeros_like(tensor, **options)

    monkeypatch.setattr(torch, "zeros_like", recorded)
    with torch.inference_mode():
        assert loss.summed_loss(model, inputs).item() == pytest.approx(expected)
    assert model.lm_head.weight.shape not in made
    loss.summed_loss(model, inputs)
    assert model.lm_head.weight.shape in made
