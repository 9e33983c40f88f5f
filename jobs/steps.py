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
    Step("train", needs=("fetch-model",), parts="shards", in_order=True),
    Step("evaluate", needs=("train", "build"), parts="stages"),
    Step("describe", needs=("train", "match"), parts="batches"),
    Step("report", needs=("evaluate", "describe")),
)


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
