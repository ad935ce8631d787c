import pytest

from saberlm.infer import pace


def test_what_is_left_is_judged_from_where_all_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    one = pace.Pace()
    for done in range(1, 101):
        now += 60.0 if done <= 5 else 1.0
        one.advance(done, 100)
        if done <= 5:
            assert one.seconds_left is None
        else:
            assert one.seconds_left == pytest.approx(100 - done)


def test_a_total_that_grows_brings_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    one = pace.Pace()
    for done, total in ((10, 100), (20, 100), (30, 200)):
        now += 10.0
        one.advance(done, total)
    assert one.seconds_left == pytest.approx(170)
