"""The estimator: learns 3D poses from the shards of a dataset and measures what it has learned."""
