"""Tables for people, as Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence], numbers: int | None = None) -> str:
    """A Markdown table. Whole numbers stand to the right, and so does the text of columns from `numbers` on."""
    rows = [list(row) for row in rows]
    right = [(numbers is not None and i >= numbers) or all(isinstance(row[i], int) for row in rows) for i in range(len(head))]
    lines = [list(head), ["---:" if r else "---" for r in right], *rows]
    return "\n".join(f"| {' | '.join(plain(str(cell)) for cell in line)} |" for line in lines)


def plain(text: str) -> str:
    """Text that cannot break out of its cell or line."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
