"""Batches of token sequences: a maximum of tokens, and padding that the loss ignores."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jobs.t5.batches import batches_from_longest, collate

lengths = st.lists(st.integers(1, 200), max_size=60)


@given(lengths, st.integers(1, 2048))
def test_every_row_is_in_one_batch_and_longer_rows_come_first(given_lengths: list[int], max_tokens: int) -> None:
    batches = batches_from_longest(given_lengths, max_tokens)
    rows = [row for batch in batches for row in batch]
    assert rows == sorted(range(len(given_lengths)), key=lambda row: (-given_lengths[row], row))
    assert all(batches)


@given(lengths, st.integers(1, 2048))
def test_a_batch_is_as_large_as_the_maximum_of_padded_tokens_allows(given_lengths: list[int], max_tokens: int) -> None:
    batches = batches_from_longest(given_lengths, max_tokens)
    for number, batch in enumerate(batches):
        longest = given_lengths[batch[0]]
        assert len(batch) == 1 or len(batch) * longest <= max_tokens
        assert number == len(batches) - 1 or (len(batch) + 1) * longest > max_tokens


def test_a_batch_is_padded_to_its_longest_row_and_its_labels_ignore_padding() -> None:
    rows = [{"input_ids": [5, 6, 1], "labels": [8, 1]}, {"input_ids": [7, 1], "labels": [9, 9, 9, 1]}]
    tensors = collate(rows)
    assert tensors["input_ids"].tolist() == [[5, 6, 1], [7, 1, 0]]
    assert tensors["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert tensors["labels"].tolist() == [[8, 1, -100, -100], [9, 9, 9, 1]]
    assert all(tensor.dtype == torch.int64 for tensor in tensors.values())


@pytest.mark.parametrize(("multiple", "width"), [(1, 2), (8, 8)])
def test_the_width_of_a_batch_is_a_multiple(multiple: int, width: int) -> None:
    assert collate([{"input_ids": [5, 1], "labels": [8, 1]}], multiple)["labels"].shape == (1, width)
