"""The one exception whose text is meant for the user's eyes."""

import sys
from collections.abc import Callable


class UserError(ValueError):
    """Something the user can mend: one sentence that names the file, the row or the field. The CLI exits with 2."""


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of an error's text, of so many characters at most; its class where it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:most]


def sentence(error: Exception) -> str:
    """What a disk, a network or a store refuses, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def command(main: Callable[[], None]) -> None:
    """Run a module as a command: what the user can mend or a disk refuses is a sentence and exit code 2, Ctrl-C one word and 130, as
    shells have it."""
    try:
        main()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except UserError as e:
        print(e, file=sys.stderr)
        sys.exit(2)
    except OSError as e:
        print(sentence(e), file=sys.stderr)
        sys.exit(2)
