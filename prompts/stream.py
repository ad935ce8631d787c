"""The one prompt builder: sketch, header, context, audio places and map tokens interleaved, used
by training and inference alike.

Layout: ``<sketch> x K  <header> ... </header>  [<ctx TASK> given </ctx>]`` and then for every bar
``<seg> <audio> x 16  [<ctx TASK> given </ctx>]  tokens  </seg>``, at the end ``</map>``. Training
takes whole windows; the decoding engine takes the same pieces as it goes. Ids and loss mask are
made together by one helper, so a label cannot drift from its token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from saberlm.prompts import vocab as v
from saberlm.prompts.context import Bar, Context
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


@dataclass(frozen=True)
class MapPrompt:
    """Everything that is given for one map.

    Args:
        conditions: what the header says.
        sketch_bars: bars of the whole song.
        context: the task and what it is given; None makes a map from the song alone.
        audio: False for a map whose song is not at hand: no place for its sound, and no sketch.
    """

    conditions: Conditions
    sketch_bars: int
    context: Context | None = None
    audio: bool = True

    def opening(self) -> list[int]:
        """What comes before the first bar and stays when old bars leave."""
        task = [] if self.context is None else self.context.opening_ids()
        sketch = [v.SKETCH] * (self.sketch_bars if self.audio else 0)
        return sketch + header_ids(self.conditions) + task

    def bar(self, bar: int) -> list[int]:
        """What opens a bar, by its number in the song: ``<seg>``, the places of its audio and what
        is given for it."""
        given = [] if self.context is None else self.context.bar_ids(bar)
        return [v.SEG] + [v.AUDIO] * (LATENTS_PER_SEGMENT if self.audio else 0) + given

    def window(
        self, first_bar: int, bars: Sequence[Bar], learn: Sequence[bool], *, ends: bool
    ) -> TokenStream:
        """A stretch of the map with its prompt.

        Args:
            first_bar: the number of the stretch's first bar in the song.
            bars: tokens of each bar of the stretch.
            learn: whether each bar's tokens carry loss.
            ends: the stretch ends with the song, so ``</map>`` follows.
        """
        stream = TokenStream()
        stream.add(self.opening(), learn=False)
        for i, (tokens, wanted) in enumerate(zip(bars, learn, strict=True)):
            stream.add(self.bar(first_bar + i), learn=False)
            stream.add(map(int, tokens), learn=wanted)
            stream.add([v.END_SEG], learn=wanted)
        if ends:
            stream.add([v.END_MAP], learn=bool(learn) and learn[-1])
        return stream
