"""What is said of each finished epoch: how the training went, and what the model makes of the test rows."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.process import log
from jobs.train import batches, throughput, validation
from jobs.train.checkpoint import Progress
from jobs.train.trainer import Course, Measure

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

ROUGES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def measuring(
    course: Course,
    model: "T5ForConditionalGeneration",
    tokenizer: "PreTrainedTokenizerFast",
    test: "datasets.Dataset",
    references: Sequence[str],
    max_answer_tokens: int,
) -> Measure:
    """The measurement of a course after each epoch: validation loss on `test`, ROUGE on its first `len(references)` rows.

    `test` is what `batches.tokenise()` makes. The record is logged, and it is a line of metrics.jsonl.
    """
    lengths = batches.lengths_of(test)

    def measure(epoch: int, progress: Progress, safe_point: Callable[[], None]) -> dict[str, Any]:
        loss = validation.loss(model, test, lengths, course.device, safe_point)
        rouge = validation.rouge(
            model, tokenizer, test, lengths, references, max_answer_tokens, course.device, safe_point
        )
        record = _of_training(course, model, epoch, progress) | {"validation_loss": loss}
        record |= asdict(rouge) if rouge else dict.fromkeys(ROUGES)
        log.info("epoch done", **record)
        return record

    return measure


def _of_training(course: Course, model: "T5ForConditionalGeneration", epoch: int, progress: Progress) -> dict[str, Any]:
    """What training itself tells of an epoch. Rates are over the seconds spent in steps; padding is left out of tokens."""
    lengths, seconds = course.lengths, max(progress.epoch_seconds, 1e-9)
    tokens = int(lengths.target.sum())
    operations = throughput.training_operations(model.config, lengths)
    return {
        "shard": course.shard,
        "epoch": epoch + 1,
        "step": progress.step,
        "training_loss": progress.loss_sum / tokens,
        "examples_per_second": len(lengths.target) / seconds,
        "target_tokens_per_second": tokens / seconds,
        "padding_efficiency": batches.padding_efficiency(course.plan.epoch_rows(epoch), lengths),
        "model_flops_utilisation": throughput.utilisation(operations, seconds, course.device.gpu),
        "seconds": progress.epoch_seconds,
    }
