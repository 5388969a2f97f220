"""The estimator: learns 3D poses from the shards of a dataset and measures what it has learned."""

import os

# Read once, when torch is first imported. Threads that spin while they wait made training five times slower on shared cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
