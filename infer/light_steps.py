"""Light steps: bars whose lamps keep a step of their own while the notes do something else.

Sampled, a show lights the notes and little else: in 61 % of bars the lamps stand just where the
notes do, where mappers' do in 40 %, and half of all steps from light to light are half a beat (with
mappers a fifth; `finetune/EXPERIMENTS.md` 54). Mappers break that up with stretches in which lamps
flash every eighth or quarter of a beat, or only every beat or two. So a row that lights given notes
decides ahead which bars keep which step: a Markov chain whose chances are those of human maps
(``python -m saberlm.scripts.light_rates``), by how many notes the bar has, and the likelier where
the tower hears that step. Where the song comes again, so does the step. Other bars are left as they
are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from saberlm.infer.likeness import Echoes
from saberlm.infer.rhythm import SILENT_LOGIT
from saberlm.prompts import vocab as v

BAR_TICKS = v.TICKS_PER_SEGMENT
STEPS = (6, 12, 24, 48, 96)
"""Ticks: an eighth, a quarter, half a beat, one and two beats."""
BUSY_EDGES = (0.7, 1.3)
"""Notes' moments of a bar against the mean of the map's, that part quiet, usual and busy bars."""
BEGINS: Mapping[int, tuple[float, float, float]] = {
    6: (0.003, 0.005, 0.015),
    12: (0.011, 0.023, 0.021),
    24: (0.021, 0.023, 0.027),
    48: (0.023, 0.017, 0.032),
    96: (0.012, 0.010, 0.010),
}
"""Chance that a quiet, a usual and a busy bar begins to keep a step."""
GOES_ON: Mapping[int, float] = {6: 0.40, 12: 0.56, 24: 0.46, 48: 0.54, 96: 0.64}
"""Chance that the next bar keeps it, too."""
ECHO_ALIKE = 0.9
"""Of an echo (`saberlm.infer.likeness`): from here on its step comes again."""
ON_STEP = 5.0
"""Log-odds of a light at a tick of the step."""
OFF_STEP: Mapping[int, float] = {6: 2.0, 12: 2.0, 24: 0.5, 48: -1.5, 96: -2.5}
"""Log-odds of a light at a note beside the step: with long ones mappers leave notes unlit."""
BESIDE = -8.0
"""The same where there is neither."""


def heard_steps(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """How far each bar sounds like each step, 0 to 2 and 1 in the mean of the bars: twice the share
    of bars in which less is heard at its ticks, ``(K, 5)``.

    Args:
        logits: log-odds of notes and other things at each tick, ``(T, 2)``.
    """
    chances = (1 / (1 + np.exp(-logits.max(axis=1).astype(np.float64)))).reshape(-1, BAR_TICKS)
    heard = np.stack([chances[:, ::step].mean(axis=1) for step in STEPS])
    ranks = [
        np.searchsorted(ordered, own, "left") + np.searchsorted(ordered, own, "right")
        for own, ordered in zip(heard, np.sort(heard, axis=1), strict=True)
    ]
    out: npt.NDArray[np.float64] = np.stack(ranks, axis=1) / len(chances)
    return out


def plan_light_steps(
    moments: Sequence[Collection[int]],
    heard: npt.NDArray[np.floating],
    echoes: Echoes,
    random: np.random.Generator,
) -> dict[int, int]:
    """Which bars keep which step.

    Args:
        moments: ticks in the bar at which each bar has notes, ``(K,)``.
        heard: of `heard_steps`, ``(K, 5)``: by what each step is likelier to begin.
        echoes: of the song's bars.
        random: decides.

    Returns:
        By bar, its step in ticks. Bars without notes keep none.
    """
    busy = np.array([len(one) for one in moments], np.float64)
    usual = float(busy[busy > 0].mean()) if (busy > 0).any() else 1.0
    found: dict[int, int] = {}
    for bar in range(len(moments)):
        goes_on, choice = random.random(), random.random()
        if not busy[bar]:
            continue
        echo, before = int(echoes.bar[bar]), found.get(bar - 1)
        if before is not None and goes_on < GOES_ON[before]:
            found[bar] = before
        elif echo >= 0 and echoes.likeness[bar] >= ECHO_ALIKE:
            if echo in found:
                found[bar] = found[echo]
        else:
            kind = int(np.searchsorted(BUSY_EDGES, busy[bar] / usual, side="right"))
            for step, begins, fits in zip(STEPS, BEGINS.values(), heard[bar], strict=True):
                choice -= begins[kind] * fits
                if choice < 0:
                    found[bar] = step
                    break
    return found


def with_light_steps(logits: Tensor, steps: Mapping[int, int]) -> Tensor:
    """The head's logits as a show that keeps these steps has them.

    Args:
        logits: notes given and other things at each tick, ``(T, 2)``
            (`saberlm.infer.lighting.lights_row`): where there is a note the second is as good as
            nothing.
        steps: of `plan_light_steps`.
    """
    out = logits.clone()
    for bar, step in steps.items():
        here = out[bar * BAR_TICKS : (bar + 1) * BAR_TICKS]
        noted = here[:, 0] > here[:, 1]
        song = ~noted & (here[:, 1] > SILENT_LOGIT)
        on = torch.zeros(len(here), dtype=torch.bool, device=here.device)
        on[::step] = True
        here[on & noted, 0], here[~on & noted, 0] = ON_STEP, OFF_STEP[step]
        here[on & song, 1], here[~on & song, 1] = ON_STEP, BESIDE
    return out
