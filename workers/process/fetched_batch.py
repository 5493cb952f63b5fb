"""A batch that was fetched from Redis and is not claimed yet."""

import uuid


class FetchedBatch:
    """Messages that a process fetched from one queue. They stay here however often the claim is tried."""

    def __init__(self) -> None:
        #: Pairs of wire id and encoded message.
        self.fetched: list[tuple[str, bytes]] = []
        #: Claim id of `fetched`. A repeated claim of the same batch uses it again.
        self.claim_id = uuid.uuid4()
        #: Encoded messages of suspects by wire id. They are claimed one at a time.
        self.suspects: dict[str, bytes] = {}
        self.suspect_claim_id = uuid.uuid4()

    def fill(self, fetched: list[tuple[str, bytes]]) -> None:
        """Hold a new batch, under a new claim id."""
        self.fetched = fetched
        self.claim_id = uuid.uuid4()

    def clear(self) -> None:
        """Forget the batch: it is claimed. Suspects stay."""
        self.fetched = []

    @property
    def wire_ids(self) -> set[str]:
        """Wire ids of all messages here, suspects included."""
        return {wire_id for wire_id, _ in self.fetched} | set(self.suspects)
