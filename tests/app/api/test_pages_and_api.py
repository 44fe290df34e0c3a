"""What a member of staff does on a page, a program does over the API, with the same rights."""

from tests.app.test_authorisation import RULES

S = "/api/studies/{slug}"
P = f"{S}/participants/{{participant_id}}"
I = "/api/images/{image_id}"  # noqa: E741 - beside S and P
L = f"{S}/listing"
E = "/api/experiments/{experiment_id}"

CALLS = {
    "/staff/images/new": "POST /api/images",
    "/staff/images/audit": "POST /api/images/audit",
    "/staff/images/tags": "POST /api/images/tags",
    "/staff/images/{image_id}/notes": f"POST {I}/notes",
    "/staff/images/{image_id}/split": f"PUT {I}/split",
    "/staff/images/{image_id}/tags": f"PUT {I}/tags",
    "/staff/images/{image_id}/remove": f"DELETE {I}",
    "/staff/images/{image_id}/face": f"PUT {I}/face",
    "/staff/images/{image_id}/face/remove": f"DELETE {I}/face",
    "/staff/images/{image_id}/face/search": f"POST {I}/face/search",
    "/staff/notes/{note_id}/delete": "DELETE /api/notes/{note_id}",
    "/staff/studies/new": "POST /api/studies",
    "/staff/studies/new/toml": "POST /api/studies",
    "/staff/studies/{slug}/edit": f"PUT {S}",
    "/staff/studies/{slug}/edit/toml": f"PUT {S}",
    "/staff/studies/{slug}/delete": f"DELETE {S}",
    "/staff/studies/{slug}/pilots": f"POST {S}/pilots",
    "/staff/studies/{slug}/plan": f"POST {S}/planner",
    "/staff/studies/{slug}/history/{number}/restore": f"POST {S}/history/{{number}}/restore",
    "/staff/studies/{slug}/open": f"POST {S}/open",
    "/staff/studies/{slug}/pause": f"POST {S}/pause",
    "/staff/studies/{slug}/close": f"POST {S}/close",
    "/staff/studies/{slug}/notes": f"POST {S}/notes",
    "/staff/studies/{slug}/analysis": f"POST {S}/analyses",
    "/staff/studies/{slug}/analysis/{version:int}/abort": f"POST {S}/analyses/{{version}}/abort",
    "/staff/studies/{slug}/maps": f"POST {S}/maps",
    "/staff/studies/{slug}/maps/sets/{version:int}/abort": f"POST {S}/maps/{{version}}/abort",
    "/staff/studies/{slug}/alerts/{delivery}/send-again": f"POST {S}/alerts/{{delivery}}/send-again",
    "/staff/studies/{slug}/exclusions": f"POST {S}/exclusions",
    "/staff/studies/{slug}/exclusions/undo": f"POST {S}/exclusions/undo",
    "/staff/studies/{slug}/links": f"POST {S}/links",
    "/staff/studies/{slug}/links/{link_id}/withdraw": f"POST {S}/links/{{link_id}}/withdraw",
    "/staff/studies/{slug}/participants": f"POST {S}/participants/find",
    "/staff/studies/{slug}/ticked-participants": f"POST {S}/participants/bulk",
    "/staff/studies/{slug}/participants/{participant_id}/notes": f"POST {P}/notes",
    "/staff/studies/{slug}/participants/{participant_id}/check": f"POST {P}/check",
    "/staff/studies/{slug}/participants/{participant_id}/set-aside": f"POST {P}/set-aside",
    "/staff/studies/{slug}/participants/{participant_id}/take-back": f"POST {P}/take-back",
    "/staff/studies/{slug}/participants/{participant_id}/return-link": f"POST {P}/return-link",
    "/staff/studies/{slug}/participants/{participant_id}/withdraw": f"POST {P}/withdraw",
    "/staff/studies/{slug}/recruit/publish": f"POST {L}",
    "/staff/studies/{slug}/recruit/places": f"POST {L}/places",
    "/staff/studies/{slug}/recruit/state": f"POST {L}/state",
    "/staff/studies/{slug}/recruit/sync": f"POST {L}/sync",
    "/staff/studies/{slug}/recruit/approve-clean": f"POST {L}/submissions/approve",
    "/staff/studies/{slug}/recruit/approve": f"POST {L}/submissions/approve",
    "/staff/studies/{slug}/recruit/message": f"POST {L}/submissions/message",
    "/staff/studies/{slug}/recruit/return": f"POST {L}/submissions/return",
    "/staff/studies/{slug}/recruit/reject": f"POST {L}/submissions/reject",
    "/staff/studies/{slug}/recruit/screen-out": f"POST {L}/submissions/screen-out",
    "/staff/studies/{slug}/recruit/bonuses": f"POST {L}/bonuses",
    "/staff/studies/{slug}/recruit/bonuses/{number}/cancel": f"POST {L}/bonuses/{{number}}/{{answer}}",
    "/staff/studies/{slug}/recruit/bonuses/{number}/paid": f"POST {L}/bonuses/{{number}}/{{answer}}",
    "/staff/studies/{slug}/recruit/bonuses/{number}/again": f"POST {L}/bonuses/{{number}}/{{answer}}",
    "/staff/experiments": "POST /api/datasets",
    "/staff/experiments/new": "POST /api/experiments",
    "/staff/experiments/{experiment_id}/scores": f"POST {E}/detectors",
    "/staff/experiments/{experiment_id}/detectors/forget": f"DELETE {E}/detectors",
    "/staff/experiments/{experiment_id}/abort": f"POST {E}/abort",
    "/staff/tasks/{task_id}/abort": "POST /api/tasks/{task_id}/abort",
    "/staff/runs/{run_id}/abort": "POST /api/runs/{run_id}/abort",
    "/staff/runs/{run_id}/model": "POST /api/runs/{run_id}/scores",
    "/staff/runs/{run_id}/model/export": "POST /api/runs/{run_id}/export",
}
"""By page route, the call of the API that does the same."""

OWN_ACCOUNT = "A token may give itself no other password, token or second factor."
ACCOUNTS = "Who may log in, and as what, is decided by a person who has just proved who they are."
PAGES_ONLY = {
    "/staff/account": OWN_ACCOUNT,
    "/staff/account/tokens": OWN_ACCOUNT,
    "/staff/account/tokens/{token_id}/revoke": OWN_ACCOUNT,
    "/staff/account/second-factor/begin": OWN_ACCOUNT,
    "/staff/account/second-factor/confirm": OWN_ACCOUNT,
    "/staff/account/second-factor/codes": OWN_ACCOUNT,
    "/staff/account/second-factor/remove": OWN_ACCOUNT,
    "/staff/people": ACCOUNTS,
    "/staff/people/{staff_id}/link": ACCOUNTS,
    "/staff/people/{staff_id}/link/withdraw": ACCOUNTS,
    "/staff/people/{staff_id}/role": ACCOUNTS,
    "/staff/people/{staff_id}/second-factor/remove": ACCOUNTS,
    "/staff/people/{staff_id}/disable": ACCOUNTS,
    "/staff/people/{staff_id}/enable": ACCOUNTS,
    "/staff/studies/{slug}/recruit/connect": "The token that spends the lab's money; an admin enters it.",
}
"""Why the API has no such call."""

RIGHTS = {route: group for group, routes in RULES.items() for route in routes}


class TestWhatAPageCanDo:
    def test_the_api_can_do_too_or_a_reason_says_why_not(self):
        forms = {route.removeprefix("POST ") for route in RIGHTS if route.startswith("POST /staff/")}
        assert forms == {*CALLS, *PAGES_ONLY}
        assert not CALLS.keys() & PAGES_ONLY.keys()

    def test_the_api_lets_the_same_people_do(self):
        page_rights = {form: RIGHTS[f"POST {form}"] for form in CALLS}
        assert page_rights == {form: RIGHTS.get(call) for form, call in CALLS.items()}

    def test_no_token_does_what_only_pages_do(self):
        assert {RIGHTS[f"POST {form}"] for form in PAGES_ONLY} == {"in person", "admins"}
