"""The sketches stage outside a run: the same poses drawn by several makers, seed after seed, for measurements."""

import numpy as np
import pyarrow as pa

from manifests.recipe import Diffusion, Recipe
from manifests.skeleton import STYLES
from manifests.stage import Config, Context
from stages.library.studio import Studio
from stages.pictures import decoded
from stages.sketches.generator.pictures import copies_of
from stages.sketches.stage import Sketches

_CHUNK = 10  # drawings of each style that are looked for at a time


class Easel:
    """Draws tables of projected rows as a recipe's sketches stage would; without `diffusion` the renderer draws."""

    def __init__(self, recipe: Recipe, diffusion: Diffusion | None = None):
        sketches = recipe.sketches.model_copy(update={"source": "diffusion", "diffusion": diffusion} if diffusion else {})
        self.seed, self.device = recipe.seed, diffusion.device if diffusion else "cpu"
        self.stage = Sketches(Config(recipe.model_copy(update={"sketches": sketches}), Sketches.config))
        self.stage.setup(self.device)

    def draw(self, table: pa.Table, turn: int = 0) -> list[np.ndarray]:
        """A picture (H, W, 3) uint8 RGB for each row; every turn is another one."""
        ctx = Context.alone(self.seed + turn, "sketches", self.device)
        made = self.stage.process(table.select(["sample_id", "style", *self.stage.reads]), ctx)
        return pictures_of(made)

    def copied(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        """What the model's autoencoder leaves of pictures."""
        assert self.stage.artist is not None
        return copies_of(pictures, self.stage.artist.pipeline.vae)


def held_out(recipe: Recipe, each: int) -> pa.Table:
    """Projected rows of sources of the split val, `each` of every style, style after style, with the renderer's drawings."""
    studio = Studio(recipe)
    table = pa.concat_tables([studio.chunk(i, "val", min(_CHUNK, each)) for i in range(-(-each // _CHUNK))])
    return table.take(np.concatenate([rows[:each] for rows in rows_by_style(table).values()]))


def rows_by_style(table: pa.Table) -> dict[str, np.ndarray]:
    """Numbers of the rows of each style that there is."""
    styles = np.array(table["style"].to_pylist())
    return {style: np.flatnonzero(styles == style) for style in STYLES if style in styles}


def pictures_of(table: pa.Table) -> list[np.ndarray]:
    """The column `image` as pictures (H, W, 3) uint8 RGB."""
    return [decoded(data, sample_id) for data, sample_id in zip(table["image"].to_pylist(), table["sample_id"].to_pylist(), strict=True)]
