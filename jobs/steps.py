"""The steps of a release and which needs which. The local run and the cluster's pipeline both read it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Parts = Literal["one", "shards", "stages", "files", "batches"]


@dataclass(frozen=True)
class Step:
    """One job of a release.

    `parts`: what an index of its Kubernetes Job is: a shard to train, a stage to evaluate, a file of the catalogue to embed,
    a share of the batch to describe, or nothing (`one`). `in_order`: part k needs part k-1.
    """

    name: str
    needs: tuple[str, ...]
    parts: Parts = "one"
    in_order: bool = False
    arguments: tuple[str, ...] = ()

    def indexes(self, shards: int, max_shards: int | None = None) -> int | None:
        """Return the number of indexes of its Job for a catalogue of this many shards, or None if it does not follow from that.

        `max_shards`: at most this number of shards are trained, from the first one.
        """
        trained = trained_shards(shards, max_shards)
        # files: the shards and the held-out set; stages: the trained shards, base and last model with retrieval, base model
        return {"shards": trained, "files": shards + 1, "stages": trained + 3}.get(self.parts)

    @property
    def command(self) -> str:
        """The command of `skuscribe` that runs it."""
        return "index" if self.name in ("embed", "build") else self.name


STEPS = (
    Step("prepare", needs=()),
    Step("fetch-model", needs=("prepare",)),  # the tokenizer of a tiny model is trained on the catalogue
    Step("embed", needs=("prepare",), parts="files", arguments=("--phase", "embed")),
    Step("build", needs=("embed",), arguments=("--phase", "build")),
    Step("match", needs=("build",)),
    Step("train", needs=("prepare", "fetch-model"), parts="shards", in_order=True),
    Step("evaluate", needs=("train", "match"), parts="stages"),
    Step("describe", needs=("train", "match"), parts="batches"),
    Step("report", needs=("evaluate", "describe")),
)


def trained_shards(shards: int, max_shards: int | None) -> int:
    """Return how many shards of a catalogue are trained: all, or at most `max_shards`."""
    return shards if max_shards is None else min(shards, max_shards)


def steps(retrieval_share: float = 0.0) -> tuple[Step, ...]:
    """Return the steps. Training with retrieved neighbours needs the index, so `train` then waits for `build`."""
    if not retrieval_share:
        return STEPS
    return tuple(replace(step, needs=(*step.needs, "build")) if step.name == "train" else step for step in STEPS)


def in_order(steps: tuple[Step, ...] = STEPS) -> Iterator[Step]:
    """Yield the steps, each after all that it needs. Errors: `ValueError` if the steps need each other in a circle."""
    done: set[str] = set()
    waiting = list(steps)
    while waiting:
        ready = next((step for step in waiting if done.issuperset(step.needs)), None)
        if ready is None:
            raise ValueError(f"these steps need each other: {', '.join(step.name for step in waiting)}")
        waiting.remove(ready)
        done.add(ready.name)
        yield ready
