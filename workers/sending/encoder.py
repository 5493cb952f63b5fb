"""Encode messages as Dramatiq's own JSON, byte for byte, and faster."""

import json

from dramatiq.encoder import JSONEncoder, MessageData

#: Made once. Dramatiq's encoder and `json.dumps` make one for every message, which takes as long as the encoding.
COMPACT = json.JSONEncoder(separators=(",", ":"))


class CompactJSONEncoder(JSONEncoder):
    """Encodes as Dramatiq's JSONEncoder does, with an encoder that is kept."""

    def encode(self, data: MessageData) -> bytes:
        return COMPACT.encode(data).encode()
