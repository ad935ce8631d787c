"""Headers by hand and templates: what they say, and where they go wrong."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.header import MAX_STYLE_CHARACTERS, Conditions, header_text
from saberlm.prompts.header_template import HeaderError, HeaderTemplate, parse_header, said_by

words = st.text(st.characters(min_codepoint=32, exclude_characters="|", codec="utf-8"), max_size=40)
TOO_LONG = "x" * (MAX_STYLE_CHARACTERS + 1)
flags = st.none() | st.booleans()
conditions = st.builds(
    Conditions,
    difficulty=st.none() | st.sampled_from(DIFFICULTIES),
    nps=st.none() | st.floats(0.1, 16),
    njs=st.none() | st.floats(3, 30),
    bpm=st.none() | st.floats(10, 1000),
    style=st.none() | words.map(str.strip).filter(bool).filter(lambda one: one.isprintable()),
    rating=st.none() | st.integers(0, 10),
    lights=flags,
    arcs=flags,
    chains=flags,
    bombs=flags,
    walls=flags,
)


@given(conditions)
def test_a_header_read_back_says_the_same(asked: Conditions) -> None:
    text = header_text(asked)
    assert header_text(parse_header(text)) == text


@given(conditions, st.randoms())
def test_the_order_and_case_of_labels_and_blanks_around_bars_do_not_matter(
    asked: Conditions, random
) -> None:
    pieces = header_text(asked).split(" | ")
    random.shuffle(pieces)
    labels = [piece.partition(":") for piece in pieces]
    text = "  |  ".join(f"{label.upper()} :  {value}" for label, _, value in labels)
    assert parse_header(text) == parse_header(header_text(asked))


@given(conditions, conditions)
def test_a_template_of_every_field_is_what_is_known(asked: Conditions, known: Conditions) -> None:
    fields = [piece.partition(":")[0] for piece in header_text(asked).split(" | ")]
    template = " | ".join(f"{label}: {{{label.lower()}}}" for label in fields)
    made = HeaderTemplate(template).conditions(known)
    assert header_text(made) == header_text(known)


def test_what_a_header_does_not_say_stays_as_known() -> None:
    known = Conditions("Hard", nps=3.0, rating=9, lights=True)
    made = HeaderTemplate("Style: {difficulty} run, tech | NPS: unknown").conditions(known)
    assert made == Conditions("Hard", nps=None, style="Hard run, tech", rating=9, lights=True)
    assert HeaderTemplate("NPS: {nps} | Style: tech").said() == {"style": "tech"}


@pytest.mark.parametrize(
    ("text", "marked", "says"),
    [
        ("Difficulty: Expert+ | NPS: 5", "Expert+", "ExpertPlus"),
        ("Difficulty: Expert | NPS: fast | Style: tech", "fast", "a number from 0.1 to 16"),
        ("Difficulty: Expert | NPS: 99", "99", "0.1 to 16"),
        ("NPS: nan", "nan", "0.1 to 16"),
        ("Rating: 8.5", "8.5", "a whole number"),
        ("Lights: yes", "yes", "on, off or unknown"),
        ("Difficulty: Hard | Stlye: tech", "Stlye", "Style?"),
        ("NPS: 5 | NJS: 16 | NPS: 6", "NPS: 6", "twice"),
        ("Difficulty: Hard | tech", "tech", "Label: value"),
        ("Difficulty: Hard|NPS: 5", "Hard|NPS: 5", "Hard"),
        ("Difficulty: Hard |  | NPS: 5", None, "between"),
        ("Style:", "Style:", "after Style:"),
        ("Style: " + TOO_LONG, TOO_LONG, "at most"),
        ("", None, "expected fields"),
    ],
)
def test_an_error_points_at_the_wrong_place(text: str, marked: str | None, says: str) -> None:
    with pytest.raises(HeaderError, match=re.escape(says)) as caught:
        parse_header(text)
    reason, shown, carets = str(caught.value).split("\n")
    assert reason.startswith("prompt: ")
    assert len(carets) <= len(shown) + 1
    if marked is not None:
        at = slice(carets.index("^"), len(carets))
        assert shown[at] in marked
        assert marked in text
        assert set(carets[at]) == {"^"}


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("NPS: {nsp}", "{nsp}"),
        ("NPS: {nps", "{"),
        ("NPS: nps}", "}"),
        ("Style: {}", "{}"),
    ],
)
def test_a_template_with_a_wrong_name_or_brace_is_refused(text: str, marked: str) -> None:
    with pytest.raises(HeaderError) as caught:
        HeaderTemplate(text)
    assert text[caught.value.start : caught.value.end] == marked


def test_a_wrong_literal_is_seen_before_the_names_are_filled() -> None:
    with pytest.raises(HeaderError) as caught:
        HeaderTemplate("Difficulty: {difficulty} | NPS: fast").said()
    assert caught.value.text[caught.value.start : caught.value.end] == "fast"
    assert said_by("Bombs: off") == {"bombs": False}
