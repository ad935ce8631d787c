import pytest

from saberlm.prompts import vocab as v
from saberlm.prompts.header import (
    MAX_STYLE_CHARACTERS,
    Conditions,
    drop_fields,
    header_ids,
    header_of_ids,
    header_text,
)
from saberlm.prompts.stream import LATENTS_PER_SEGMENT, MapPrompt

FULL = Conditions("Expert", 5.2, 16.4, 174.2, "streams, tech", 9, True, False, None, True, False)


def test_header_says_every_field_in_one_order() -> None:
    text = header_text(FULL)
    assert text.startswith(
        "Difficulty: Expert | NPS: 5.2 | NJS: 16 | BPM: 174 | Style: streams, tech | Rating: 9"
    )
    assert "Chains: unknown" in text
    assert header_of_ids(header_ids(FULL)) == text
    assert [part.split(":")[0] for part in header_text(Conditions()).split(" | ")] == [
        part.split(":")[0] for part in text.split(" | ")
    ]


def test_unknown_fields_change_nothing_else() -> None:
    from random import Random

    dropped = drop_fields(FULL, 1.0, Random(0))
    assert dropped == Conditions(lights=True)
    assert drop_fields(FULL, 0.0, Random(0)) == FULL


def test_bad_conditions_are_refused() -> None:
    with pytest.raises(ValueError, match="difficulty must be one of"):
        Conditions("Expert+")
    with pytest.raises(ValueError, match=f"at most {MAX_STYLE_CHARACTERS}"):
        Conditions(style="x" * (MAX_STYLE_CHARACTERS + 1))


def test_loss_covers_the_map_tokens_and_nothing_else() -> None:
    bars = [
        [v.token_id("position", 0), v.token_id("note", 3)],
        [],
        [v.token_id("position", 9), v.token_id("bomb", 1)],
    ]
    stream = MapPrompt(FULL, 7).window(0, bars, [True, True, False], ends=True)
    assert len(stream.ids) == len(stream.loss_mask)
    learnt = [token for token, wanted in zip(stream.ids, stream.loss_mask, strict=True) if wanted]
    assert learnt == [*bars[0], v.END_SEG, v.END_SEG]
    assert stream.ids.count(v.AUDIO) == 3 * LATENTS_PER_SEGMENT
    assert stream.ids.count(v.SKETCH) == 7
    assert stream.ids[-1] == v.END_MAP
    opening = MapPrompt(FULL, 7).opening()
    assert stream.ids[: len(opening)] == opening
