"""A batch that was fetched from Redis and is not claimed yet."""

import time
import uuid

from workers.process.suspects import Suspect


class FetchedBatch:
    """Messages that a process fetched from one queue. They stay here however often the claim is tried."""

    def __init__(self) -> None:
        #: Pairs of wire id and encoded message.
        self.fetched: list[tuple[str, bytes]] = []
        #: Time of the last fetch, by the monotonic clock. None: requeued since.
        self.fetched_at: float | None = None
        #: Claim id of `fetched`. A repeated claim of the same batch uses it again.
        self.claim_id = uuid.uuid4()
        #: Suspects by wire id. They are claimed one at a time.
        self.suspects: dict[str, Suspect] = {}

    def fill(self, fetched: list[tuple[str, bytes]]) -> None:
        """Hold a new batch, under a new claim id."""
        self.fetched = fetched
        self.fetched_at = time.monotonic()
        self.claim_id = uuid.uuid4()

    def clear(self) -> None:
        """Forget the batch: it is claimed. Suspects stay."""
        self.fetched = []

    def is_overdue(self, seconds: float) -> bool:
        """Return whether messages here were fetched longer ago than that and are neither claimed nor requeued."""
        fetched_at = self.fetched_at
        return bool(self.wire_ids) and fetched_at is not None and time.monotonic() - fetched_at > seconds

    @property
    def wire_ids(self) -> set[str]:
        """Wire ids of all messages here, suspects included."""
        return {wire_id for wire_id, _ in self.fetched} | set(self.suspects)
