"""Batches of token sequences: which rows are in a batch, and its padded tensors."""

from collections.abc import Mapping, Sequence
from itertools import chain

import torch

from jobs.t5.loss import IGNORED


def batches_from_longest(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Return the row numbers, longest rows first, in batches of at most `max_tokens` tokens, padding included.

    A longer row is a batch by itself. Rows of equal lengths keep their order.
    """
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= max_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def collate(rows: Sequence[Mapping[str, Sequence[int]]], multiple: int = 1) -> dict[str, torch.Tensor]:
    """Return the tensors of a batch, int64, shape (rows, tokens): `input_ids`, `attention_mask` and `labels`.

    Padded to the longest row, rounded up to a multiple of `multiple`; padding in `labels` is `IGNORED`.
    """
    input_ids, real = _padded([row["input_ids"] for row in rows], multiple, padding=0)
    labels, _ = _padded([row["labels"] for row in rows], multiple, padding=IGNORED)
    return {"input_ids": input_ids, "attention_mask": real.long(), "labels": labels}


def _padded(rows: Sequence[Sequence[int]], multiple: int, padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens of the rows, and which of them are real."""
    lengths = torch.tensor([len(row) for row in rows])
    width = -(-int(lengths.max()) // multiple) * multiple
    real = torch.arange(width) < lengths[:, None]
    tokens = torch.full(real.shape, padding)
    tokens[real] = torch.tensor(list(chain.from_iterable(rows)))
    return tokens, real
