"""Names of the keys in Redis."""


def level_word(queue_name: str, priority: int) -> str:
    """Return the name of the messages of one queue and one priority, as PUBLISH takes it."""
    return f"{queue_name}:{priority}" if priority else queue_name


class Keys:
    """The keys of one namespace.

    Parameters:
      namespace: First part of every key.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def queue_key(self, queue_name: str) -> str:
        """Return the key of a queue's list of wire ids."""
        return f"{self.namespace}:{queue_name}"

    def level_key(self, queue_name: str, priority: int) -> str:
        """Return the key of the list of a queue's wire ids of one priority."""
        return f"{self.namespace}:{level_word(queue_name, priority)}"

    def levels_key(self, queue_name: str) -> str:
        """Return the key of the sorted set of a queue's priorities, but for 0, that have waiting messages."""
        return f"{self.namespace}:{queue_name}:levels"

    def priorities_key(self, queue_name: str) -> str:
        """Return the key of the hash of priorities by wire id, but for 0."""
        return f"{self.namespace}:{queue_name}:priorities"

    def messages_key(self, queue_name: str) -> str:
        """Return the key of a queue's hash of messages."""
        return f"{self.namespace}:{queue_name}.msgs"

    def bell_key(self, queue_name: str) -> str:
        """Return the key of a queue's bell."""
        return f"{self.namespace}:{queue_name}.bell"

    def stop_bell_key(self, broker_id: str) -> str:
        """Return the key of the bell that tells the consumers of a process to stop waiting."""
        return f"{self.namespace}:__stop__.{broker_id}"

    def call_key(self, broker_id: str) -> str:
        """Return the key of the bell that tells a process to look for requests in the database."""
        return f"{self.namespace}:__call__.{broker_id}"

    def acks_key(self, queue_name: str, broker_id: str) -> str:
        """Return the key of the set of wire ids that a process has fetched and not acked."""
        return f"{self.namespace}:__acks__.{broker_id}.{queue_name}"

    def keys_of(self, queue_name: str, broker_id: str) -> list[str]:
        """Return the keys of a queue as the scripts of a process take them."""
        return [
            self.queue_key(queue_name),
            self.messages_key(queue_name),
            self.acks_key(queue_name, broker_id),
            self.bell_key(queue_name),
        ]
