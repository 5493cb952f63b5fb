"""Encode messages as Dramatiq's own JSON, byte for byte, and faster."""

from dramatiq.encoder import JSONEncoder, MessageData

from apps.tasks.json_safe import COMPACT


class CompactJSONEncoder(JSONEncoder):
    """Encodes as Dramatiq's JSONEncoder does, with an encoder that is kept."""

    #: Senders may write a message as the text that this encoder would make of it.
    is_compact = True

    def encode(self, data: MessageData) -> bytes:
        return COMPACT.encode(data).encode()
