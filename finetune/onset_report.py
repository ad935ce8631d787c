"""What the tower hears, measured without a decoder: the onset head's best guesses against human
maps, with the song's own sound and with another's.

Conventions: of every difficulty of a split the head is told what the human's map says of itself
(difficulty, notes a second, tempo, lights) and how many onsets it has. Its likeliest ticks, each
at least `saberlm.infer.rhythm.MIN_GAP_TICKS` from all likelier ones, are the estimate; onsets of
the bars that are taught are the reference; F1 is `saberlm.eval.timing`'s. The control is the same
with the next song's sound laid on the same bars: what knows metre alone scores as high there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saberlm.adapter.modeling_saber import SaberAudioTower
from saberlm.adapter.onset_head import onset_loss
from saberlm.eval.bootstrap import Interval, mean_interval
from saberlm.eval.timing import timing_report
from saberlm.finetune.shards import DifficultyStream, SongShard
from saberlm.finetune.tower import song_latents
from saberlm.finetune.windows import NOTE_TICK, onset_targets, taught_bars
from saberlm.infer.rhythm import MIN_GAP_TICKS, spaced_peaks
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.header import onset_conditions

_SILENT = -1e9


@dataclass(frozen=True)
class HeardMap:
    """How well one difficulty's onsets were guessed, 0 to 1; loss as in training."""

    song: str
    difficulty: str
    onsets: int
    f1_50: float
    f1_20: float
    loss: float
    other_f1_50: float
    other_f1_20: float
    other_loss: float


def lay_over(latents: Tensor, num: int) -> Tensor:
    """Latents ``(N, H_a)`` repeated or cut to ``(num, H_a)``."""
    return latents.repeat(-(-num // len(latents)), 1)[:num]


@torch.no_grad()
def hear_maps(
    tower: SaberAudioTower,
    songs: Sequence[SongShard],
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> list[HeardMap]:
    """Guess the onsets of every difficulty of the songs, see the module.

    Args:
        tower: in evaluation mode.
        songs: at least two, as each is the other sound of the one before it.
        progress: wraps the songs (`tqdm.tqdm`).

    Raises:
        ValueError: fewer than two songs, or features of another width.
    """
    if len(songs) < 2:
        raise ValueError(f"expected two songs or more, found {len(songs)}: no other song's sound")
    latents = [song_latents(tower, song) for song in songs]
    rows = []
    for i, song in enumerate(progress(songs)):
        own = latents[i]
        other = lay_over(latents[(i + 1) % len(songs)], len(own))
        for stream in song.difficulties:
            _, end = taught_bars(stream, song.num_bars)
            targets = onset_targets(list(stream.bars), [bar < end for bar in range(song.num_bars)])
            if (targets == NOTE_TICK).any():
                rows.append(_hear(tower, song, stream, targets, own, other))
    return rows


def _hear(
    tower: SaberAudioTower,
    song: SongShard,
    stream: DifficultyStream,
    targets: np.ndarray,
    own: Tensor,
    other: Tensor,
) -> HeardMap:
    conditions = torch.from_numpy(onset_conditions(stream.conditions))[None].repeat(2, 1)
    both = torch.stack([own, other])
    logits = tower.onsets(both, torch.ones(both.shape[:2], dtype=torch.bool), conditions)
    known = torch.from_numpy(targets)
    seconds = song.offset_seconds + np.arange(len(targets)) * 60 / song.bpm / v.TICKS_PER_BEAT
    outside = (seconds < 0) | (seconds > len(song.frames) / song.frame_rate)
    human = seconds[targets == NOTE_TICK]
    scores = []
    for one in logits:
        guess = one[:, 0].double().numpy().copy()
        guess[outside | (targets < 0)] = _SILENT
        chosen = spaced_peaks(guess, MIN_GAP_TICKS)[: len(human)]
        timing = timing_report(human, seconds[chosen], (0.05, 0.02)).scores
        scores.append((timing["50"].f1, timing["20"].f1, float(onset_loss(one[None], known[None]))))
    name = stream.conditions.difficulty or "unknown"
    return HeardMap(song.key, name, len(human), *scores[0], *scores[1])


COLUMNS: dict[str, Callable[[HeardMap], float]] = {
    "F1@50": lambda row: row.f1_50,
    "F1@20": lambda row: row.f1_20,
    "other song": lambda row: row.other_f1_50,
    "lift": lambda row: row.f1_50 - row.other_f1_50,
    "loss": lambda row: row.loss,
    "loss, other song": lambda row: row.other_loss,
}


def intervals(
    rows: Sequence[HeardMap], value: Callable[[HeardMap], float], seed: int = 0
) -> dict[str, Interval]:
    """Mean and 95 % interval by bootstrap over songs, by difficulty and of "all" maps."""
    out = {}
    for name in (*DIFFICULTIES, "all"):
        by_song: dict[str, list[float | None]] = defaultdict(list)
        for row in rows:
            if name in ("all", row.difficulty):
                by_song[row.song].append(value(row))
        if by_song:
            out[name] = mean_interval(by_song, seed)
    return out


def render(rows: Sequence[HeardMap]) -> str:
    """The rows as a Markdown table; the last line is the plain mean of the difficulties."""
    columns = {name: intervals(rows, value) for name, value in COLUMNS.items()}
    lines = [
        f"| difficulty | n | {' | '.join(COLUMNS)} |",
        "| --- |" + " --- |" * (len(COLUMNS) + 1),
    ]
    names = list(columns["F1@50"])
    for name in names:
        cells = [_cell(columns[column][name], column) for column in COLUMNS]
        lines.append(f"| {name} | {columns['F1@50'][name].maps} | {' | '.join(cells)} |")
    means = []
    for column in COLUMNS:
        each = [columns[column][name].mean for name in names if name != "all"]
        means.append(f"{np.mean([one for one in each if one is not None]):.3f}")
    lines.append(f"| mean of difficulties | | {' | '.join(means)} |")
    return "\n".join(lines)


def render_difference(rows: Sequence[HeardMap], against: Sequence[HeardMap]) -> str:
    """How the rows differ from another run's on the same maps, as a Markdown table.

    Raises:
        ValueError: no map is in both.
    """
    theirs = {(row.song, row.difficulty): row for row in against}
    pairs = [
        (row, theirs[row.song, row.difficulty])
        for row in rows
        if (row.song, row.difficulty) in theirs
    ]
    if not pairs:
        raise ValueError("expected the same maps in both runs, found none: another split or data?")
    lines = [
        f"| difference | n | {' | '.join(COLUMNS)} |",
        "| --- |" + " --- |" * (len(COLUMNS) + 1),
    ]
    for name in (*DIFFICULTIES, "all"):
        here = [pair for pair in pairs if name in ("all", pair[0].difficulty)]
        if not here:
            continue
        cells = []
        for column, value in COLUMNS.items():
            by_song: dict[str, list[float | None]] = defaultdict(list)
            for ours, other in here:
                by_song[ours.song].append(value(ours) - value(other))
            cells.append(_cell(mean_interval(by_song), column, sign="+"))
        lines.append(f"| {name} | {len(here)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(interval: Interval, column: str, sign: str = "") -> str:
    assert interval.mean is not None
    text = f"{interval.mean:{sign}.3f}"
    if column in ("F1@50", "F1@20", "lift") and interval.low is not None:
        text += f" [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"
    return text


def to_json(rows: Sequence[HeardMap]) -> list[dict[str, Any]]:
    """The rows as plain JSON values."""
    return [asdict(row) for row in rows]


def from_json(rows: Sequence[dict[str, Any]]) -> list[HeardMap]:
    """What `to_json` made.

    Raises:
        ValueError: other fields.
    """
    try:
        return [HeardMap(**row) for row in rows]
    except TypeError as error:
        raise ValueError(f"expected rows of evaluate_onset_head, found others: {error}") from None
