"""The states of a task and the moves between them."""

from apps.tasks import states
from apps.tasks.models import TaskStatus


def test_every_move_leads_between_known_states() -> None:
    for move in states.MOVES:
        assert set(move.sources) | {move.target} <= set(states.STATES)


def test_every_return_to_pending_raises_the_attempt() -> None:
    assert {move.name for move in states.MOVES if move.target == states.PENDING} == {
        move.name for move in states.MOVES if move.new_attempt
    }


def test_nothing_leaves_completed() -> None:
    assert not any(states.legal(states.COMPLETED, target) for target in states.STATES)


def test_the_model_knows_the_same_states() -> None:
    assert [value for value, _ in TaskStatus.STATUS_CHOICES] == list(states.STATES)


def test_every_state_has_a_meaning_and_every_move_names_who_makes_it() -> None:
    assert all(states.STATES.values())
    assert all(move.by for move in states.MOVES)
