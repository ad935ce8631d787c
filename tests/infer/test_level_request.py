"""Requests: what they refuse, what a prompt says in them, and what their fingerprint notices."""

from dataclasses import fields
from pathlib import Path

import pytest

from saberlm.infer.chroma import PALETTES
from saberlm.infer.level_request import LevelRequest, as_request
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.errors import HeaderError
from saberlm.prompts.header import Conditions


def test_plain_fields_make_a_request() -> None:
    request = LevelRequest.of(
        "a.ogg", difficulties=["Hard", "Easy", "Hard"], nps=[3, 2], style="tech", temperature=0.5,
        njs=None,
    )  # fmt: skip
    assert request.sampling == SamplingParams(temperature=0.5)
    hard, easy = request.conditions
    assert hard == Conditions("Hard", nps=3.0, style="tech", rating=9, lights=True)
    assert (easy.difficulty, easy.nps) == ("Easy", 2.0)
    assert request == as_request({"song": "a.ogg", "difficulties": ["Hard", "Easy", "Hard"],
                                  "nps": [3, 2], "style": "tech", "temperature": 0.5})  # fmt: skip
    assert as_request(Path("a.ogg")).conditions[0].difficulty == "Expert"
    assert LevelRequest.of("a.ogg", full_spread=True).num_rows == len(DIFFICULTIES)
    assert LevelRequest.of("a.ogg", difficulties=["Easy", "Hard"], candidates=3).num_rows == 6


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"difficulty": "Hard"}, "difficulties\\?"),
        ({"difficulties": ["Insane"]}, "Insane"),
        ({"difficulties": []}, "none"),
        ({"difficulties": 3}, "a list of names"),
        ({"nps": 0.01}, "nps.*0.1 to 16"),
        ({"nps": [1.0, 2.0]}, "one for each of 1"),
        ({"nps": True}, "nps: expected a number"),
        ({"bpm": float("nan")}, "bpm: expected a number"),
        ({"seed": 1.5}, "seed: expected a whole number"),
        ({"seed": -1}, "seed"),
        ({"candidates": 0}, "candidates.*1 to 64"),
        ({"redo_weak": "yes"}, "true or false"),
        ({"temperature": -1.0}, "temperature"),
        ({"sampling": None}, "sampling"),
        ({"beats": "a.txt", "tempo_from": "b"}, "found both"),
        ({"difficulties": ["Easy"], "prompt": "Difficulty: Hard"}, "which the prompt says"),
    ],
)
def test_what_means_nothing_is_refused(given: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LevelRequest.of("a.ogg", **given)


def test_a_prompt_goes_before_the_fields() -> None:
    request = LevelRequest.of(
        "a.ogg", prompt="Difficulty: Hard | NPS: 5.2 | BPM: 174 | Lights: off", style="tech", nps=2
    )
    assert request.conditions == (
        Conditions("Hard", nps=5.2, style="tech", rating=9, lights=False),
    )
    assert request.stated_bpm == 174
    template = "Difficulty: {difficulty} | NPS: {nps} | Style: {difficulty} {style}"
    request = LevelRequest.of(
        "a.ogg", prompt=template, style="run", nps=[2.0, 4.5], difficulties=["Easy", "Expert"]
    )
    easy, expert = request.conditions
    assert (easy.style, easy.nps) == ("Easy run", 2.0)
    assert (expert.style, expert.nps) == ("Expert run", 4.5)
    with pytest.raises(HeaderError) as caught:
        LevelRequest.of("a.ogg", prompt="Difficulty: Hard | NPS: quick")
    assert caught.value.text[caught.value.start : caught.value.end] == "quick"


def test_the_fingerprint_notices_every_field_and_the_song(tmp_path: Path) -> None:
    song, other = tmp_path / "a.ogg", tmp_path / "cover.png"
    song.write_bytes(b"one")
    other.write_bytes(b"cover")
    changes = {
        "difficulties": ["Hard"], "nps": 3.0, "njs": 16.0, "style": "tech", "rating": 5,
        "lights": False, "prompt": "NPS: 3", "bpm": 120.0, "offset": 0.1, "beats": "b.txt",
        "tempo_from": "c.zip", "title": "t", "artist": "a", "mapper": "m", "cover": str(other),
        "environment": "Nice", "seed": 1, "candidates": 2, "redo_weak": True, "full_spread": True,
        "bombs": "low", "walls": "none", "arcs": True, "chains": False, "reference": "d.zip",
        "chroma": sorted(PALETTES)[0], "decorative_walls": "high",
    }  # fmt: skip
    assert changes.keys() | {"song", "sampling"} == {f.name for f in fields(LevelRequest)}
    plain = LevelRequest.of(song).fingerprint("weights")
    assert plain == LevelRequest.of(song).fingerprint("weights")
    seen = {plain, LevelRequest.of(song).fingerprint("other weights")}
    seen |= {LevelRequest.of(song, **{k: v}).fingerprint("weights") for k, v in changes.items()}
    seen.add(LevelRequest.of(song, top_k=5).fingerprint("weights"))
    song.write_bytes(b"two")
    seen.add(LevelRequest.of(song).fingerprint("weights"))
    assert len(seen) == len(changes) + 4
