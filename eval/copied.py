"""Copying: how much of a map stands note for note in the maps a model was trained on.

Conventions: a map is the sequence of its notes (moment by moment, in a moment by hand, column, row,
direction), each as hand, cell, direction and the gap in ticks since the note before, in beats of
the octave 95-190 BPM. A **shared run** is a longest stretch that occurs in a row, alike in all of
these, in one training map; its first note's gap does not count. Runs shorter than `GRAM_NOTES` are
not seen. Human maps share short runs too (streams, vibro), so compare with what they do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from saberlm.eval.note_arrays import (
    Bools,
    Hashes,
    Ints,
    NoteArrays,
    mix,
    ngram_hashes,
    note_arrays,
    tempo_scale,
)
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap

GRAM_NOTES = 8
LONG_RUN_NOTES = 16
MAX_PLACES = 512
"""Places of one gram that are followed; a stream of one repeated pattern has many alike."""


@dataclass(frozen=True)
class Copied:
    """What a map shares with a set of maps.

    Attributes:
        notes: Playable notes of the map.
        longest_run: Notes of the longest shared run; 0 where none has `GRAM_NOTES`.
        source: Key of a map that holds that run; None without one.
        share_in_long_runs: Share of notes inside shared runs of `LONG_RUN_NOTES` or more; None
            without notes.
        grams_cut: Grams that occur in more than `MAX_PLACES` places, of which the first only were
            followed: a run through them may be longer than said.
    """

    notes: int
    longest_run: int
    source: str | None
    share_in_long_runs: float | None
    grams_cut: int

    def to_dict(self) -> dict[str, object]:
        """The result as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PatternIndex:
    """Where each run of `GRAM_NOTES` notes occurs in a set of maps.

    Attributes:
        keys: Names of the songs that the maps belong to.
        hashes: (G,) hash of each gram of all maps, sorted.
        places: (G,) its place: numbers that rise by one along a map and jump between maps.
        owners: (G,) index into ``keys``.
    """

    keys: tuple[str, ...]
    hashes: Hashes
    places: Ints
    owners: Ints

    @classmethod
    def from_maps(cls, maps: Iterable[tuple[str, Beatmap, TempoMap]]) -> PatternIndex:
        """Index maps, each with the name of its song (difficulties of one song share a name)."""
        keys: dict[str, int] = {}
        hashes, places, owners = [np.zeros(0, np.uint64)], [], []
        next_place = 0
        for key, beatmap, tempo in maps:
            grams = _grams(note_arrays(beatmap, tempo_scale(tempo)))
            hashes.append(grams)
            places.append(np.arange(len(grams)) + next_place)
            owners.append(np.full(len(grams), keys.setdefault(key, len(keys))))
            next_place += len(grams) + 1
        joined = np.concatenate(hashes)
        order = np.argsort(joined, kind="stable")
        empty = np.zeros(0, np.int64)
        return cls(
            tuple(keys),
            joined[order],
            np.concatenate([empty, *places])[order],
            np.concatenate([empty, *owners])[order],
        )

    def copied(
        self,
        beatmap: Beatmap,
        tempo: TempoMap,
        *,
        or_mirrored: bool = True,
        exclude: str | None = None,
    ) -> Copied:
        """How much of a map stands in the indexed maps.

        Args:
            beatmap: The map to judge.
            tempo: Its tempo.
            or_mirrored: Count runs of the map's mirror image as well.
            exclude: Name of a song whose maps are not looked at (the map's own).
        """
        notes = note_arrays(beatmap, tempo_scale(tempo))
        inside = np.zeros(len(notes), dtype=bool)
        longest, source, cut = 0, None, 0
        for mirror in (False, True) if or_mirrored else (False,):
            run, owner, covered, over = self._runs(notes.mirrored() if mirror else notes, exclude)
            if run > longest:
                longest, source = run, self.keys[owner]
            cut += over
            # The mirror image has the same moments, but in a moment another order of notes.
            inside[notes.mirror_order() if mirror else slice(None)] |= covered
        share = float(inside.mean()) if len(inside) else None
        return Copied(len(notes), longest, source, share, cut)

    def _runs(self, notes: NoteArrays, exclude: str | None) -> tuple[int, int, Bools, int]:
        """Longest run, its owner, which notes lie in long runs, and how many grams were cut."""
        grams = _grams(notes)
        low = np.searchsorted(self.hashes, grams, side="left")
        found = np.searchsorted(self.hashes, grams, side="right") - low
        counts = np.minimum(found, MAX_PLACES)
        at = np.repeat(np.arange(len(grams)), counts)
        nth = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
        entry = np.repeat(low, counts) + nth
        if exclude in self.keys:
            kept = self.owners[entry] != self.keys.index(str(exclude))
            at, entry = at[kept], entry[kept]
        covered = np.zeros(len(notes), dtype=bool)
        if not len(at):
            return 0, -1, covered, 0
        # Along a shared run the place in the map and the place in the index rise together.
        offset = self.places[entry] - at
        order = np.lexsort((at, offset))
        at, offset, entry = at[order], offset[order], entry[order]
        begins = np.flatnonzero(
            (np.diff(at, prepend=-2) != 1) | (np.diff(offset, prepend=offset[0]) != 0)
        )
        grams_in_run = np.diff(np.append(begins, len(at)))
        length = grams_in_run + GRAM_NOTES - 1
        long = length >= LONG_RUN_NOTES
        edges = np.zeros(len(notes) + 1, dtype=np.int64)
        np.add.at(edges, at[begins[long]], 1)
        np.add.at(edges, at[begins[long]] + length[long], -1)
        covered = np.cumsum(edges)[:-1] > 0
        best = int(length.argmax())
        return (
            int(length[best]),
            int(self.owners[entry[begins[best]]]),
            covered,
            int((found > MAX_PLACES).sum()),
        )


def _grams(notes: NoteArrays) -> Hashes:
    return ngram_hashes(mix(notes.code), notes.gaps, GRAM_NOTES)
