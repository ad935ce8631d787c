"""Synthesises the demo song: 128 BPM, a short intro, a calm verse, a loud chorus and a last chord.

``python -m saberlm.scripts.make_demo_song examples/demo_song.ogg`` makes the committed file again.
Everything is numpy and one seed, so the song is ours to give away.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 44_100  # Hz
BPM = 128.0
FIRST_BEAT_SECONDS = 0.25  # time of beat 0, so that there is an offset to find
INTRO_BARS, VERSE_BARS, CHORUS_BARS, ENDING_BARS = 2, 12, 12, 1
VERSE_START_BAR = INTRO_BARS
CHORUS_START_BAR = INTRO_BARS + VERSE_BARS
ENDING_START_BAR = CHORUS_START_BAR + CHORUS_BARS
NUM_BARS = ENDING_START_BAR + ENDING_BARS
SONG_SECONDS = FIRST_BEAT_SECONDS + NUM_BARS * 4 * 60 / BPM
QUALITY = 0.4  # Vorbis
SEED = 128

# One chord a bar, as MIDI notes (60 is middle C), over four bars: root first.
VERSE_CHORDS = ((57, 60, 64, 67), (53, 57, 60, 64), (60, 64, 67, 71), (55, 59, 62, 65))
CHORUS_CHORDS = ((53, 57, 60, 67), (55, 59, 62, 69), (57, 60, 64, 71), (60, 64, 67, 74))

# Melodies over four bars: (beat, MIDI note, beats held). Syncopated on sixteenths.
VERSE_MELODY = (
    (0, 76, 0.75),
    (0.75, 74, 0.75),
    (1.5, 72, 1),
    (3, 69, 0.5),
    (3.5, 72, 0.5),
    (4, 72, 1.5),
    (5.5, 69, 1),
    (7, 67, 0.5),
    (7.5, 69, 0.5),
    (8, 71, 0.75),
    (8.75, 72, 0.75),
    (9.5, 74, 1),
    (11, 76, 0.5),
    (11.5, 79, 0.5),
    (12, 77, 1.5),
    (13.5, 74, 0.5),
    (14, 71, 1.5),
)
CHORUS_MELODY = (
    (0, 81, 0.75),
    (0.75, 79, 0.25),
    (1, 77, 0.5),
    (1.5, 79, 0.75),
    (2.25, 81, 0.75),
    (3, 84, 1),
    (4, 83, 0.75),
    (4.75, 81, 0.25),
    (5, 79, 0.5),
    (5.5, 81, 0.75),
    (6.25, 83, 0.75),
    (7, 86, 1),
    (8, 88, 0.75),
    (8.75, 86, 0.75),
    (9.5, 84, 0.5),
    (10, 83, 0.25),
    (10.25, 84, 0.75),
    (11, 81, 0.5),
    (11.5, 83, 0.5),
    (12, 84, 0.75),
    (12.75, 83, 0.75),
    (13.5, 79, 1),
    (14.5, 76, 0.5),
    (15, 79, 0.5),
    (15.5, 80, 0.5),
)

Signal = npt.NDArray[np.float64]


class Mixer:
    """A stereo track on which sounds are placed by beat."""

    def __init__(self) -> None:
        self.samples: Signal = np.zeros((2, round(SONG_SECONDS * SAMPLE_RATE)))

    def add(self, beat: float, sound: Signal, gain: float, pan: float = 0.0) -> None:
        """Adds a mono sound at a beat; ``pan`` is -1 (left) to 1 (right), at equal power."""
        start = round((FIRST_BEAT_SECONDS + beat * 60 / BPM) * SAMPLE_RATE)
        sound = sound[: self.samples.shape[1] - start]
        angle = (pan + 1) * np.pi / 4
        for channel, share in enumerate((np.cos(angle), np.sin(angle))):
            self.samples[channel, start : start + len(sound)] += gain * share * sound


def make_song() -> Signal:
    """Plays the whole song; returns samples ``(2, T)`` in -1..1 at ``SAMPLE_RATE``."""
    rng = np.random.default_rng(SEED)
    drums, bass, chords, lead = Mixer(), Mixer(), Mixer(), Mixer()
    _play_drums(drums, rng)
    for bar in range(NUM_BARS):
        _play_bass(bass, bar)
        _play_chords(chords, bar)
    _play_melodies(lead)
    duck = _duck_at_kicks()
    mix = drums.samples + duck * (bass.samples + chords.samples) + lead.samples
    mix += 0.25 * _echo(lead.samples, beats=0.75)
    fade_frames = SAMPLE_RATE // 2
    mix[:, -fade_frames:] *= np.linspace(1, 0, fade_frames)
    return np.asarray(0.89 * np.tanh(1.1 * mix / np.abs(mix).max()) / np.tanh(1.1))


def _play_drums(track: Mixer, rng: np.random.Generator) -> None:
    kick, snare, crash = _kick(), _snare(rng), _hat(rng, 0.9, 1.5)
    closed_hat, open_hat = _hat(rng, 0.018, 0.06), _hat(rng, 0.07, 0.22)
    for beat, loudness in _kicks():
        track.add(beat, kick, 0.9 * loudness)
    for bar in range(NUM_BARS - ENDING_BARS):
        start = 4.0 * bar
        if bar < VERSE_START_BAR:  # intro: a count on the hats
            for beat in range(4):
                track.add(start + beat, closed_hat, 0.25, 0.2)
        elif bar < CHORUS_START_BAR:  # verse: a soft rim, hats on eighths
            track.add(start + 2, snare, 0.22)
            for eighth in range(8):
                track.add(start + eighth / 2, closed_hat, 0.09 if eighth % 2 else 0.14, 0.2)
        else:  # chorus: backbeat, hats on sixteenths, open between the beats
            for beat in (1, 3):
                track.add(start + beat, snare, 0.75)
            for sixteenth in range(16):
                track.add(start + sixteenth / 4, closed_hat, 0.2 if sixteenth % 2 else 0.28, 0.25)
            for beat in range(4):
                track.add(start + beat + 0.5, open_hat, 0.32, -0.25)
    for sixteenth in range(8):  # a snare fill into the chorus, and one out of it
        for end in (CHORUS_START_BAR, ENDING_START_BAR):
            track.add(4 * end - 2 + sixteenth / 4, snare, 0.25 + 0.06 * sixteenth)
    for bar in (CHORUS_START_BAR, CHORUS_START_BAR + 8, ENDING_START_BAR):
        track.add(4 * bar, crash, 0.3, -0.3)


def _kicks() -> list[tuple[float, float]]:
    """Every kick: (beat, loudness)."""
    kicks: list[tuple[float, float]] = []
    for bar in range(VERSE_START_BAR, CHORUS_START_BAR):
        kicks += [(4.0 * bar, 0.6), (4 * bar + 2.75, 0.4)]
    for bar in range(CHORUS_START_BAR, ENDING_START_BAR):
        kicks += [(4.0 * bar + beat, 1.0) for beat in range(4)]
    return [*kicks, (4.0 * ENDING_START_BAR, 1.0)]


def _play_bass(track: Mixer, bar: int) -> None:
    start = 4.0 * bar
    root = _chord(bar)[0] - 24
    if bar >= ENDING_START_BAR:
        track.add(start, _tone(root, 4, harmonics=6, decay_beats=3), 0.4)
    elif bar >= CHORUS_START_BAR:  # octaves on eighths
        for eighth in range(8):
            note = root + 12 * (eighth % 2)
            track.add(start + eighth / 2, _tone(note, 0.45, harmonics=8, decay_beats=0.5), 0.42)
    elif bar >= VERSE_START_BAR:
        for beat, held in ((0, 1.25), (1.5, 1), (2.75, 1)):
            track.add(start + beat, _tone(root, held, harmonics=4, decay_beats=1.2), 0.26)


def _play_chords(track: Mixer, bar: int) -> None:
    start = 4.0 * bar
    for voice, note in enumerate(_chord(bar)):
        pan = (-0.6, 0.6, -0.25, 0.25)[voice]
        if CHORUS_START_BAR <= bar < ENDING_START_BAR:  # stabs, three against four
            for beat in (0, 0.75, 1.5, 2.5, 3.25):
                track.add(start + beat, _tone(note, 0.6, 9, 0.35, detune_cents=7), 0.13, pan)
        else:
            long = _tone(note, 4, 4, 3.5, attack_seconds=0.02, detune_cents=5)
            track.add(start, long, 0.07 if bar < ENDING_START_BAR else 0.12, pan)


def _play_melodies(track: Mixer) -> None:
    sections = (
        (VERSE_START_BAR, VERSE_BARS, VERSE_MELODY, 0.15, 3),
        (CHORUS_START_BAR, CHORUS_BARS, CHORUS_MELODY, 0.24, 7),
    )
    for first_bar, num_bars, melody, gain, harmonics in sections:
        for bar in range(first_bar, first_bar + num_bars, 4):
            for beat, note, held in melody:
                sound = _tone(note, held, harmonics, 1.0, vibrato=True)
                track.add(4 * bar + beat, sound, gain, 0.1)
    track.add(4 * ENDING_START_BAR, _tone(81, 3.5, 7, 2.0, vibrato=True), 0.24, 0.1)


def _chord(bar: int) -> tuple[int, ...]:
    if bar >= ENDING_START_BAR:
        return VERSE_CHORDS[0]
    if bar >= CHORUS_START_BAR:
        return CHORUS_CHORDS[(bar - CHORUS_START_BAR) % 4]
    return VERSE_CHORDS[(bar - VERSE_START_BAR) % 4]


def _tone(
    midi_note: float,
    held_beats: float,
    harmonics: int,
    decay_beats: float,
    *,
    attack_seconds: float = 0.004,
    detune_cents: float = 0.0,
    vibrato: bool = False,
) -> Signal:
    """A soft saw of a few harmonics, struck and let ring; mono."""
    held_seconds, release_seconds = held_beats * 60 / BPM, 0.03
    seconds = np.arange(round((held_seconds + release_seconds) * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros_like(seconds)
    for cents in (-detune_cents, detune_cents) if detune_cents else (0.0,):
        hertz = 440 * 2 ** ((midi_note - 69 + cents / 100) / 12)
        phase = 2 * np.pi * hertz * seconds
        if vibrato:
            depth = np.minimum(seconds / 0.3, 1) * 0.12
            phase = phase + depth * np.sin(2 * np.pi * 5.5 * seconds)
        for k in range(1, harmonics + 1):
            sound += np.sin(k * phase) / k**1.3
    envelope = np.minimum(seconds / attack_seconds, 1) * np.exp(-seconds / (decay_beats * 60 / BPM))
    envelope *= np.clip((held_seconds + release_seconds - seconds) / release_seconds, 0, 1)
    return np.asarray(sound * envelope)


def _kick() -> Signal:
    seconds = np.arange(round(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * (48 * seconds + 110 * 0.03 * (1 - np.exp(-seconds / 0.03)))
    click = np.exp(-seconds / 0.002) * np.sin(2 * np.pi * 1800 * seconds)
    return np.asarray(np.sin(phase) * np.exp(-seconds / 0.09) + 0.4 * click)


def _snare(rng: np.random.Generator) -> Signal:
    seconds = np.arange(round(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.diff(rng.standard_normal(len(seconds) + 1)) * np.exp(-seconds / 0.055)
    body = np.sin(2 * np.pi * 190 * seconds) * np.exp(-seconds / 0.04)
    return np.asarray(0.3 * noise + 0.6 * body)


def _hat(rng: np.random.Generator, decay_seconds: float, length_seconds: float) -> Signal:
    seconds = np.arange(round(length_seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.diff(rng.standard_normal(len(seconds) + 2), n=2)  # twice: only the highs are left
    return np.asarray(0.3 * noise * np.exp(-seconds / decay_seconds))


def _duck_at_kicks() -> Signal:
    """A gain ``(T,)`` that gives way to every kick and comes back within a fifth of a second."""
    gain = np.ones(round(SONG_SECONDS * SAMPLE_RATE))
    seconds = np.arange(round(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    for beat, loudness in _kicks():
        start = round((FIRST_BEAT_SECONDS + beat * 60 / BPM) * SAMPLE_RATE)
        end = min(start + len(seconds), len(gain))
        dip = 1 - 0.6 * loudness * np.exp(-seconds[: end - start] / 0.08)
        gain[start:end] = np.minimum(gain[start:end], dip)
    return gain


def _echo(samples: Signal, beats: float) -> Signal:
    """The same ``(2, T)``, later and with the sides swapped."""
    delay_frames = round(beats * 60 / BPM * SAMPLE_RATE)
    late = np.zeros_like(samples)
    late[:, delay_frames:] = samples[::-1, :-delay_frames]
    return late


def main(argv: list[str] | None = None) -> int:
    """Writes the song to the path on the command line."""
    parser = argparse.ArgumentParser(description="Synthesise the demo song as Ogg Vorbis.")
    parser.add_argument("out", type=Path, metavar="OUT", help="the .ogg file to write")
    args = parser.parse_args(argv)
    from saberlm.adapter.audio import write_ogg_vorbis  # here, so that --help stays instant

    write_ogg_vorbis(args.out, make_song(), SAMPLE_RATE, quality=QUALITY)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
