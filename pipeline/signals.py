"""Ctrl-C and SIGTERM as one exception, so that every command ends the same way."""

import signal


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
