"""How every command ends: Ctrl-C, SIGTERM, what the user can mend and what the world refuses, each with its exit code."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from manifests.errors import UserError, sentence

# What the libraries of object stores raise that is no OSError.
_STORE_ERRORS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
)


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived; `exit_code` is what a shell expects then, 130 or 143."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise Interrupted in the main thread."""

    def handler(number, frame):
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


@contextmanager
def exit_codes() -> Iterator[None]:
    """One sentence and exit code 2 for what the user can mend or a disk or store refuses, 130 or 143 for an interruption."""
    raise_on_signals()
    try:
        yield
    except UserError as e:
        print(f"skep: {e}", file=sys.stderr)
        sys.exit(2)
    except refusals() as e:
        print(f"skep: {sentence(e)}", file=sys.stderr)
        sys.exit(2)
    except Interrupted as e:
        print("\nskep: interrupted; run the same command to resume", file=sys.stderr)
        sys.exit(e.exit_code)


def refusals() -> tuple[type[Exception], ...]:
    """Errors of disks, networks and stores. A library that is not loaded has raised none, so none is imported for this."""
    return (OSError, *(getattr(sys.modules[module], name) for module, name in _STORE_ERRORS if module in sys.modules))
