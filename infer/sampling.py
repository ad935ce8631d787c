"""Sampling settings, presets of them, and the penalty on patterns that come again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from saberlm.prompts import vocab as v

PRESETS: dict[str, dict[str, Any]] = {
    "safe": {"temperature": 0.5, "position_temperature": 0.4, "min_p": 0.05},
    "balanced": {},
    "wild": {"temperature": 1.1, "position_temperature": 0.9, "rhythm_noise": 0.6, "min_p": 0.02},
}
"""Settings by the name of their preset; ``balanced`` is the default. ``wild`` keeps the tail of
unlikely tokens out, since a higher temperature raises it most."""


@dataclass(frozen=True)
class SamplingParams:
    """How tokens are drawn.

    Positions (when) and the rest (what) have temperatures of their own; 0 takes the likeliest. The
    chances within notes, lights and the rest may have temperatures of their own again (None: the
    general one), which leave alone how likely each kind is. ``top_k``, ``top_p`` and ``min_p`` (of
    the likeliest token's chance) cut off unlikely ones of what is placed. ``hazard`` is the weight
    of what the tower hears against ``decoder``, the weight of the decoder's own opinion on when
    something happens. ``repetition_penalty`` divides the chance of a note that would complete a
    pattern of ``repetition_ngram`` notes, their distances included, which the row's last
    ``repetition_window`` notes hold already (1 changes nothing). ``negative_style`` names
    words to avoid (`saberlm.infer.style_words`). ``cfg_scale`` above 1 moves away from a map of
    which nothing was asked, or of the negative style (`saberlm.infer.guidance`; 1 is off, and each
    row costs twice as much with it). ``rhythm`` is ``planned`` over the whole song
    from what the tower hears (`saberlm.infer.rhythm`), with ``rhythm_noise`` so that seeds differ
    in it, or ``drawn``, position after position. ``motif`` is how strongly what the map said before
    joins the decoder's chances (`saberlm.infer.motif`; 1 as learnt, 0 not at all; above 1 for notes
    alone), ``refrain`` how often it comes back to what it said where the song sounded the same
    (`saberlm.infer.refrain`; times as often as mappers; nothing without motifs), ``cut_balance``
    how strongly cells and cuts are held to how often mappers use them
    (`saberlm.infer.cut_balance`; 0 not at all) and ``turn_balance`` the turns from one to the next
    of a hand (`saberlm.infer.turn_balance`; nothing without the other), ``relation_balance``
    how strongly what both hands do at once, how far a hand moves and which hand swings after which
    are held to the same (`saberlm.infer.relation_balance`, `saberlm.infer.hand_balance`; nothing
    without the first). ``hand_pace`` is how
    strongly a hand is spared that would have to swing faster than mappers' do
    (`saberlm.infer.hand_pace`; nats for each factor of e, 0 not at all).
    ``light_balance`` is how strongly a show's density is held to what its level draws from
    mappers' (`saberlm.infer.light_density`; 0 not at all), ``light_palette`` the same of its lamps
    and what they do (`saberlm.infer.light_palette`); ``light_refrain`` says whether bars may take
    the lights of earlier ones (`saberlm.infer.light_refrain`), ``light_relations`` whether moments
    may keep the lamps of the last ones (`saberlm.infer.light_relations`), ``light_steps`` whether
    bars may keep a step of their own (`saberlm.infer.light_steps`).
    ``copy_limit`` says whether long runs of notes of the train maps are kept out
    (`saberlm.infer.copy_limit`).
    ``taste`` is how far levels differ in what they are held to (`saberlm.infer.style_words`; 1 as
    far as mappers). ``emphasis`` is how far doubles follow what the tower is surest of
    (`saberlm.infer.emphasis`; nats a deviation, with a planned rhythm).
    """

    temperature: float = 0.6
    position_temperature: float = 0.6
    note_temperature: float | None = None
    light_temperature: float | None = None
    other_temperature: float | None = None
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    repetition_ngram: int = 4
    repetition_window: int = 64
    cfg_scale: float = 1.0
    negative_style: str | None = None
    hazard: float = 1.0
    decoder: float = 0.25
    rhythm: str = "planned"
    rhythm_noise: float = 0.0
    motif: float = 1.6
    refrain: float = 2.4
    cut_balance: float = 1.8
    turn_balance: float = 2.0
    relation_balance: float = 4.0
    hand_pace: float = 5.0
    light_balance: float = 4.0
    light_palette: float = 3.0
    light_refrain: bool = True
    light_relations: bool = True
    light_steps: bool = True
    copy_limit: bool = True
    taste: float = 0.5
    emphasis: float = 1.5
    max_segment_tokens: int = 400
    playability: str = "soft"  # off, soft or strict; see saberlm.infer.playability
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        for name in (
            "temperature",
            "position_temperature",
            "note_temperature",
            "light_temperature",
            "other_temperature",
        ):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name.replace('_', ' ')} must be 0 or more, found {value}")
        if self.playability not in ("off", "soft", "strict"):
            raise ValueError(f"playability must be off, soft or strict, found {self.playability!r}")
        if self.rhythm not in ("drawn", "planned"):
            raise ValueError(f"rhythm must be drawn or planned, found {self.rhythm!r}")
        if self.rhythm_noise < 0:
            raise ValueError(f"rhythm noise must be 0 or more, found {self.rhythm_noise}")
        if self.motif < 0:
            raise ValueError(f"motif must be 0 or more, found {self.motif}")
        if self.taste < 0:
            raise ValueError(f"taste must be 0 or more, found {self.taste}")
        if self.refrain < 0:
            raise ValueError(f"refrain must be 0 or more, found {self.refrain}")
        if self.emphasis < 0:
            raise ValueError(f"emphasis must be 0 or more, found {self.emphasis}")
        if self.cut_balance < 0:
            raise ValueError(f"cut balance must be 0 or more, found {self.cut_balance}")
        if self.turn_balance < 0:
            raise ValueError(f"turn balance must be 0 or more, found {self.turn_balance}")
        if self.relation_balance < 0:
            raise ValueError(f"relation balance must be 0 or more, found {self.relation_balance}")
        if self.hand_pace < 0:
            raise ValueError(f"hand pace must be 0 or more, found {self.hand_pace}")
        if self.light_palette < 0:
            raise ValueError(f"light palette must be 0 or more, found {self.light_palette}")
        if self.light_balance < 0:
            raise ValueError(f"light balance must be 0 or more, found {self.light_balance}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top-p must lie in (0, 1], found {self.top_p}")
        if self.top_k < 0:
            raise ValueError(f"top-k must be 0 (off) or more, found {self.top_k}")
        if not 0 <= self.min_p < 1:
            raise ValueError(f"min-p must lie in [0, 1), found {self.min_p}")
        if self.repetition_penalty <= 0:
            raise ValueError(f"repetition penalty must be above 0, found {self.repetition_penalty}")
        if self.repetition_ngram < 1:
            raise ValueError(f"repetition ngram must be 1 or more, found {self.repetition_ngram}")
        if self.cfg_scale < 0:
            raise ValueError(f"cfg scale must be 0 or more, found {self.cfg_scale}")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> SamplingParams:
        """The settings of a preset, some of them changed.

        Raises:
            ValueError: no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, found {name!r}")
        return cls(**{**PRESETS[name], **changes})


class PatternPenalty:
    """Makes notes rarer that would complete a pattern said before: n notes in a row with their
    distances, the hands, cells and cuts equal."""

    def __init__(self, params: SamplingParams) -> None:
        self._nats = np.float32(np.log(params.repetition_penalty))
        self._length = params.repetition_ngram
        # each note with the ticks since the one before it
        self._said: deque[tuple[int, int]] = deque(maxlen=params.repetition_window)
        self._last_tick = 0

    def adjust(self, logits: npt.NDArray[np.float32], tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        said, before = list(self._said), self._length - 1
        if len(said) < self._length:
            return
        gap, newest = tick - self._last_tick, said[len(said) - before :]
        again = {
            note
            for i, (waited, note) in enumerate(said[before:], start=before)
            if waited == gap and said[i - before : i] == newest
        }
        if again:
            logits[list(again)] -= self._nats

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if token in v.block_range("note"):
            self._said.append((tick - self._last_tick, token))
            self._last_tick = tick
