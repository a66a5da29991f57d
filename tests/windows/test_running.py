"""What a queue's worker does with a call."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from instant.testing import Published
from instant.windows import WindowInfo, everyone, is_staff, signal
from instant.windows.queued_calls import NO_QUEUE, Call
from instant.windows.running import run

INFO = WindowInfo(window_key="w").to_dict()


def test_functions_of_one_queue() -> None:
    called = []
    signal("a")(lambda window_info, n: called.append(("none", n)))
    signal("a", queue="slow")(lambda window_info, n: called.append(("slow", n)))
    run(Call("a", INFO, {"n": 1}, to_server=True, queue="slow"))
    run(Call("a", INFO, {"n": 2}, to_server=True, queue=NO_QUEUE))
    run(Call("a", INFO, {"n": 3}, to_server=True))
    assert called == [("slow", 1), ("none", 2), ("none", 3), ("slow", 3)]
    run(Call("a", INFO, {"n": 4}, serialized_client_topics=None))
    assert len(called) == 4


def test_topics_of_browsers(published: Published) -> None:
    run(Call("a", INFO, {"n": 1}, serialized_client_topics=["-int.1", "-int.2"]), uid="task")
    assert [message.uid for message in published] == ["task", "task"]
    assert published[0].data == {"name": "a", "opts": {"n": 1}}
    run(Call("a", INFO, {"n": 1}, serialized_client_topics=["-int.1"]), uid="task")
    assert len(published) == 2, "done again, it arrives once"


def test_a_user_who_is_not_active_any_more_is_refused(db: None, caplog: pytest.LogCaptureFixture) -> None:
    called = []
    signal("a", everyone)(lambda window_info: called.append(window_info.user_id))
    user = User.objects.create_user("ann")
    info = WindowInfo(user_id=str(user.pk)).to_dict()
    run(Call("a", info, {}, from_client=True, to_server=True))
    User.objects.update(is_active=False)
    run(Call("a", info, {}, from_client=True, to_server=True))
    assert called == [str(user.pk)]
    assert "was deleted or is not active" in caplog.text


def test_a_user_who_may_no_longer_is_refused(db: None, caplog: pytest.LogCaptureFixture) -> None:
    called = []
    signal("a", is_staff)(lambda window_info: called.append(1))
    user = User.objects.create_user("ann", is_staff=True)
    info = WindowInfo(user_id=str(user.pk)).to_dict()
    run(Call("a", info, {}, from_client=True, to_server=True))
    User.objects.update(is_staff=False)
    run(Call("a", info, {}, from_client=True, to_server=True))
    assert called == [1]
    assert "refused a queued call" in caplog.text


def test_the_first_error_is_raised_when_all_are_done(caplog: pytest.LogCaptureFixture) -> None:
    called = []
    signal("a")(lambda window_info, **kwargs: 1 / 0)
    signal("a")(lambda window_info, **kwargs: called.append(1))
    with pytest.raises(ZeroDivisionError):
        run(Call("a", INFO, {}, to_server=True))
    assert called == [1]


def test_arguments_that_do_not_fit_are_no_error_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    @signal("a")
    def function(window_info, n: int): ...

    run(Call("a", INFO, {"n": "x"}, to_server=True))
    assert "refused a queued call" in caplog.text
