"""The loss of each text equals the loss that transformers computes for that text by itself."""

from typing import Any

import pytest
import torch

from jobs.evaluate import losses
from jobs.storage.catalogue import TRAIN
from jobs.t5 import loss, models, tiny
from jobs.t5.prompt import prompt
from tests.factories import product


@pytest.fixture(scope="module")
def model_and_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = tmp_path_factory.mktemp("model")
    tiny.train_tokenizer(
        [product(number, TRAIN).content for number in range(100)], folder / "tokenizer", vocabulary=400
    )
    tiny.build(folder / "t5", folder / "tokenizer", width=32, layers=1, seed=3)
    return models.load(folder / "t5"), models.load_tokenizer(folder / "t5")


def limits(prompt: int, reference: int) -> dict[str, int]:
    return {"max_prompt_tokens": prompt, "max_reference_tokens": reference}


def test_each_loss_equals_the_loss_of_transformers_on_that_row(
    model_and_tokenizer: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = model_and_tokenizer
    monkeypatch.setattr(loss, "ROW_LOSSES_CHUNK_LOGITS", 1000)  # several chunks per batch
    monkeypatch.setitem(losses.BATCH_TOKENS, "cpu", 300)  # several batches
    products = [product(number, TRAIN) for number in range(12)]
    prompts, references = [prompt(item.title) for item in products], [item.content for item in products]
    found = losses.losses(model, tokenizer, prompts, references, **limits(64, 512))
    for text, reference, found_loss in zip(prompts, references, found, strict=True):
        with torch.no_grad():
            labels = tokenizer(reference, return_tensors="pt").input_ids
            expected = model(**tokenizer(text, return_tensors="pt"), labels=labels).loss.item()
        assert found_loss == pytest.approx(expected, abs=1e-4)


def test_equal_pairs_have_equal_losses(model_and_tokenizer: tuple[Any, Any]) -> None:
    model, tokenizer = model_and_tokenizer
    first, second, third = losses.losses(model, tokenizer, ["a", "b", "a"], ["lamp", "lamp", "lamp"], **limits(64, 64))
    assert first == third != second
    assert losses.losses(model, tokenizer, [], [], **limits(64, 64)) == []


def test_texts_are_truncated_to_the_maximum_lengths(model_and_tokenizer: tuple[Any, Any]) -> None:
    model, tokenizer = model_and_tokenizer
    [long] = losses.losses(model, tokenizer, ["a lamp " * 400], ["a red lamp " * 400], **limits(16, 16))
    [short] = losses.losses(model, tokenizer, ["a lamp " * 300], ["a red lamp " * 300], **limits(16, 16))
    assert long == short
