"""The sensor's judgement: what it saw, and whether a sweep must be woken for it."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

from emailketing.errors import ErpError, SqlError
from emailketing.sensors import ErpSensor, ErpTrigger, Sight, Watch, look_around

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def sight(count, newest, cursor=NOON):
    return {"purchase_order": Sight(cursor, count, newest)}


def woken_by(*sights):
    watch = Watch({})
    return [bool(watch.news(each)) for each in sights]


def test_a_row_newer_than_the_cursor_wakes_at_once():
    assert woken_by(sight(1, at(1))) == [True]


def test_rows_that_a_sweep_has_seen_do_not_wake():
    assert woken_by(sight(3, NOON), sight(3, NOON)) == [False, False]


def test_a_mailing_that_was_never_swept_wakes_so_that_its_cursor_is_set():
    assert woken_by(sight(0, None, cursor=None)) == [True]


def test_a_row_committed_late_with_an_older_time_wakes():
    assert woken_by(sight(2, at(-1)), sight(3, at(-1))) == [False, True]


def test_the_first_row_of_the_window_committed_late_wakes():
    assert woken_by(sight(0, None), sight(1, at(-5))) == [False, True]


def test_a_row_that_went_away_does_not_wake():
    assert woken_by(sight(3, at(-1)), sight(2, at(-2)), sight(0, None)) == [False, False, False]


def test_a_look_that_failed_between_two_does_not_hide_what_came_meanwhile():
    assert woken_by(sight(2, at(-1)), {}, sight(3, at(-1))) == [False, False, True]


def test_what_woke_a_sweep_that_failed_does_not_wake_one_again_and_again():
    woken = {}
    assert Watch(woken).news(sight(1, at(1))) == ["purchase_order"]
    assert Watch(woken).news(sight(1, at(1))) == []
    assert Watch(woken).news(sight(2, at(1))) == ["purchase_order"]


def test_a_row_dated_in_the_future_wakes_once():
    """The cursor follows the clock and never reaches that row."""
    woken = {}
    assert Watch(woken).news(sight(1, at(600))) == ["purchase_order"]
    assert Watch(woken).news(sight(1, at(600), cursor=at(1))) == []
    assert Watch(woken).news(sight(2, at(600), cursor=at(1))) == ["purchase_order"]


def test_a_row_dated_in_the_future_hides_no_change_of_another():
    woken = {}
    far = at(10**6)
    before = {"purchase_order": Sight(NOON, 2, far, NOON)}
    assert Watch(woken).news(before) == ["purchase_order"]
    watch = Watch(woken)
    assert watch.news(before) == []
    assert watch.news({"purchase_order": Sight(NOON, 2, far, at(1))}) == ["purchase_order"]


def test_of_two_sensors_that_listen_at_the_same_time_one_wakes():
    woken = {}
    first, second = Watch(woken), Watch(woken)
    assert not first.news(sight(0, None))
    assert not second.news(sight(0, None))
    assert first.news(sight(1, at(1)))
    assert not second.news(sight(1, at(1)))


def test_only_the_mailings_with_news_are_named():
    sights = {"purchase_order": Sight(NOON, 1, NOON), "receipt": Sight(NOON, 1, at(1))}
    assert Watch({}).news(sights) == ["receipt"]


def failing(error, names):
    def look(name):
        if name in names:
            raise error
        return Sight(NOON, 0, None)

    return look


def test_a_wrong_query_hides_its_own_mailing_only():
    sights, trouble = look_around(failing(SqlError("no such column", path="a.sql", line=3), ["a"]), ["a", "b"])
    assert list(sights) == ["b"]
    assert trouble == "a.sql:3: no such column"


def test_a_database_that_does_not_answer_is_asked_once_a_round():
    asked = []

    def look(name):
        asked.append(name)
        raise ErpError("no route to host")

    assert look_around(look, ["a", "b"]) == ({}, "no route to host")
    assert asked == ["a"]


def answered(answer):
    if isinstance(answer, Exception):
        raise answer
    return answer


class Listening(ErpTrigger):
    """The real trigger, listening to a given function."""

    def __init__(self, look, wake_s, poll_s=0.01):
        super().__init__(["purchase_order"], poll_s, wake_s)
        self._woken = {}
        self._look = look

    def looker(self):
        return self._look


def fired_after(trigger):
    async def first():
        begin = time.monotonic()
        event = await anext(aiter(trigger.run()))
        return event, time.monotonic() - begin

    return asyncio.run(first())


def test_the_trigger_ends_its_task_with_success_without_a_worker():
    event, seconds = fired_after(Listening(lambda _: Sight(NOON, 1, at(1)), wake_s=60))
    assert str(event.task_instance_state) == "success"
    assert seconds < 30


def test_the_trigger_fires_in_any_case_when_its_time_is_over():
    _, seconds = fired_after(Listening(lambda _: Sight(NOON, 0, None), wake_s=0.3))
    assert 0.3 <= seconds < 30


def test_a_look_that_hangs_does_not_outlast_the_time():
    over = threading.Event()
    try:
        _, seconds = fired_after(Listening(lambda _: over.wait(120), wake_s=0.2))
    finally:
        over.set()
    assert seconds < 60


def test_an_error_that_stays_the_same_is_logged_once(capsys):
    answers = iter([*[ErpError("no route to host")] * 5, Sight(NOON, 1, at(1))])
    fired_after(Listening(lambda _: answered(next(answers)), wake_s=60))
    assert capsys.readouterr().out.count("no route to host") == 1


def test_an_error_that_goes_away_lets_the_trigger_hear_again():
    answers = iter([ErpError("down"), ErpError("down"), Sight(NOON, 1, at(1))])
    _, seconds = fired_after(Listening(lambda _: answered(next(answers)), wake_s=60))
    assert seconds < 30


def test_the_sensor_starts_in_the_triggerer_with_what_the_trigger_needs():
    sensor = ErpSensor(task_id="watch", mailings=("a", "b"), poll_s=2, wake_s=90)
    assert sensor.start_from_trigger
    assert sensor.start_trigger_args.trigger_cls == "emailketing.sensors.ErpTrigger"
    path, arguments = ErpTrigger(**sensor.start_trigger_args.trigger_kwargs).serialize()
    assert path == sensor.start_trigger_args.trigger_cls
    assert arguments == {"mailings": ["a", "b"], "poll_s": 2, "wake_s": 90}
