"""The page of the audit log."""

import lxml.html

from app.models import AuditEntry, Channel, Role


def test_many_changes_of_one_entry_are_folded_and_can_all_be_found(log_in, db):
    lines = [f"submission {number}: approved" for number in range(60)]
    entry = {"who": "ada", "action": "approve", "subject": "faces", "address": "", "request_id": "1"}
    db.add(AuditEntry(**entry, channel=Channel.PAGE, changes=lines))
    db.commit()
    browser = log_in(Role.ADMIN)
    page = lxml.html.fromstring(browser.get("/staff/audit?text=submission 57").text)
    [changes] = page.cssselect("td.table__words")
    [folded] = changes.cssselect("details")
    assert changes.text.strip() == "; ".join(lines[:3])
    assert folded.cssselect("summary")[0].text == "and 57 more"
    assert [one.text for one in folded.cssselect("li")] == lines[3:]
