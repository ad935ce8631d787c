from hypothesis import given
from hypothesis import strategies as st

from saberlm.prompts import vocab as v
from saberlm.prompts.text_pieces import TEXT_PIECES, decode_text, encode_text


def test_every_id_has_one_meaning() -> None:
    for token in range(v.VOCAB_SIZE):
        part = v.token_of(token)
        assert v.token_id(part.kind, part.value) == token
    assert len({v.describe(token) for token in range(v.OFFSETS["text"])}) == v.OFFSETS["text"]


def test_blocks_fill_the_vocabulary() -> None:
    assert sum(len(v.block_range(name)) for name, _ in v.BLOCKS) == v.VOCAB_SIZE
    assert v.block_range("note").start == v.OFFSETS["note"]


def test_specials_have_the_ids_the_names_say() -> None:
    for name, token in (
        ("<pad>", v.PAD),
        ("<map>", v.MAP),
        ("</map>", v.END_MAP),
        ("</header>", v.END_HEADER),
        ("<sketch>", v.SKETCH),
        ("<audio>", v.AUDIO),
        ("</seg>", v.END_SEG),
        ("<ctx lights>", v.CTX_LIGHTS),
        ("</ctx>", v.END_CTX),
        ("<gap>", v.GAP),
    ):
        assert v.SPECIALS[token] == name


def test_note_values_round_trip() -> None:
    seen = {
        v.note_value(c, y, x, d)
        for c in range(2)
        for y in range(3)
        for x in range(4)
        for d in range(9)
    }
    assert seen == set(range(216))
    assert all(v.note_value(*v.note_parts(value)) == value for value in seen)


def test_fingerprint_is_the_one_the_shipped_weights_carry() -> None:
    # changing the vocabulary throws trained weights away: this number changes only with a
    # retrained model
    assert v.fingerprint() == "0a06b805ddb2afd4"


@given(st.text(max_size=60))
def test_any_text_can_be_spelled(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert decode_text(encode_text(text)) == text


def test_header_words_are_single_pieces() -> None:
    for word in ("Difficulty", "ExpertPlus", "unknown", "streams", ": ", " | "):
        assert len(encode_text(word)) == 1
    assert len(set(TEXT_PIECES)) == len(TEXT_PIECES)
