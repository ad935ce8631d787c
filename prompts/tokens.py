"""Tokens <-> objects: a snapped beatmap as one list of token ids a bar, and back.

Within a tick the order is canonical (tempo; notes by colour, row, column, each with its angle,
chain, arc ends, arc starts; free arc and chain ends; bombs; walls by cell; boost; lights by type;
walls of one cell, lights of one type and arcs from one head as they come in the map), so one map
has one stream.
`decode` is the exact inverse of `encode` on snapped maps; on a model's output it drops only what
the grammar cannot forbid (arcs still open at the end) and counts it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    Chain,
    ColorNote,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.snap import ANY, arc_place, beat_of, light_rank, tick_of


def num_segments(beatmap: Beatmap) -> int:
    """Bars up to and including the last thing that happens."""
    last = max((tick for tick in _ticks(beatmap)), default=-1)
    return last // v.TICKS_PER_SEGMENT + 1


def _ticks(beatmap: Beatmap) -> Iterable[int]:
    for group in (
        beatmap.color_notes,
        beatmap.bombs,
        beatmap.obstacles,
        beatmap.chains,
        beatmap.lights,
        beatmap.boosts,
        beatmap.bpm_events,
    ):
        yield from (tick_of(item.beat) for item in group)
    for arc in beatmap.arcs:
        yield tick_of(arc.beat)
        yield tick_of(arc.tail_beat)


def duration_tokens(ticks: int) -> list[int]:
    """A length in ticks: as many ``+64 beats`` as fit, then beats, then ticks."""
    beats, rest = divmod(ticks, v.TICKS_PER_BEAT)
    more, beats = divmod(beats, v.NUM_DURATION_BEATS)
    return [
        *[v.token_id("duration_more", 0)] * more,
        v.token_id("duration_beats", beats),
        v.token_id("duration_ticks", rest),
    ]


def light_token(event: LightEvent) -> int:
    """The token of a light event, without its brightness."""
    if event.type in v.LASER_TYPES:
        return v.token_id(
            "laser", v.LASER_TYPES.index(event.type) * v.NUM_LASER_VALUES + event.value
        )
    return v.token_id("light", v.LIGHT_TYPES.index(event.type) * v.NUM_LIGHT_VALUES + event.value)


class _Encoder:
    """Walks the ticks in order; holds which arc occupies which slot."""

    def __init__(self, beatmap: Beatmap) -> None:
        self.slots: list[Arc | None] = [None] * v.NUM_ARC_SLOTS
        self.at: dict[int, dict[str, list[object]]] = defaultdict(lambda: defaultdict(list))
        self.heads: dict[tuple[int, int, int, int], list[Arc]] = defaultdict(list)
        self.tails: dict[tuple[int, int, int, int], list[Arc]] = defaultdict(list)
        self.chains = {(tick_of(c.beat), c.color, c.y, c.x): c for c in beatmap.chains}
        self.notes = {(tick_of(n.beat), n.color, n.y, n.x): n for n in beatmap.color_notes}
        anchors = set(self.chains)
        for arc in beatmap.arcs:
            head = (tick_of(arc.beat), arc.color, arc.y, arc.x)
            tail = (tick_of(arc.tail_beat), arc.color, arc.tail_y, arc.tail_x)
            self.heads[head].append(arc)
            self.tails[tail].append(arc)
            anchors |= {head, tail}
        self.free: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
        for anchor in sorted(anchors - set(self.notes)):
            self.free[anchor[0]].append(anchor)
        for name in ("color_notes", "bombs", "obstacles", "lights", "boosts", "bpm_events"):
            for item in getattr(beatmap, name):
                self.at[tick_of(item.beat)][name].append(item)
        self.all_ticks = sorted(set(self.at) | set(self.free))

    def tick(self, tick: int) -> list[int]:
        out: list[int] = []
        here = self.at[tick]
        for tempo in here["bpm_events"]:
            assert isinstance(tempo, BpmEvent)
            digits = f"{round(tempo.bpm * 1000):0{v.BPM_DIGITS}d}"
            out += [v.token_id("tempo", 0), *(v.token_id("digit", int(d)) for d in digits)]
        for note in here["color_notes"]:
            assert isinstance(note, ColorNote)
            out.append(v.token_id("note", v.note_value(note.color, note.y, note.x, note.direction)))
            if note.angle_offset:
                out.append(v.token_id("angle", note.angle_offset // v.ANGLE_STEP % v.NUM_ANGLES))
            out += self.hung_on((tick, note.color, note.y, note.x), note.direction)
        for anchor in self.free[tick]:
            _, color, y, x = anchor
            out.append(v.token_id("free", (color * 3 + y) * 4 + x))
            out += self.hung_on(anchor, ANY)
        for bomb in here["bombs"]:
            assert isinstance(bomb, Bomb)
            out.append(v.token_id("bomb", bomb.y * 4 + bomb.x))
        for wall in here["obstacles"]:
            assert isinstance(wall, Obstacle)
            out += [
                v.token_id("wall", wall.y * 4 + wall.x),
                v.token_id("wall_width", wall.width - 1),
                v.token_id("wall_height", wall.height - 1),
                *duration_tokens(tick_of(wall.duration)),
            ]
        for boost in here["boosts"]:
            assert isinstance(boost, BoostEvent)
            out.append(v.token_id("boost", int(boost.on)))
        lights = [e for e in here["lights"] if isinstance(e, LightEvent)]
        for event in sorted(lights, key=lambda e: light_rank(e.type)):
            out.append(light_token(event))
            if event.brightness != 1.0:
                out.append(v.token_id("brightness", round(event.brightness / v.BRIGHTNESS_STEP)))
        return out

    def hung_on(self, anchor: tuple[int, int, int, int], direction: int) -> list[int]:
        """Chain, arc ends and arc starts at an anchor whose own direction is ``direction``."""
        out: list[int] = []

        def turn(own: int) -> list[int]:
            return [] if own == direction else [v.token_id("arc_direction", own)]

        def bend(multiplier: float) -> list[int]:
            step = round(multiplier / v.MULTIPLIER_STEP)
            return [] if multiplier == 1.0 else [v.token_id("multiplier", step)]

        chain = self.chains.get(anchor)
        if chain is not None:
            out += [v.token_id("chain", chain.slice_count), *turn(chain.direction)]
            out += [v.token_id("chain_tail", chain.tail_y * 4 + chain.tail_x)]
            out += [v.token_id("squish", round(chain.squish / v.SQUISH_STEP))]
            out += duration_tokens(tick_of(chain.tail_beat) - anchor[0])
        closing = [
            (i, a) for i, a in enumerate(self.slots) if a is not None and a in self.tails[anchor]
        ]
        for slot, arc in closing:
            out += [
                v.token_id("arc_end", slot),
                *turn(arc.tail_direction),
                *bend(arc.tail_multiplier),
            ]
            self.slots[slot] = None
        for arc in self.heads[anchor]:
            slot = self.slots.index(None)
            self.slots[slot] = arc
            out += [v.token_id("arc_start", slot), *turn(arc.direction), *bend(arc.multiplier)]
            if arc.mid_anchor:
                out.append(v.token_id("anchor", arc.mid_anchor))
        return out


def encode(beatmap: Beatmap) -> list[list[int]]:
    """Token ids of each bar of a snapped beatmap, ``</seg>`` excluded.

    Args:
        beatmap: the result of `saberlm.prompts.snap.snap`.

    Returns:
        One list a bar: position tokens, each followed by the objects of that tick.
    """
    encoder = _Encoder(beatmap)
    segments: list[list[int]] = [[] for _ in range(num_segments(beatmap))]
    for tick in encoder.all_ticks:
        bar, position = divmod(tick, v.TICKS_PER_SEGMENT)
        segments[bar].append(v.token_id("position", position))
        segments[bar] += encoder.tick(tick)
    return segments


class _Decoder:
    def __init__(self) -> None:
        self.notes: list[ColorNote] = []
        self.bombs: list[Bomb] = []
        self.walls: list[Obstacle] = []
        self.arcs: list[Arc] = []
        self.chains: list[Chain] = []
        self.lights: list[LightEvent] = []
        self.boosts: list[BoostEvent] = []
        self.tempi: list[BpmEvent] = []
        self.open: dict[int, dict[str, float | int]] = {}
        self.begun = 0
        self.numbers: list[int] = []  # of each arc, in the order of their heads
        self.counts: Counter[str] = Counter()

    def segment(self, bar: int, ids: Sequence[int]) -> None:
        tokens = [v.token_of(i) for i in ids]
        tick = bar * v.TICKS_PER_SEGMENT
        color = y = x = 0
        direction = ANY
        i = 0

        def take(kind: str, default: int) -> int:
            nonlocal i
            if i < len(tokens) and tokens[i].kind == kind:
                i += 1
                return tokens[i - 1].value
            return default

        def need(kind: str) -> int:
            nonlocal i
            if i >= len(tokens) or tokens[i].kind != kind:
                found = tokens[i].kind if i < len(tokens) else "the bar's end"
                raise ValueError(f"token {i} of bar {bar}: expected {kind}, found {found}")
            i += 1
            return tokens[i - 1].value

        def duration() -> int:
            more = 0
            while take("duration_more", -1) == 0:
                more += 1
            beats = more * v.NUM_DURATION_BEATS + need("duration_beats")
            return beats * v.TICKS_PER_BEAT + need("duration_ticks")

        while i < len(tokens):
            kind, value = tokens[i].kind, tokens[i].value
            i += 1
            beat = beat_of(tick)
            if kind == "position":
                tick = bar * v.TICKS_PER_SEGMENT + value
            elif kind == "note":
                color, y, x, direction = v.note_parts(value)
                angle = take("angle", 0) * v.ANGLE_STEP
                angle = angle - 360 if angle > 180 else angle
                self.notes.append(ColorNote(beat, x, y, color, direction, angle))
            elif kind == "free":
                color, y, x = value // 12, value % 12 // 4, value % 4
                direction = ANY
            elif kind == "chain":
                own = take("arc_direction", direction)
                cell, squish = need("chain_tail"), need("squish") * v.SQUISH_STEP
                tail = beat_of(tick + duration())
                self.chains.append(
                    Chain(
                        beat, x, y, color, own, tail, cell % 4, cell // 4, value, round(squish, 6)
                    )
                )
            elif kind == "arc_end":
                own, bend = take("arc_direction", direction), take("multiplier", 10)
                head = self.open.pop(value, None)
                if head is None:
                    self.counts["dropped: arc end without a start"] += 1
                    continue
                self.numbers.append(int(head["number"]))
                tail_bend = round(bend * v.MULTIPLIER_STEP, 6)
                self.arcs.append(
                    Arc(
                        head["beat"],
                        int(head["x"]),
                        int(head["y"]),
                        int(head["color"]),
                        int(head["direction"]),
                        beat,
                        x,
                        y,
                        own,
                        head["multiplier"],
                        tail_bend,
                        int(head["anchor"]),
                    )
                )
            elif kind == "arc_start":
                own, bend, anchor = (
                    take("arc_direction", direction),
                    take("multiplier", 10),
                    take("anchor", 0),
                )
                multiplier = round(bend * v.MULTIPLIER_STEP, 6)
                self.open[value] = {
                    "beat": beat,
                    "x": x,
                    "y": y,
                    "color": color,
                    "direction": own,
                    "multiplier": multiplier,
                    "anchor": anchor,
                    "number": self.begun,
                }
                self.begun += 1
            elif kind == "bomb":
                self.bombs.append(Bomb(beat, value % 4, value // 4))
            elif kind == "wall":
                width, height = need("wall_width") + 1, need("wall_height") + 1
                self.walls.append(
                    Obstacle(beat, value % 4, value // 4, beat_of(duration()), width, height)
                )
            elif kind == "boost":
                self.boosts.append(BoostEvent(beat, bool(value)))
            elif kind in ("light", "laser"):
                types, size = (
                    (v.LIGHT_TYPES, v.NUM_LIGHT_VALUES)
                    if kind == "light"
                    else (v.LASER_TYPES, v.NUM_LASER_VALUES)
                )
                level = round(take("brightness", 20) * v.BRIGHTNESS_STEP, 6)
                self.lights.append(LightEvent(beat, types[value // size], value % size, level))
            elif kind == "tempo":
                digits = [need("digit") for _ in range(v.BPM_DIGITS)]
                self.tempi.append(BpmEvent(beat, int("".join(map(str, digits))) / 1000))
            else:
                raise ValueError(f"token {i - 1} of bar {bar}: {kind} cannot start an object")


def decode(segments: Sequence[Sequence[int]]) -> tuple[Beatmap, Counter[str]]:
    """The beatmap that bars of tokens say.

    Args:
        segments: one list of token ids a bar, without ``<seg>``, audio placeholders and ``</seg>``.

    Returns:
        The beatmap (sorted) and counts of what had to be dropped.

    Raises:
        ValueError: a sequence the grammar does not admit.
    """
    d = _Decoder()
    for bar, ids in enumerate(segments):
        d.segment(bar, ids)
    d.counts["dropped: arc never closed"] += len(d.open)
    arcs = sorted(zip(d.numbers, d.arcs, strict=True), key=lambda one: (*arc_place(one[1]), one[0]))
    return (
        Beatmap(
            color_notes=tuple(sorted(d.notes, key=lambda n: (n.beat, n.color, n.y, n.x))),
            bombs=tuple(sorted(d.bombs, key=lambda b: (b.beat, b.y, b.x))),
            obstacles=tuple(sorted(d.walls, key=lambda o: (o.beat, o.y, o.x))),
            arcs=tuple(arc for _, arc in arcs),
            chains=tuple(sorted(d.chains)),
            lights=tuple(d.lights),
            boosts=tuple(d.boosts),
            bpm_events=tuple(d.tempi),
        ),
        +d.counts,
    )
