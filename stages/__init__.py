"""What is done to a table of samples on its way from a pose to a shard."""

import os

# Else transformers advises another package while diffusers is imported, in the middle of a run's progress.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
