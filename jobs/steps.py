"""Which step needs which: the one place that says so. The local run follows it, and so does the cluster."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

Parts = Literal["one", "shards", "stages", "files", "batches"]

RetrievalShare = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Of the training rows, so many (0 to 1) are shown their neighbours; 0 trains without an index.",
    ),
]


@dataclass(frozen=True)
class Step:
    """One job of a release.

    `parts` says what an index of it is: a shard to train, a stage to evaluate, a file of the catalogue to embed, a part
    of a batch to describe, or nothing. `in_order` says that part k needs part k-1.
    """

    name: str
    needs: tuple[str, ...]
    parts: Parts = "one"
    in_order: bool = False
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command of `skuscribe` that does it."""
        return "index" if self.name in ("embed", "build") else self.name


STEPS = (
    Step("prepare", needs=()),
    Step("fetch-model", needs=("prepare",)),  # a tiny model's tokenizer is trained on the catalogue
    Step("embed", needs=("prepare",), parts="files", arguments=("--phase", "embed")),
    Step("build", needs=("embed",), arguments=("--phase", "build")),
    Step("train", needs=("fetch-model",), parts="shards", in_order=True),
    Step("evaluate", needs=("train", "build"), parts="stages"),
    Step("describe", needs=("train", "build"), parts="batches"),
    Step("report", needs=("evaluate", "describe")),
)


def steps(retrieval_share: float = 0.0) -> tuple[Step, ...]:
    """The steps; a training that shows neighbours waits for the index."""
    if not retrieval_share:
        return STEPS
    return tuple(replace(step, needs=(*step.needs, "build")) if step.name == "train" else step for step in STEPS)


def in_order(steps: tuple[Step, ...] = STEPS) -> Iterator[Step]:
    """The steps, each after all that it needs. Errors: `ValueError` where no such order exists."""
    done: set[str] = set()
    waiting = list(steps)
    while waiting:
        ready = next((step for step in waiting if done.issuperset(step.needs)), None)
        if ready is None:
            raise ValueError(f"these steps wait for each other: {', '.join(step.name for step in waiting)}")
        waiting.remove(ready)
        done.add(ready.name)
        yield ready
