"""Requests of a batch: files, folders and lines, names of their own, bad lines refused."""

import json
from pathlib import Path

import pytest

from saberlm.infer.batch_requests import find_requests, request_line


def test_folders_files_and_lines_become_requests_with_names_of_their_own(songs: Path) -> None:
    listed = songs / "list.jsonl"
    listed.write_text(
        '{"song": "a.wav", "difficulties": ["Hard"], "nps": 3}\n\n'
        '{"song": "a.wav", "output": "mine.zip", "temperature": 0.5}\n'
    )
    items = find_requests([songs, listed, songs / "b.wav"], {"seed": 3, "nps": 4.0})
    names = [item.output for item in items]
    assert len(names) == len({name.lower() for name in names}) == 7
    assert {"b.zip", "c.zip", "bad.zip", "mine.zip"} <= set(names)
    assert sum(name.startswith("a-") for name in names) == 3
    assert items == find_requests([songs, listed], {"seed": 3, "nps": 4.0})
    by_name = {item.output: item.request for item in items}
    assert by_name["mine.zip"].sampling.temperature == 0.5
    assert (by_name["b.zip"].nps, by_name["b.zip"].seed) == (4.0, 3)
    hard = next(item.request for item in items if item.request.difficulties == ("Hard",))
    assert hard.nps == 3.0


def test_a_line_says_of_its_song_whatever_the_map_command_takes(songs: Path) -> None:
    (songs / "beats.txt").write_text("\n".join(str(i / 2) for i in range(12)))
    listed = songs / "list.jsonl"
    lines = [
        {"song": "a.wav", "bpm": 128, "offset": 0.25, "njs": 15, "title": "A", "artist": "B"},
        {"song": "b.wav", "beats": "beats.txt", "cover": "none.png", "candidates": 2},
        {"song": "c.wav", "tempo_from": "more", "walls": "none", "arcs": False, "top_k": 5},
    ]
    listed.write_text("\n".join(map(json.dumps, lines)))
    first, second, third = (one.request for one in find_requests([listed], {"artist": "C"}))
    assert (first.bpm, first.offset, first.njs) == (128.0, 0.25, 15.0)
    assert (first.title, first.artist, second.artist) == ("A", "B", "C")
    assert (second.beats, second.cover) == (songs / "beats.txt", songs / "none.png")
    assert second.given_tempo() is not None, "found beside its line, wherever the command is run"
    assert (third.tempo_from, third.walls, third.arcs) == (songs / "more", "none", False)
    assert third.sampling.top_k == 5


def test_requests_written_as_lines_come_back_the_same(songs: Path) -> None:
    listed = songs / "list.jsonl"
    listed.write_text(
        '{"song": "a.wav", "difficulties": ["Hard", "Easy"], "nps": [3, 2.5], "arcs": true}\n'
        '{"song": "b.wav", "beats": "beats.txt", "preset": "wild", "output": "ß ü.zip"}\n'
        '{"song": "more/a.wav", "prompt": "NPS: {nps}", "seed": 0, "lights": false}\n'
    )
    items = find_requests([listed, songs], {"seed": 7, "style": "tech"})
    written = songs / "elsewhere" / "again.jsonl"
    written.parent.mkdir()
    written.write_text("\n".join(map(request_line, items)), encoding="utf-8")
    assert find_requests([written], {}) == items
    assert json.loads(request_line(items[-1])).keys() == {"song", "output", "seed", "style"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"song": "a.wav", "difficulty": "Hard"}', "difficult"),
        ('{"song": "a.wav", "nps": "many"}', "nps: expected a number"),
        ('{"song": "a.wav", "lights": 1}', "lights: expected true or false"),
        ('{"song": "a.wav", "difficulties": ["Insane"]}', "Insane"),
        ('{"song": "a.wav", "prompt": "NPS: fast"}', "fast"),
        ('{"song": "a.wav", "output": "../x.zip"}', "output"),
        ('{"nps": 3}', "song"),
        ('["a.wav"]', "JSON object"),
        ("{", "line 2"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(songs: Path, line: str, says: str) -> None:
    listed = songs / "list.jsonl"
    listed.write_text(f'{{"song": "b.wav"}}\n{line}\n')
    with pytest.raises(ValueError, match="line 2") as caught:
        find_requests([listed], {})
    assert says in str(caught.value)


def test_two_levels_of_one_name_are_refused(songs: Path) -> None:
    listed = songs / "list.jsonl"
    listed.write_text(
        '{"song": "a.wav", "output": "x.zip"}\n{"song": "b.wav", "output": "X.zip"}\n'
    )
    with pytest.raises(ValueError, match=r"line 2.*name of its own"):
        find_requests([listed], {})
