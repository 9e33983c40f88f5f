"""The record of a finished epoch: figures of the training, and the quality of the model on the test rows."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

from jobs.process import log
from jobs.quality import rouge
from jobs.train import throughput, validation
from jobs.train.batches import padding_efficiency
from jobs.train.callback import EpochEvaluator
from jobs.train.checkpoint import Progress
from jobs.train.shard_training import ShardTraining
from jobs.train.training_run import ROUGE_MAX_TOKENS
from jobs.train.validation import ValidationRows


def epoch_evaluator(
    training: ShardTraining,
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    test: ValidationRows,
) -> EpochEvaluator:
    """Return the function that evaluates a training's epochs: the loss on `test`, and ROUGE on its rows with a reference.

    Each record is logged and becomes a line of metrics.jsonl.
    """

    def evaluate(epoch: int, progress: Progress, safe_point: Callable[[], None]) -> dict[str, Any]:
        loss = validation.mean_loss(model, test, training.device, safe_point)
        scores = validation.greedy_rouge(
            model, tokenizer, test, training.device, safe_point, max_tokens=ROUGE_MAX_TOKENS
        )
        record = _training_figures(training, model, epoch, progress) | {"validation_loss": loss}
        record |= asdict(scores) if scores else dict.fromkeys(rouge.NAMES)
        log.info("epoch finished", **record)
        return record

    return evaluate


def _training_figures(
    training: ShardTraining, model: T5ForConditionalGeneration, epoch: int, progress: Progress
) -> dict[str, Any]:
    """Return loss and throughput of an epoch. Rates are per second of training steps; padding does not count as tokens."""
    lengths, seconds = training.lengths, max(progress.epoch_seconds, 1e-9)
    tokens = int(lengths.target.sum())
    operations = throughput.training_operations(model.config, lengths)
    return {
        "shard": training.shard,
        "epoch": epoch + 1,
        "step": progress.step,
        "training_loss": progress.loss_sum / tokens,
        "examples_per_second": len(lengths.target) / seconds,
        "target_tokens_per_second": tokens / seconds,
        "padding_efficiency": padding_efficiency(training.schedule.epoch_batches(epoch), lengths),
        "model_flops_utilisation": throughput.utilisation(operations, seconds, training.device.gpu),
        "seconds": progress.epoch_seconds,
    }
