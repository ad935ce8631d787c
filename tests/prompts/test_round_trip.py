"""The figures of a round trip account for every object."""

from dataclasses import replace

import numpy as np

from saberlm.prompts.beatmap import (
    Beatmap,
    Bomb,
    BoostEvent,
    ColorNote,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.grammar import Grammar
from saberlm.prompts.round_trip import round_trip

GRAMMAR = Grammar()
BEATMAP = Beatmap(
    color_notes=(
        ColorNote(1.0, 0, 0, 0, 1),
        ColorNote(1.003, 0, 0, 1, 1),
        ColorNote(5, 3, 2, 1, 0),
    ),
    bombs=(Bomb(2.005, 1, 1),),
    obstacles=(Obstacle(3.0, 3, 0, 9.0, 1, 5),),
    lights=(LightEvent(1.0, 8, 0), LightEvent(1.0, 8, 0)),
    boosts=(BoostEvent(1.0, True),),
)


def test_objects_in_are_objects_kept_or_counted() -> None:
    trip = round_trip(BEATMAP, GRAMMAR)
    assert trip.equal
    assert trip.legal
    dropped = sum(n for what, n in trip.counts.items() if what.startswith("dropped"))
    assert trip.objects.total() - trip.kept.total() == dropped == 1
    assert trip.kept["light events"] == 2


def test_distances_are_to_the_nearest_tick() -> None:
    trip = round_trip(BEATMAP, GRAMMAR)
    assert np.allclose(trip.errors["notes"], [0, 0.003, 0])
    assert np.allclose(trip.errors["bombs"], [0.005])
    assert max(error.max(initial=0) for error in trip.errors.values()) <= 1 / 96 + 1e-12


def test_notes_only_are_the_tokens_without_the_light_show() -> None:
    lit = round_trip(BEATMAP, GRAMMAR)
    dark = round_trip(replace(BEATMAP, lights=(), boosts=()), GRAMMAR)
    assert lit.note_tokens == dark.note_tokens == dark.all_tokens < lit.all_tokens


def test_what_only_mods_can_play_is_removed_and_counted() -> None:
    modded = replace(BEATMAP, bombs=(*BEATMAP.bombs, Bomb(4.0, 1500, 2)))
    trip = round_trip(modded, GRAMMAR)
    assert trip.removed.total() >= 1
    assert trip.kept == round_trip(BEATMAP, GRAMMAR).kept
