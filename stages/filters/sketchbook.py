"""Clean drawings of the renderer with the figures that they show, to plant defects in."""

import itertools
from collections.abc import Iterator

from manifests import schema
from stages.body.figure import figure_of_row
from stages.body.model import load_body
from stages.filters.planted import Drawn
from stages.library.draw import EACH, SIZE
from stages.library.studio import Studio, recipe_of
from stages.pictures import decode


class Sketchbook:
    """Clean drawings of every style in turn, of sources that are held out, drawn as they are asked for.

    rows: what the filter is given of each, and more; drawn: the same as planted.py wants it.
    """

    def __init__(self, seed: int):
        self._studio, self._body, self._chunks = Studio(recipe_of(seed, SIZE)), load_body(), itertools.count()
        self.rows: list[dict] = []
        self.drawn: list[Drawn] = []

    def pages(self) -> Iterator[tuple[dict, Drawn]]:
        """Row and drawing, one after the other, without end."""
        for at in itertools.count():
            if at == len(self.rows):
                self._more()
            yield self.rows[at], self.drawn[at]

    def _more(self) -> None:
        """A chunk of drawings more, styles mixed."""
        rows = list(schema.rows_of(self._studio.chunk(next(self._chunks), "val", EACH)))
        rows.sort(key=lambda row: row["sample_id"].rpartition("-")[2])
        self.rows += rows
        self.drawn += [self._drawn(row) for row in rows]

    def _drawn(self, row: dict) -> Drawn:
        image = decode(row["image"])
        assert image is not None
        return Drawn(image, figure_of_row(self._body, row, len(image)).part, row["joints2d"], row["visibility"])
