"""The bytes of a safetensors file, the same for the same content."""

import json
from collections.abc import Mapping


def with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return a safetensors file with ``metadata`` in the given order: the library writes it in a random one."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(
        {**json.loads(content[8:start]), "__metadata__": dict(metadata)}, separators=(",", ":")
    ).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]
