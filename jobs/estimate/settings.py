"""Estimate time, memory, storage and cost of a training before it runs.

Takes the settings of `train`, and reads the catalogue and the base model. Changes nothing, and needs no GPU. The exit code is 0
also if the training does not fit into the memory of the GPU.

    skuscribe estimate --gpu L4 --gpu-hour-price 0.7
"""

from pydantic import Field

from jobs.process.settings import unit
from jobs.train.gpus import GpuName
from jobs.train.settings import TrainingSettings


class Settings(TrainingSettings):
    """The settings of the training, and the GPU that it would run on."""

    gpu: GpuName = Field("L4", description="The GPU to estimate for. A100 is the one with 40 GB.")
    gpu_hour_price: float = Field(
        0,
        ge=0,
        description="Price of a GPU hour, in any currency; 0 leaves cost out.",
        json_schema_extra=unit("currency per GPU hour"),
    )
