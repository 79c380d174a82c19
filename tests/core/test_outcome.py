"""Seven statuses, one list of reasons."""

from handrail.core.outcome import Outcome, Reason, Status, Violation


def test_the_briefs_statuses_come_first():
    """The brief's four tags, as it spells them, then three more."""
    assert [status.value for status in Status] == [
        "success", "retry", "failed_validation", "human_review_required", "denied", "failed", "killed",
    ]  # fmt: skip


def test_reasons_are_words():
    """Every code but the empty one is lower-case words, listed in order."""
    codes = [reason.value for reason in Reason if reason is not Reason.NONE]
    assert codes == sorted(codes)
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)


def test_the_error_is_not_shown():
    """The tool's exception may hold secrets, so it is not part of the text."""
    assert "sesame" not in repr(Outcome(Status.FAILED, error=ValueError("sesame")))


def test_violation_as_json():
    """The journal keeps check, path and sentence."""
    assert Violation("fresh", "result.at", "It is old.").to_json() == {
        "check": "fresh", "path": "result.at", "why": "It is old.",
    }  # fmt: skip
