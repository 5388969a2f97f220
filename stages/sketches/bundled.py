"""Where the weights that come with SKEP lie."""

from pathlib import Path

GENERATOR = Path(__file__).parent / "weights" / "generator"
