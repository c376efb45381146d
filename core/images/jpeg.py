"""Drop what need not be decoded of a progressive JPEG that is wanted at an eighth of its size.

A progressive file stores its image in passes (*scans*, ITU-T T.81, Annex G): first the mean of every block of 8×8
pixels, then its detail, finer each time. At an eighth of the size a block is one pixel, its mean, and the detail of
brightness is not used. The decoder has no option for that and spends two thirds of its time reading it;
:func:`without_detail` removes it from the file instead.
"""

import re

_END, _SCAN, _PROGRESSIVE = 0xD9, 0xDA, 0xC2
# In a scan, the byte 255 is followed by 0 where it is data, and by a restart marker where a part ends.
_NEXT_SEGMENT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def without_detail(content: bytes) -> bytes:
    """Return a JPEG that decodes at an eighth of its size to the same pixels, from fewer scans.

    Of the components stored at full resolution, all scans of detail but the first are dropped: without that one, the
    decoder would smooth the image. Components at half resolution (usually colour) are enlarged from their detail and
    keep it. Anything that is not a complete progressive JPEG, or cannot be parsed, is returned unchanged, so that the
    decoder decides about it.
    """
    try:
        return _without_detail(content)
    except IndexError:  # a length that leads out of the file
        return content


def _without_detail(content: bytes) -> bytes:
    kept, at = [content[:2]], 2
    full: set[int] = set()  # ids of the components at full resolution
    begun: set[int] = set()  # those whose first scan of detail was kept
    while content[at] == 0xFF and content[at + 1] != _END:
        kind, end = content[at + 1], at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if kind == _PROGRESSIVE:
            full = _full_resolution(content, at)
        if kind == _SCAN:
            following = _NEXT_SEGMENT.search(content, end)
            if following is None:  # truncated: the decoder reports it
                return content
            end = following.start()
            component, detail = content[at + 5], content[at + 5 + 2 * content[at + 4]] > 0
            if detail and component in begun:
                at = end
                continue
            if detail and component in full:
                begun.add(component)
        kept.append(content[at:end])
        at = end
    return b"".join([*kept, content[at:]]) if begun and content[at] == 0xFF else content


def _full_resolution(content: bytes, at: int) -> set[int]:
    """Return the ids of the components that are not stored at a lower resolution, by the frame header at ``at``."""
    starts = range(at + 10, at + 10 + 3 * content[at + 9], 3)
    sampling = {content[start]: (content[start + 1] >> 4, content[start + 1] & 15) for start in starts}
    highest = tuple(map(max, zip(*sampling.values(), strict=True)))  # across and down; empty if damaged
    return {component for component, factors in sampling.items() if factors == highest}
