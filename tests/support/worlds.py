"""Whole studies, made quickly: what a test of taking part needs around it."""

import json
import re
from dataclasses import dataclass
from html import unescape

from httpx2 import Client
from sqlalchemy import insert

from app import models
from tests.support.factories import ArmFactory, ImageFactory, PairFactory, StudyFactory

STROKES = [{"tool": "brush", "radius": 5, "points": [[10.5, 10.5, 900], [20, 12.25, 916]]}]


def make_study(
    db, *, pairs: int = 6, images=(), judgements: int = 2, trials: int = 4, arms=(True, False), **study
):
    """An open study with arms, pairs and quotas; `images`: ids (real, fake) of its pairs, else new ones."""
    made = StudyFactory(judgements=judgements, trials_per_participant=trials, **study)
    arm_ids = [ArmFactory(study_id=made.id, annotate=annotate).id for annotate in arms]
    shown = [{"real_image_id": real, "fake_image_id": fake} for real, fake in images] or [{}] * pairs
    pair_ids = [PairFactory(study_id=made.id, **one).id for one in shown]
    db.execute(
        insert(models.Quota),
        [
            {"arm_id": arm, "pair_id": pair, "question": question, "wanted": judgements, "taken": 0}
            for arm in arm_ids
            for pair in pair_ids
            for question in models.Question
        ],
    )
    db.commit()
    return made


def make_images(db, blobs, *, count: int = 2):
    """Images whose display blobs exist, so that they can be served."""
    return [
        ImageFactory(label=label, display_hash=blobs.put(f"{label}{n}".encode()), display_bytes=5)
        for n in range(count)
        for label in models.Label
    ]


def make_dataset(db, map_set, folder):
    """A frozen dataset whose folder holds nothing: enough to start an experiment."""
    made = models.Dataset(
        content_hash="0123456789abcdef" * 4,
        study_id=map_set.study_id,
        map_set_id=map_set.id,
        folder=str(folder),
        parameters={"size": 64, "simulated_annotations": 0},
        counts={"train": {"images": 8, "real": 4, "fake": 4, "with_map": 6}},
    )
    db.add(made)
    db.commit()
    return made


@dataclass
class Visitor:
    """A browser that takes part."""

    client: Client
    study: str
    token: str = ""
    arm: dict | None = None
    participant: str = ""

    def page(self, query: str = "") -> dict:
        """What the study's page tells its script; empty when the page takes nobody."""
        page = self.client.get(f"/s/{self.study}{query}", headers={"Accept": "text/html"})
        data = re.search(r'id="page">(.*?)</script>', page.text, re.DOTALL)
        return json.loads(unescape(data.group(1))) if data else {}

    def consent(self, **changes):
        body = {"source": "link", "consent": True, "consent_version": "v1", "client": {}} | changes
        if body["source"] == "link" and "link_token" not in body:
            body["link_token"] = self.page().get("link_token")
        known = self.headers if self.token else {}
        response = self.client.post(f"/api/studies/{self.study}/participants", json=body, headers=known)
        if response.is_success:
            answer = response.json()
            self.token, self.arm, self.participant = answer["token"], answer["arm"], answer["participant"]
        return response

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.token}"}

    def next(self):
        return self.client.get("/api/participant/next", headers=self.headers)

    def decide(self, trial_id, **changes):
        body = {"choice": "left", "decision_ms": 1500.0, "events": []}
        if self.arm and self.arm["annotate"]:
            body |= {"annotation_ms": 900.0, "strokes": STROKES}
        return self.client.put(f"/api/trials/{trial_id}/decision", json=body | changes, headers=self.headers)

    def withdraw(self):
        return self.client.post("/api/participant/withdraw", headers=self.headers)

    def finish(self):
        """Decide everything; returns the completion."""
        while "trial" in (answer := self.next().json()):
            assert self.decide(answer["trial"]["id"]).status_code == 200
        return answer
