"""`skep`, and `python -m pipeline`."""

import sys

from pipeline.signals import exit_codes


def main() -> None:
    """One sentence and exit code 2 for what the user can mend, 130 or 143 for an interruption, while things are loaded too."""
    with exit_codes():
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file's name may be of no encoding
        from pipeline.cli import app

        app()


if __name__ == "__main__":
    main()
