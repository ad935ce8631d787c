"""How closely changing tempi of made-up songs are followed, and whether steady ones stay steady.

    python -m saberlm.scripts.bench_tempo_changes --steady 100 --changing 20

prints a table for `saberlm.scripts.synthetic_songs`: a tempo step from 120 to 132 BPM, a steady
drift of 3 %, a free intro of 10 s, and songs of one tempo. An error is the distance in ms of a true
beat from the nearest found one; those of a song's intro count.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saberlm.scripts.synthetic_songs import (
    RATE,
    SyntheticSong,
    drift_song,
    free_intro_song,
    steady_song,
    step_song,
)

if TYPE_CHECKING:
    from saberlm.infer.tempo_estimate import TempoEstimate

FOLLOWED_MS = 15.0


@dataclass(frozen=True)
class Followed:
    """How one song was followed.

    Attributes:
        median_ms: of the beats' errors, as are the next two.
        high_ms: their 95th percentile.
        max_ms: the greatest.
        num_pieces: of constant tempo; 1 for a song read as steady.
    """

    median_ms: float
    high_ms: float
    max_ms: float
    num_pieces: int


def judge(song: SyntheticSong, found: TempoEstimate) -> Followed:
    """Compare a song's true beats with those of an estimate."""
    from saberlm.infer.tempo_pieces import events_of
    from saberlm.prompts.tempo import TempoMap

    tempo = TempoMap(found.bpm, events_of(found))
    beats = np.round(tempo.to_beats(song.beats - found.offset_seconds))
    errors = 1000 * np.abs(found.offset_seconds + tempo.to_seconds(beats) - song.beats)
    return Followed(
        float(np.median(errors)),
        float(np.quantile(errors, 0.95)),
        float(errors.max()),
        1 + len(found.events),
    )


def read_tempo(song: SyntheticSong, *, with_net: bool) -> TempoEstimate:
    """The tempo found in a song; without the beat network's help in following it if so wished."""
    from saberlm.infer.tempo import estimate_heard, hear
    from saberlm.infer.tempo_pieces import follow_tempo

    heard = hear(song.samples, RATE)
    return follow_tempo(heard.beats if with_net else None, heard.curve, estimate_heard(heard))


def bench(
    makers: dict[str, tuple[Callable[[int], SyntheticSong], int]], seed: int, *, with_net: bool
) -> Iterator[tuple[str, list[Followed]]]:
    """Each kind of song with its results."""
    from tqdm import tqdm

    for kind, (maker, count) in makers.items():
        songs = tqdm(range(seed, seed + count), desc=kind, unit="song", disable=not count)
        results = []
        for number in songs:
            song = maker(number)
            results.append(judge(song, read_tempo(song, with_net=with_net)))
        yield kind, results


def table_row(kind: str, results: list[Followed]) -> str:
    """One row of the printed table."""
    medians = [one.median_ms for one in results]
    worst = [one.max_ms for one in results]
    return (
        f"| {kind} | {len(results)} | {np.median(medians):.1f} |"
        f" {np.median([one.high_ms for one in results]):.1f} | {np.median(worst):.1f} |"
        f" {max(worst):.1f} | {np.mean([w <= FOLLOWED_MS for w in worst]):.0%} |"
        f" {np.mean([one.num_pieces == 1 for one in results]):.0%} |"
        f" {np.mean([one.num_pieces for one in results]):.1f} |"
    )


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--steady", type=int, default=100, metavar="N", help="steady songs")
    parser.add_argument("--changing", type=int, default=20, metavar="N", help="songs of each other")
    parser.add_argument("--seed", type=int, default=0, help="of the first song")
    parser.add_argument("--no-net", action="store_true", help="follow onsets alone")
    args = parser.parse_args(argv)
    makers: dict[str, tuple[Callable[[int], SyntheticSong], int]] = {
        "step 120 to 132": (step_song, args.changing),
        "drift of 3 %": (drift_song, args.changing),
        "free intro of 10 s": (free_intro_song, args.changing),
        "steady": (steady_song, args.steady),
    }
    makers = {kind: made for kind, made in makers.items() if made[1] > 0}
    rows = [table_row(*one) for one in bench(makers, args.seed, with_net=not args.no_net)]
    print(f"seeds from {args.seed}; {'onsets alone' if args.no_net else 'onsets and beat network'}")
    print()
    print(
        "| songs | n | median error, ms | 95 % | greatest of the median song | greatest of all |"
        f" followed within {FOLLOWED_MS:g} ms | of one tempo | pieces |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
