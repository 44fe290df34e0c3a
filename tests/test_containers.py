"""What `docker-compose.yml` allows the containers, and that what they run can do without the rest."""

import pytest
import yaml

from app.embedded import QUIET
from tests.support import ROOT

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
class TestEveryContainer:
    def test_it_changes_no_file_of_its_image(self, service):
        assert service["read_only"] is True
        assert "/tmp" in service["tmpfs"]

    def test_it_has_and_gains_no_rights_of_root(self, service):
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "cap_add" not in service
        assert "privileged" not in service

    def test_its_volumes_are_named_ones(self, service):
        assert all(not volume.startswith((".", "/")) for volume in service["volumes"])


class TestPostgres:
    def test_it_logs_as_little_of_what_people_wrote_as_the_embedded_server(self):
        told = {word[2:] for word in SERVICES["postgres"]["command"] if word.startswith("-c")}
        wanted = {f"{name}={value}" for name, value in QUIET.items() if name != "log_checkpoints"}
        assert told == wanted

    def test_nobody_outside_reaches_it(self):
        assert "ports" not in SERVICES["postgres"]


class TestImages:
    def test_none_of_their_processes_is_root(self):
        stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
        assert [stage.count("\nUSER cyborg\n") for stage in stages[1:]] == [0, 1, 1]
