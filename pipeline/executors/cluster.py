"""Starting or joining a Ray cluster, with nothing left to Ray's defaults that concerns who may enter or who is told."""

import logging
import os
import secrets
import signal
import socket
import sys
from typing import Any

from manifests.errors import UserError, first_line

# Nothing large goes through Ray's object store; this is the least that Ray runs with comfortably.
OBJECT_STORE = 100 << 20
KNOCK_S = 10
TRIES = 3


def connect(address: str | None, workers: int) -> bool:
    """Join the cluster at `address`, or start one on this machine. False where this process had joined one before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        return False
    if not address:
        _guard()
    if address:
        _knock(address)
    alone: dict[str, Any] = (
        {} if address else {"num_cpus": max(1, workers), "include_dashboard": False, "object_store_memory": OBJECT_STORE}
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _init(1 if address else TRIES, address=address or "local", **alone)
    except Exception as e:  # Ray raises whatever it met, plain Exception among them
        where = f"--ray-address {address}: cannot join this cluster" if address else "Ray does not start here"
        raise UserError(f"{where} ({first_line(e)})") from None
    finally:
        for number, handler in handlers.items():  # Ray puts its own in their place
            signal.signal(number, handler)
    return True


def _init(tries: int, **arguments) -> None:
    """A node gives up when its agents take longer than 15 seconds to start, as they may on a busy machine."""
    import ray

    for attempt in range(tries):
        try:
            ray.init(namespace="skep", log_to_driver=False, logging_level=logging.ERROR, **arguments)
            return
        except Exception:
            ray.shutdown()
            if attempt == tries - 1:
                raise


def _knock(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=KNOCK_S).close()
        except OSError as e:
            raise UserError(f"--ray-address {address}: cannot join this cluster ({e.strerror or e})") from None


def _guard() -> None:
    """A cluster of our own lets in who knows a token that is made for it alone and written to no file."""
    if "RAY_AUTH_MODE" not in os.environ:
        if "ray" in sys.modules:  # it has read the environment, and its own servers would not let it in
            raise UserError(
                "Ray was imported before skep could make a token for it; set RAY_AUTH_MODE and RAY_AUTH_TOKEN, or import it later"
            )
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
