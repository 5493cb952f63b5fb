"""Names of the keys in Redis."""


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

    def messages_key(self, queue_name: str) -> str:
        """Return the key of a queue's hash of messages."""
        return f"{self.namespace}:{queue_name}.msgs"

    def bell_key(self, queue_name: str) -> str:
        """Return the key of a queue's bell."""
        return f"{self.namespace}:{queue_name}.bell"

    def stop_bell_key(self, broker_id: str) -> str:
        """Return the key of the bell that tells the consumers of a process to stop waiting."""
        return f"{self.namespace}:__stop__.{broker_id}"

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
