"""The control's encoding: as many bars as the song, of the other's sound."""

import pytest
import torch

from saberlm.infer.engine import SongEncoding
from saberlm.infer.other_song import laid_over


@pytest.mark.parametrize("num_bars", [1, 3, 5, 8])
def test_another_song_is_repeated_or_cut(tiny_model, num_bars):
    size = tiny_model.config.audio_config.hidden_size
    wide = tiny_model.config.text_config.hidden_size
    latents, sketch = torch.randn(3 * 16, size), torch.randn(3, wide)
    other = SongEncoding(latents, torch.zeros(3 * 16, wide), sketch, 3)
    laid = laid_over(tiny_model, other, num_bars)
    assert laid.num_bars == num_bars
    assert laid.latents.shape == (num_bars * 16, size)
    assert laid.embeds.shape == (num_bars * 16, wide)
    assert laid.sketch.shape == (num_bars, wide)
    for bar in range(num_bars):
        theirs = slice(bar % 3 * 16, bar % 3 * 16 + 16)
        assert torch.equal(laid.latents[bar * 16 : bar * 16 + 16], latents[theirs])
        assert torch.equal(laid.sketch[bar], sketch[bar % 3])
