"""Left-right mirror of a beatmap: hands swapped, columns and directions turned over. Its own
inverse."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import NUM_COLUMNS, Beatmap

MIRRORED_DIRECTION = (0, 1, 3, 2, 5, 4, 7, 6, 8)
_MIRRORED_LIGHT = {2: 3, 3: 2, 12: 13, 13: 12}
_MIRRORED_ANCHOR = (0, 2, 1)


def mirror(beatmap: Beatmap) -> Beatmap:
    """The map as seen in a mirror, lasers included (left and right lasers and their speeds change
    places)."""
    last, turn = NUM_COLUMNS - 1, MIRRORED_DIRECTION
    return replace(
        beatmap,
        color_notes=tuple(
            replace(
                n,
                x=last - n.x,
                color=1 - n.color,
                direction=turn[n.direction],
                angle_offset=n.angle_offset if n.angle_offset == 180 else -n.angle_offset,
            )
            for n in beatmap.color_notes
        ),
        bombs=tuple(replace(b, x=last - b.x) for b in beatmap.bombs),
        obstacles=tuple(replace(o, x=NUM_COLUMNS - o.x - o.width) for o in beatmap.obstacles),
        arcs=tuple(
            replace(
                a,
                x=last - a.x,
                tail_x=last - a.tail_x,
                color=1 - a.color,
                direction=turn[a.direction],
                tail_direction=turn[a.tail_direction],
                mid_anchor=_MIRRORED_ANCHOR[a.mid_anchor],
            )
            for a in beatmap.arcs
        ),
        chains=tuple(
            replace(
                c,
                x=last - c.x,
                tail_x=last - c.tail_x,
                color=1 - c.color,
                direction=turn[c.direction],
            )
            for c in beatmap.chains
        ),
        lights=tuple(replace(e, type=_MIRRORED_LIGHT.get(e.type, e.type)) for e in beatmap.lights),
    )


@cache
def mirrored_note_token(token: int) -> int:
    """The token of a note's mirror image."""
    color, y, x, direction = v.note_parts(token - v.OFFSETS["note"])
    turned = MIRRORED_DIRECTION[direction]
    return v.token_id("note", v.note_value(1 - color, y, NUM_COLUMNS - 1 - x, turned))
