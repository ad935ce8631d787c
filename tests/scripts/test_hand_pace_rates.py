"""How fast mappers ask a hand to swing: the fit finds what maps were made with."""

import numpy as np
import pytest

from saberlm.scripts.hand_pace_rates import AT_NPS, MapPace, fit


def test_a_power_of_the_notes_a_second_is_found() -> None:
    rng = np.random.default_rng(0)
    maps = [
        MapPace(name, float(nps), at * float(nps / AT_NPS) ** 0.4)
        for name, at in (("Easy", 70.0), ("Expert", 130.0))
        for nps in rng.uniform(1, 8, 20)
    ]
    found, power, left = fit(maps)
    assert found == pytest.approx({"Easy": 70.0, "Expert": 130.0})
    assert power == pytest.approx(0.4)
    assert left == pytest.approx(0, abs=1e-9)
