"""The steps of a release, which needs which, and the stages of a run. The local run and the cluster's pipeline both read it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

IndexedBy = Literal["shards", "stages", "files", "workers"]


@dataclass(frozen=True)
class Stage:
    """A model to evaluate: the one after a trained shard, or the base model (None), with or without retrieval."""

    shard: int | None
    retrieval: bool


def rounds(trained: int, shards_at_once: int = 1) -> list[range]:
    """Return the shards of each round: those that are trained at the same time, from the same model. In a chain, a round has one shard.

    `trained`: the number of trained shards.
    """
    return [range(first, min(first + shards_at_once, trained)) for first in range(0, trained, shards_at_once)]


def stages(trained: int, shards_at_once: int = 1) -> list[Stage]:
    """Return the stages of a run by index: the base model, and the model after each round, which is named by its last shard.

    Only the base model and the last model are evaluated with retrieval too. `trained`: the number of trained shards. The chart's
    `skuscribe.stages` computes the length of this list.
    """
    each_round = [Stage(shards[-1], retrieval=False) for shards in rounds(trained, shards_at_once)]
    return [Stage(None, retrieval=False), Stage(None, retrieval=True), *each_round, Stage(trained - 1, retrieval=True)]


@dataclass(frozen=True)
class Step:
    """One job of a release.

    `indexed_by`: what an index of its Kubernetes Job is: a shard to train, a stage to evaluate, a file of the catalogue to
    embed, or a worker that describes its share of a batch; None if the Job has no indexes. `in_order`: an index needs those before it.
    """

    name: str
    needs: tuple[str, ...]
    indexed_by: IndexedBy | None = None
    in_order: bool = False
    arguments: tuple[str, ...] = ()

    def indexes(self, shards: int, max_shards: int | None = None, shards_at_once: int = 1) -> int | None:
        """Return the number of indexes of its Job for a catalogue of this many shards, or None if it does not follow from that.

        `max_shards`: at most this number of shards are trained, from the first one, `shards_at_once` of them at the same time.
        """
        trained = trained_shards(shards, max_shards)
        match self.indexed_by:
            case "shards":
                return trained
            case "stages":
                return len(stages(trained, shards_at_once))
            case "files":
                return shards + 1  # with the held-out set
            case _:
                return None

    @property
    def command(self) -> str:
        """The command of `skuscribe` that runs it."""
        return "index" if self.name in ("embed", "build") else self.name


STEPS = (
    Step("prepare", needs=()),
    Step("fetch-model", needs=("prepare",)),  # the tokenizer of a tiny model is trained on the catalogue
    Step("embed", needs=("prepare",), indexed_by="files", arguments=("--phase", "embed")),
    Step("build", needs=("embed",), arguments=("--phase", "build")),
    Step("match", needs=("build",)),
    Step("train", needs=("prepare", "fetch-model"), indexed_by="shards", in_order=True),
    Step("evaluate", needs=("train", "match"), indexed_by="stages"),
    Step("describe", needs=("train", "match"), indexed_by="workers"),
    Step("report", needs=("evaluate", "describe")),
)


def by_name(name: str) -> Step:
    """Return the step of this name, which must exist."""
    return next(step for step in STEPS if step.name == name)


def trained_shards(shards: int, max_shards: int | None) -> int:
    """Return how many shards of a catalogue are trained: all, or at most `max_shards`."""
    return shards if max_shards is None else min(shards, max_shards)


def steps(retrieval_share: float) -> tuple[Step, ...]:
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
