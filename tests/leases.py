"""What holds of leases on every object store."""

import pytest

from manifests.errors import UserError
from pipeline.lease import Lease
from pipeline.store import Store


def a_lease_that_ran_out_is_taken(store: Store) -> None:
    """The next launcher takes it, the old holder notices and stops."""
    first, second = (Lease(store, "lock", {"host": "h", "pid": pid}, seconds=-60) for pid in (1, 2))  # ran out as it was given
    first.take()
    second.take()
    first._thread.join(timeout=60)
    with pytest.raises(UserError, match="another has taken over; what is committed stays"):
        first.check()
    second.check()
    first.release()
    second.release()
