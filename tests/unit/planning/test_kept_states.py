"""How many states are kept for a walk back, and what they take."""

from mda.planning import kept_states


def test_the_length_of_parts():
    assert kept_states.length_of_parts(100, 10, 4000) == 100
    assert kept_states.length_of_parts(100, 10, 3999) == 10
    assert kept_states.length_of_parts(101, 10, 3999) == 11
    assert kept_states.length_of_parts(100, 10, 120) == 3
    assert kept_states.length_of_parts(100, 10, 1) == 1


def test_what_states_take():
    """Three numbers a weight on disk, four in memory; the last part may be shorter."""
    assert kept_states.room(100, 100, 10) == (30, 4000)
    assert kept_states.room(101, 11, 10) == (10 * 30, 440)
    assert kept_states.room(3, 7, 10) == (30, 120)
