"""The compiled grammar is the grammar."""

import numpy as np

from saberlm.infer import row_grammar
from saberlm.prompts import vocab as v
from saberlm.prompts.grammar import Grammar


def test_it_allows_and_steps_as_the_grammar_does() -> None:
    grammar, tables = Grammar(), row_grammar.grammar_tables()
    random = np.random.default_rng(0)
    legal = np.zeros(v.VOCAB_SIZE, np.int32)
    for _ in range(8):
        state, own = Grammar.start(1), row_grammar.start_state()
        for _ in range(200):
            ids = np.nonzero(grammar.allowed(state)[0])[0]
            count = row_grammar.legal_ids(own, tables, legal)
            assert legal[:count].tolist() == ids.tolist()
            # rather objects than positions, so that bars fill up
            liking = random.random(len(ids)) * np.where(ids > max(v.block_range("position")), 9, 1)
            token = int(ids[liking.argmax()])
            token = v.SEG if token == v.END_MAP else token
            state = grammar.step(state, np.array([token]))
            row_grammar.step(own, tables, token)
            assert own.tolist() == state[0].tolist()


def test_a_bar_given_whole_ends_as_one_that_was_drawn() -> None:
    tables = row_grammar.grammar_tables()
    drawn, given = row_grammar.start_state(), row_grammar.start_state()
    for token in (v.token_id("position", 7), v.token_id("note", 40), v.END_SEG):
        row_grammar.step(drawn, tables, token)
    row_grammar.close_bar(drawn, said=True)
    row_grammar.close_bar(given, said=False)
    free_of_direction = [
        i
        for i in range(len(drawn))
        if i not in (row_grammar.COLOR, row_grammar.DIRECTION, row_grammar.CLOSED)
    ]
    assert drawn[free_of_direction].tolist() == given[free_of_direction].tolist()
