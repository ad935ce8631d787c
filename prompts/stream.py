"""The one prompt builder: header, sketch, audio placeholders and map tokens interleaved, used by
training and inference alike.

Layout: ``<sketch> x K  <header> ... </header>`` and then for every bar ``<seg> <audio> x 16
tokens  </seg>``, at the end
``</map>``. Ids and loss mask are made together by one helper, so a label cannot drift from its
token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions, header_ids

LATENTS_PER_SEGMENT = 16


@dataclass
class TokenStream:
    """Token ids and, of the same length, whether each is to be learnt (1) or given (0)."""

    ids: list[int] = field(default_factory=list)
    loss_mask: list[int] = field(default_factory=list)

    def add(self, ids: Iterable[int], *, learn: bool) -> None:
        """Append tokens that are all learnt or all given."""
        before = len(self.ids)
        self.ids.extend(ids)
        self.loss_mask.extend([int(learn)] * (len(self.ids) - before))


def prompt(conditions: Conditions, sketch_bars: int) -> TokenStream:
    """What comes before the first bar: the song's sketch and the header."""
    stream = TokenStream()
    stream.add([v.SKETCH] * sketch_bars, learn=False)
    stream.add(header_ids(conditions), learn=False)
    return stream


def open_segment() -> list[int]:
    """``<seg>`` and the places of its audio."""
    return [v.SEG] + [v.AUDIO] * LATENTS_PER_SEGMENT


def window(
    conditions: Conditions,
    sketch_bars: int,
    bars: Sequence[Sequence[int]],
    learn: Sequence[bool],
    *,
    ends: bool,
) -> TokenStream:
    """A stretch of a map with its prompt.

    Args:
        conditions: what the header says.
        sketch_bars: bars of the whole song.
        bars: tokens of each bar of the stretch.
        learn: whether each bar's tokens carry loss.
        ends: the stretch ends with the song, so ``</map>`` follows.
    """
    stream = prompt(conditions, sketch_bars)
    for tokens, wanted in zip(bars, learn, strict=True):
        stream.add(open_segment(), learn=False)
        stream.add(map(int, tokens), learn=wanted)
        stream.add([v.END_SEG], learn=wanted)
    if ends:
        stream.add([v.END_MAP], learn=bool(learn) and learn[-1])
    return stream
