"""What is in flight together, and in which order it is told."""

from handrail.backtest.flight import Flight

AT = "2026-03-01T09:30:{:02d}Z"


def pay(world, call, began=None, ended=None, cents=300):
    at, end = (None if second is None else AT.format(second) for second in (began, ended))
    return world.attempt("pay", call=call, order=call, cents=cents, at=at, ended=end)


def test_in_flight_counts_against_limits(world):
    """The second is decided while the first still runs."""
    assert [one[0] for one in world.said(pay(world, "a", 0, 10), pay(world, "b", 5, 6))] == ["allow", "ask"]


def test_in_flight_is_no_evidence(world):
    """A read that has not ended yet is not a read."""
    read = world.attempt("crm.get", id="a", at=AT.format(0), ended=AT.format(10))
    early = world.attempt("crm.drop", id="a", at=AT.format(5))
    late = world.attempt("crm.drop", id="a", at=AT.format(10), call="late")
    assert [one[0] for one in world.said(read, early, late)] == ["allow", "deny", "ask"]


def test_a_call_that_still_runs(world):
    """Is refused as in progress when it is made again, and answered once it has ended."""
    calls = [world.attempt("crm.set", call="x", id="a", at=AT.format(0), ended=AT.format(10)),
             world.attempt("crm.set", call="x", id="a", at=AT.format(5)),
             world.attempt("crm.set", call="x", id="a", at=AT.format(20))]  # fmt: skip
    assert world.said(*calls) == [
        ("allow", None, "success"), ("deny", "in_progress", "denied"), ("allow", None, "success")
    ]  # fmt: skip


def test_answers_come_in_the_order_of_the_lines(world):
    """Whatever ends first."""
    attempts = [
        pay(world, "a", 0, 30, 1),
        pay(world, "b", 1, 20, 1),
        pay(world, "c", 2, None, 1),
        pay(world, "d", 40, 41, 1),
    ]
    assert [course.attempt.call for course in world.run(*attempts)] == ["a", "b", "c", "d"]


def test_an_answer_waits_for_its_own_end_only(world):
    """What ended is told before the rest of the trace is read."""
    seen = []

    def attempts():
        for call, began, ended in (("a", 0, 5), ("b", 1, None), ("c", 6, None)):
            seen.append(call)
            yield pay(world, call, began, ended, 1)

    courses = Flight(world.trial).run(attempts())
    assert next(courses).attempt.call == "a"
    assert seen == ["a", "b", "c"]  # the third line says that the first has ended


def test_the_clock_does_not_go_back(world):
    """An earlier time is taken as now, and counted."""
    flight = Flight(world.trial)
    list(flight.run([pay(world, "a", 30, None, 1), pay(world, "b", 10, None, 1), pay(world, "c", None, None, 1)]))
    assert flight.late == 1
    assert world.trial.now_us == pay(world, "d", 30).at_us + 1_000


def test_lines_without_times_follow_each_other_closely(world):
    """So that windows and limits hold over the whole of such a trace."""
    said = world.said(*[pay(world, f"c{n}", cents=1) for n in range(501)])
    assert [one[0] for one in said] == ["allow"] * 500 + ["ask"]


def test_a_window_passes(world):
    """With the times of the trace."""
    tomorrow = world.attempt("pay", order="2", cents=300, at="2026-03-02T10:30:00Z")
    assert [one[0] for one in world.said(pay(world, "a", 0, 1), tomorrow)] == ["allow", "allow"]


def test_what_never_lands_before_the_end_lands_at_the_end(world):
    """The last ones are settled when the trace is over."""
    (course,) = world.run(pay(world, "a", 0, 50))
    assert (course.status, course.in_flight) == ("success", False)
