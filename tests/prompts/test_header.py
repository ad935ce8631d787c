"""The header: what it shows, and what is dropped of it in training."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from saberlm.prompts.header import (
    MAX_MAPPER_CHARACTERS,
    RARE_FIELDS,
    Conditions,
    drop_fields,
    header_ids,
    header_of_ids,
    header_text,
)

ASKED = Conditions("Expert", 5.2, 16.0, 128.0, "streams, doubles, wide", 8, lights=True)


def test_rare_fields_are_shown_where_known() -> None:
    shown = header_text(ASKED)
    assert not any(field.capitalize() in shown for field in RARE_FIELDS)
    known = replace(ASKED, stars=6.5, year=2021, mapper="Someone")
    assert header_text(known) == shown + " | Stars: 6.5 | Year: 2021 | Mapper: Someone"
    assert header_of_ids(header_ids(known)) == header_text(known)


def test_too_long_a_mapper_is_refused() -> None:
    Conditions(mapper="m" * MAX_MAPPER_CHARACTERS)
    with pytest.raises(ValueError, match="mapper"):
        Conditions(mapper="m" * (MAX_MAPPER_CHARACTERS + 1))


def test_words_of_the_style_go_one_by_one() -> None:
    random = Random(0)
    seen = {drop_fields(ASKED, 0.1, random).style for _ in range(300)}
    assert {None, ASKED.style, "streams", "doubles, wide"} <= seen
    words = ASKED.style.split(", ") if ASKED.style else []
    for style in seen - {None}:
        kept = style.split(", ")
        assert kept == [word for word in words if word in kept]  # none new, the order kept
    assert all(drop_fields(ASKED, 0.0, random) == ASKED for _ in range(20))


def test_lights_are_never_hidden() -> None:
    assert all(drop_fields(ASKED, 0.9, Random(i)).lights for i in range(50))
