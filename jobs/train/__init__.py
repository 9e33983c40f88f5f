"""`train`: one shard and its parent model become the next model of the run."""
