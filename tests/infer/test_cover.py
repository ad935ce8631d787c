"""Drawn and given covers."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synth import drums

from saberlm.infer.cover import draw_cover, load_cover


def _save(path: Path, size: tuple[int, int], form: str, mode: str = "RGB") -> bytes:
    Image.new(mode, size, 80 if mode == "L" else None).save(path, form)
    return path.read_bytes()


def test_drawn_cover_is_a_square_png_and_repeats() -> None:
    song = drums(120, 0, seconds=10)
    first = draw_cover(song, "A title")
    image = Image.open(io.BytesIO(first))
    assert (image.format, image.size, image.mode) == ("PNG", (512, 512), "RGB")
    assert draw_cover(song, "A title") == first
    assert draw_cover(song, "Another title") != first
    assert draw_cover(song, "A title", seed=1) != first
    assert draw_cover(drums(150, 0.3, seconds=10), "A title") != first
    assert np.asarray(image).std() > 10  # something is on it


@pytest.mark.parametrize("samples", [np.zeros(22050), np.ones(1), np.zeros((1, 5000))])
def test_sounds_that_hold_nothing_still_draw(samples: np.ndarray) -> None:
    assert Image.open(io.BytesIO(draw_cover(samples, ""))).size == (512, 512)


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(100, np.nan)])
def test_bad_samples(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        draw_cover(samples, "x")


@pytest.mark.parametrize(("form", "name"), [("PNG", "cover.png"), ("JPEG", "cover.jpg")])
def test_a_good_picture_is_taken_as_it_is(tmp_path: Path, form: str, name: str) -> None:
    data = _save(tmp_path / "any.bin", (300, 300), form)
    assert load_cover(tmp_path / "any.bin") == (name, data)


@pytest.mark.parametrize(
    ("size", "form", "mode"),
    [((400, 300), "PNG", "RGBA"), ((64, 64), "JPEG", "L"), ((300, 300), "JPEG", "CMYK")],
)
def test_others_become_a_square_png(
    tmp_path: Path, size: tuple[int, int], form: str, mode: str
) -> None:
    _save(tmp_path / "p", size, form, mode)
    name, data = load_cover(tmp_path / "p")
    image = Image.open(io.BytesIO(data))
    assert (name, image.size, image.format) == ("cover.png", (512, 512), "PNG")


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    whole = _save(tmp_path / "whole.png", (600, 600), "PNG")
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    _save(tmp_path / "other.gif", (300, 300), "GIF")
    for name in ("text.png", "empty.png", "cut.png", "other.gif", "absent.png", "."):
        with pytest.raises(ValueError, match="expected a png or jpg") as error:
            load_cover(tmp_path / name)
        assert "\n" not in str(error.value)
        assert "0x" not in str(error.value)
