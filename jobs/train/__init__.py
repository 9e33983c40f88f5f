"""The job `train`: one shard and its parent model to the child model."""
