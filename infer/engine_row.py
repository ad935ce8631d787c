"""A row of the engine: what is asked of it, and how far it has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import Tensor

from saberlm.eval.relations import usual_relations
from saberlm.eval.swing import RESET_SECONDS
from saberlm.infer.amounts import GIVEN_MEMORY_BARS, MEMORY_BARS, AmountBias, wanted_a_bar
from saberlm.infer.block_shift import BlockShift
from saberlm.infer.constraints import forbidden_tokens
from saberlm.infer.copy_limit import CopyLimit, known_grams
from saberlm.infer.cut_balance import CutBalance, balanced_shares
from saberlm.infer.density import DEFAULT_NPS, DensityControl
from saberlm.infer.emphasis import EmphasisBias, doubles_share
from saberlm.infer.hand_balance import HandBalance
from saberlm.infer.hand_pace import HandPace, usual_ebpm
from saberlm.infer.hazard import BarHazard
from saberlm.infer.light_density import LIT, LightDensity, wanted_a_beat
from saberlm.infer.light_limit import LightLimit
from saberlm.infer.light_palette import LightPalette, drawn_palette
from saberlm.infer.light_refrain import LEAST_LIT, note_moments, plan_light_refrains
from saberlm.infer.light_relations import LightRelations
from saberlm.infer.light_steps import heard_steps, plan_light_steps, with_light_steps
from saberlm.infer.likeness import Echoes, echoes
from saberlm.infer.motif import MotifMemory
from saberlm.infer.playability import RowPlayability, check_difficulty
from saberlm.infer.refrain import plan_refrains
from saberlm.infer.relation_balance import RelationBalance, with_jumps
from saberlm.infer.rhythm import RhythmPlan
from saberlm.infer.row_sampler import LogitBias, RowSampler
from saberlm.infer.sampling import PatternPenalty, SamplingParams
from saberlm.infer.style_words import cut_tilt, stream_nats, taste, wishes
from saberlm.infer.turn_balance import TurnBalance, held_turns
from saberlm.prompts import vocab as v
from saberlm.prompts.context import Context
from saberlm.prompts.header import Conditions
from saberlm.prompts.stream import MapPrompt

Floats = npt.NDArray[np.float32]

DEFAULT_BPM = 135.0
"""Taken where a request does not say its tempo."""


@dataclass(frozen=True)
class SongEncoding:
    """What the tower made of a song, shared by its rows: latents ``(N, H_a)``, embeddings ``(N,
    H)``, sketch ``(K, H)``."""

    latents: Tensor
    embeds: Tensor
    sketch: Tensor
    num_bars: int

    @cached_property
    def echoes(self) -> Echoes:
        """Which of its bars sound alike."""
        latents = self.latents.float().cpu().numpy()
        return echoes(latents.reshape(self.num_bars, -1))


@dataclass
class MapRequest:
    """One difficulty to make.

    ``onset_logits`` ``(T, 2)`` are the head's for this difficulty; ``density`` is None where the
    notes/s is the model's own choice. ``context`` is the task and what it is given; ``fixed`` the
    tokens of bars that stand as they are, ``begun`` those that a bar to be made begins with;
    nothing is made from ``end_bar`` on (None: the song's end). ``amounts`` says how many bombs and
    walls (`saberlm.infer.amounts`), ``around`` what else the map holds a bar
    (`saberlm.infer.amounts.objects_a_bar`), ``withheld`` which tokens never come, ``cut_shares``
    of a style pack or model by difficulty (`saberlm.infer.cut_balance`; where none: the usual
    ones), ``shifts`` are `saberlm.infer.block_shift.BlockShift`'s, ``tastes`` says whether the
    level may have a taste of its own (`saberlm.infer.style_words`).
    """

    song: SongEncoding
    conditions: Conditions
    onset_logits: Tensor
    seed: int
    density: DensityControl | None = None
    context: Context | None = None
    fixed: Mapping[int, Sequence[int]] = field(default_factory=dict)
    begun: Mapping[int, Sequence[int]] = field(default_factory=dict)
    end_bar: int | None = None
    amounts: Mapping[str, str] = field(default_factory=dict)
    around: Mapping[str, float] = field(default_factory=dict)
    withheld: frozenset[int] = frozenset()
    cut_shares: Mapping[str, Sequence[float]] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    tastes: bool = True

    @property
    def num_bars(self) -> int:
        """Bars to go through, the fixed ones counted."""
        return self.song.num_bars if self.end_bar is None else self.end_bar


@dataclass
class GeneratedMap:
    """Token ids of every bar, and counts of what decoding had to do."""

    bars: list[list[int]]
    counts: Counter[str] = field(default_factory=Counter)


class Row:
    """A request while it runs."""

    def __init__(
        self,
        index: int,
        request: MapRequest,
        params: SamplingParams,
        biases: Sequence[LogitBias] = (),
        places: bool = True,
    ) -> None:
        self.index = index
        self.request = request
        self.params = params
        self.bars: list[list[int]] = []
        self.prompt = MapPrompt(request.conditions, request.song.num_bars, request.context, places)
        self.opening_length = len(self.prompt.opening())
        self.slots: list[int] = []  # its own, then that of guidance
        self.first = 0  # the oldest bar that the decoder still sees
        self.open = False  # whether the last bar is being sampled
        self.past_fed = False  # whether the bars so far are in the cache
        self.piece: Floats | None = None  # what the decoder gets next
        self.notes = 0
        self._words = wishes(request.conditions.style, params.negative_style)
        self._doubles = doubles_share(self._words)
        self.rhythm: DensityControl | RhythmPlan | None = request.density
        if request.density is not None and params.rhythm == "planned":
            chance = np.random.default_rng([request.seed, 7])
            self.rhythm = RhythmPlan(
                request.density,
                params.rhythm_noise,
                chance,
                stream_nats(self._words),
                most_doubles=1.0 if self._doubles is None else self._doubles,
            )
        self._lights_only = request.context is not None and request.context.task == "lights"
        # a whole show, and not one that stands partly
        self._own_show = self._lights_only and not (request.fixed or request.around)
        self._heard, self._repeats = request.onset_logits, dict[int, int]()
        if self._own_show:
            self._plan_show()
        self._forbidden, self._forbidden_late = (
            forbidden_tokens(
                request.conditions, last_bars=late, lights_only=self._lights_only
            ).numpy()
            for late in (False, True)
        )
        for forbidden in (self._forbidden, self._forbidden_late):
            forbidden[list(request.withheld)] = True
        play = None
        if params.playability != "off":
            bpm = request.conditions.bpm or DEFAULT_BPM
            difficulty = check_difficulty(request.conditions.difficulty)
            play = RowPlayability(params.playability, bpm, difficulty)
        # last: what it rules out, no other may bring back
        every = [*self._own_biases(), *biases, LightLimit()]
        self.sampler = RowSampler(params, request.seed, play, every)
        if self.rhythm is not None:
            self.rhythm.after(0, 0)

    def _own_biases(self) -> list[LogitBias]:
        """What moves this row's logits by its settings and its request."""
        request, params = self.request, self.params
        own: list[LogitBias] = []
        if params.motif > 0:
            alike = request.song.echoes
            chance = np.random.default_rng([request.seed, 11])
            plan = plan_refrains(alike, chance, params.refrain)
            own.append(MotifMemory(params.motif, echoes=alike, plan=plan))
        # a map at hand has a taste of its own
        given = request.context is not None or any(map(len, request.fixed.values()))
        if params.cut_balance > 0 and not given:
            own += self._balances()
        if params.repetition_penalty != 1:
            own.append(PatternPenalty(params))
        own += [BlockShift(request.shifts)] if request.shifts else []
        if params.light_balance > 0 and self._lights_only:
            own.append(self._light_density())
        if params.light_palette > 0 and self._own_show and request.tastes:
            palette = drawn_palette(self._level_key())
            own += [] if palette is None else [LightPalette(palette, params.light_palette)]
        if params.light_relations and self._own_show:
            chance = np.random.default_rng([request.seed, 37])
            own.append(LightRelations(chance, request.num_bars * v.TICKS_PER_SEGMENT))
        rates = wanted_a_bar(request.amounts, request.around)
        memory = GIVEN_MEMORY_BARS if request.around else MEMORY_BARS
        own += [AmountBias(kind, a_bar, memory) for kind, a_bar in sorted(rates.items())]
        if isinstance(self.rhythm, RhythmPlan) and params.emphasis > 0:
            heard = request.onset_logits[:, 0].float().cpu().numpy()
            share = self._doubles
            if share is None and not given:
                share = self.rhythm.per_onset - 1
            own.append(EmphasisBias(heard, self.rhythm.planned, params.emphasis, share))
        if params.hand_pace > 0 and not self._lights_only:
            own.append(self._hand_pace())
        known = known_grams() if params.copy_limit and not self._lights_only else None
        own += [] if known is None else [CopyLimit(known, request.conditions.bpm or DEFAULT_BPM)]
        return own

    def _balances(self) -> list[LogitBias]:
        """What holds cuts and turns to the mappers'; nothing for a difficulty without any."""
        request, params = self.request, self.params
        difficulty = request.conditions.difficulty or "Expert"
        shares = balanced_shares(request.cut_shares, difficulty)
        if shares is None:
            return []
        bpm = request.conditions.bpm or DEFAULT_BPM
        cuts = CutBalance(shares, params.cut_balance, self.tilt())
        held: list[LogitBias] = [cuts]
        turns, relations = held_turns(difficulty, cuts.held), usual_relations(difficulty)
        if params.turn_balance > 0 and turns is not None:
            rest_ticks = RESET_SECONDS * bpm / 60 * v.TICKS_PER_BEAT
            held.append(TurnBalance(turns, params.turn_balance, rest_ticks))
        if params.relation_balance > 0 and relations is not None:
            relations = with_jumps(relations, self._words)
            held.append(RelationBalance(relations, bpm, params.relation_balance))
            held.append(HandBalance(relations, bpm, params.relation_balance))
        return held

    def _hand_pace(self) -> HandPace:
        """What keeps its hands from being hurried."""
        asked = self.request.conditions
        difficulty = asked.difficulty or "Expert"
        usual = usual_ebpm(difficulty, DEFAULT_NPS[difficulty] if asked.nps is None else asked.nps)
        planned = self.rhythm.planned if isinstance(self.rhythm, RhythmPlan) else None
        return HandPace(usual, asked.bpm or DEFAULT_BPM, self.params.hand_pace, planned)

    def _light_density(self) -> LightDensity:
        """What holds a show to the density of its level, or of the bars that it stands among."""
        request = self.request
        if "light" in request.around:
            a_beat = request.around["light"] / v.BEATS_PER_SEGMENT
        else:
            a_beat = wanted_a_beat(self._words, self._level_key())
        heard = self._heard.float().cpu().numpy()
        return LightDensity(a_beat, heard, self.params.light_balance)

    def _plan_show(self) -> None:
        """Decide which bars keep a step of their own, and which take the lights of which."""
        request, params = self.request, self.params
        assert request.context is not None
        bars, echoes = request.context.bars, request.song.echoes
        moments = [note_moments(bars.get(bar, ())) for bar in range(request.num_bars)]
        if params.light_steps:
            ticks = len(moments) * v.TICKS_PER_SEGMENT
            heard = heard_steps(self._heard[:ticks].float().cpu().numpy())
            chance = np.random.default_rng([request.seed, 31])
            steps = plan_light_steps(moments, heard, echoes, chance)
            self._heard = with_light_steps(self._heard, steps)
            for bar, step in steps.items():
                moments[bar] = list(range(0, v.TICKS_PER_SEGMENT, step))
        if params.light_refrain:
            chance = np.random.default_rng([request.seed, 29])
            self._repeats = plan_light_refrains(moments, echoes, chance)

    def _level_key(self) -> list[int]:
        """What difficulties of a level share (`saberlm.infer.pipeline.seed_of`), others hardly."""
        tempo = round(100 * (self.request.conditions.bpm or DEFAULT_BPM))
        return [self.request.seed // 10, self.request.song.num_bars, tempo]

    def tilt(self) -> npt.NDArray[np.float64]:
        """What the map leans to: its style words and, unless a style pack brings a mapper's, a
        taste that the difficulties of its level share (`saberlm.infer.pipeline.seed_of`)."""
        request = self.request
        strength = self.params.taste if request.tastes else 0.0
        own = taste(self._level_key(), strength)
        words = cut_tilt(self._words)
        return own if words is None else own / 2 + words

    @property
    def done(self) -> bool:
        """Whether all bars are made."""
        return len(self.bars) >= self.request.num_bars and not self.open

    def begin_bar(self) -> None:
        """Open the next bar, which is to be sampled."""
        bar = len(self.bars)
        late = bar >= self.request.num_bars - 2
        ticks = slice(bar * v.TICKS_PER_SEGMENT, (bar + 1) * v.TICKS_PER_SEGMENT)
        hazard = BarHazard(self._onset_logits(ticks))
        self.sampler.open_bar(bar, hazard, self._forbidden_late if late else self._forbidden)
        self.bars.append(list(self.request.begun.get(bar, ())))
        self.sampler.give_start(self.bars[-1])
        self.open = True

    def close_bar(self) -> None:
        """The density follows what was made; what was given counts as what was wanted."""
        self.open = False
        notes = v.block_range("note")
        self.notes += sum(token in notes for token in self.bars[-1])
        rhythm, tick = self.rhythm, len(self.bars) * v.TICKS_PER_SEGMENT
        if rhythm is not None:
            if len(self.bars) - 1 in self.request.fixed:
                self.notes = round(rhythm.wanted_at(tick))
            rhythm.after(tick, self.notes)

    def standing(self) -> Sequence[int] | None:
        """What the next bar is where it stands: as given, or lights that come again; else None."""
        bar = len(self.bars)
        source = self._repeats.get(bar)
        if source is None or bar in self.request.begun:
            return self.request.fixed.get(bar)
        lit = sum(token in LIT for token in self.bars[source])
        return self.bars[source] if lit >= LEAST_LIT else None

    def give_bar(self, tokens: Sequence[int]) -> None:
        """The next bar is one that stands as it is."""
        bar = len(self.bars)
        self.bars.append(list(tokens))
        self.sampler.give(bar, self.bars[-1])
        self.close_bar()

    def _onset_logits(self, ticks: slice) -> Floats:
        """The head's logits of a bar, ``(192, 2)``, those of notes as the rhythm has them."""
        logits: Floats = self._heard[ticks].float().cpu().numpy().copy()
        if self.rhythm is not None:
            logits[:, 0] = self.rhythm.note_logits(ticks).cpu().numpy()
        return logits

    def slide(self, bar: int, most_bars: int, kept_bars: int, room: int) -> bool:
        """Let the oldest bars leave where bar ``bar`` would be one too many, or its end might lie
        beyond ``room`` tokens; whether any left."""
        if bar - self.first < most_bars and self.window_length(self.first, bar) <= room:
            return False
        first = max(self.first, bar - kept_bars)
        while first < bar and self.window_length(first, bar) > room // 2:
            first += 1
        changed, self.first = first != self.first, first
        return changed

    def window_ids(self, first: int, bar: int) -> list[int]:
        """Everything from the song's sketch to what opens ``bar``, the past beginning with bar
        ``first``."""
        past = self.bars[first:bar]
        return [
            *self.prompt.window(first, past, [False] * len(past), ends=False).ids,
            *self.prompt.bar(bar),
        ]

    def window_length(self, first: int, bar: int) -> int:
        """How many ids `window_ids` gives."""
        past = sum(len(self.prompt.bar(b)) + len(self.bars[b]) + 1 for b in range(first, bar))
        return self.opening_length + past + len(self.prompt.bar(bar))
