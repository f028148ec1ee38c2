"""Whether a person may be written to, by what the ERP, the own list and suppressions say."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.audience import consent_said, may_write
from emailketing.model import Consent, Kind

ZONE = ZoneInfo("America/Asuncion")
EARLIER, LATER = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)

ON_THE_2ND = "2026-03-02 12:00 UTC"

YES, NO, WITHDRAWN = Consent(True, EARLIER, "form"), Consent(False), Consent(False, LATER, "the link", "too many")


@pytest.mark.parametrize(
    ("erp", "own", "suppressed", "allowed", "reason"),
    [
        (None, None, "", False, "no consent: the ERP says nothing of one, and none was given elsewhere"),
        (NO, None, "", False, "no consent: the ERP says no"),
        (Consent(False, LATER), None, "", False, f"no consent: the ERP says no ({ON_THE_2ND})"),
        (YES, None, "", True, "the ERP has the consent (2026-03-01 12:00 UTC, form)"),
        (Consent(True), None, "", True, "the ERP has the consent"),
        (None, YES, "", True, "consented outside the ERP (2026-03-01 12:00 UTC, form)"),
        (NO, YES, "", True, "consented outside the ERP (2026-03-01 12:00 UTC, form)"),
        (Consent(False, EARLIER), YES, "", True, "consented outside the ERP (2026-03-01 12:00 UTC, form)"),
        (Consent(False, LATER), YES, "", False, f"no consent: the ERP says no ({ON_THE_2ND})"),
        (YES, WITHDRAWN, "", False, f"the consent was withdrawn ({ON_THE_2ND}, the link): too many"),
        (Consent(True), WITHDRAWN, "", False, f"the consent was withdrawn ({ON_THE_2ND}, the link): too many"),
        (Consent(True, LATER), WITHDRAWN, "", False, f"the consent was withdrawn ({ON_THE_2ND}, the link): too many"),
        (Consent(True, NOW), WITHDRAWN, "", True, "the ERP has the consent (2026-03-03 12:00 UTC)"),
        (NO, WITHDRAWN, "", False, f"the consent was withdrawn ({ON_THE_2ND}, the link): too many"),
        (YES, YES, "it bounced", False, "it bounced"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [Kind.CAMPAIGN, Kind.GREETING])
def test_advertising_and_greetings_need_a_consent(kind, erp, own, suppressed, allowed, reason):
    judgement = may_write(kind, erp, own, suppressed)
    assert (judgement.allowed, judgement.reason) == (allowed, reason)


@pytest.mark.parametrize("kind", [Kind.NOTIFICATION, Kind.REPORT])
def test_documents_and_reports_need_none_and_are_suppressed_all_the_same(kind):
    assert may_write(kind, NO, WITHDRAWN).allowed
    assert may_write(kind, YES, YES, "no message may go there").reason == "no message may go there"


_CONSENTS = st.none() | st.builds(Consent, st.booleans(), st.none() | st.sampled_from([EARLIER, LATER, NOW]))


@given(_CONSENTS, _CONSENTS, st.sampled_from(["", "it bounced"]), st.sampled_from(sorted(Kind)))
def test_nobody_is_ever_written_to_whom_neither_side_allows(erp, own, suppressed, kind):
    judgement = may_write(kind, erp, own, suppressed)
    assert judgement.reason
    if suppressed:
        assert not judgement.allowed
    elif kind in {Kind.CAMPAIGN, Kind.GREETING}:
        assert judgement.allowed <= any(said is not None and said.given for said in (erp, own))


@pytest.mark.parametrize("raw", [True, 1, 1.0, Decimal("1.00"), "1", "S", " sí ", "Y", "TRUE", "t", b"\x01"])
def test_every_yes_of_an_erp_is_one(raw):
    assert consent_said({"consent": raw}, ZONE, NOW) == Consent(True)


@pytest.mark.parametrize("raw", [False, 0, Decimal("0"), "0", "N", "no", "f", b"\x00"])
def test_every_no_of_an_erp_is_one(raw):
    assert consent_said({"consent": raw}, ZONE, NOW) == Consent(False)


@pytest.mark.parametrize("row", [{}, {"consent": None}, {"consent": ""}, {"consent": "  "}])
def test_where_the_erp_says_nothing_nothing_is_said(row):
    assert consent_said({**row, "consent_at": EARLIER}, ZONE, NOW) is None


def test_what_is_neither_yes_nor_no_is_a_no_that_says_so():
    said = consent_said({"consent": "quizás\r\nBcc: x"}, ZONE, NOW)
    assert said == Consent(False, None, "", "consent is 'quizás bcc: x', which is neither yes nor no")


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (datetime.fromisoformat("2026-03-01T09:00"), datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 3, 1, 7, tzinfo=UTC)),
        ("2026-03-01 09:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (date(2026, 3, 1), datetime(2026, 3, 1, 3, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, 3, tzinfo=UTC)),
        ("last summer", None),
        (20260301, None),
        (None, None),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), None),
        (NOW + timedelta(seconds=1), None),
        (datetime(2099, 1, 1, tzinfo=UTC), None),
    ],
)  # fmt: skip
def test_the_time_of_a_consent_is_the_erps_and_never_to_come(raw, at):
    said = consent_said({"consent": True, "consent_at": raw, "consent_source": "web\nform"}, ZONE, NOW)
    assert said == Consent(True, at, "web form")
