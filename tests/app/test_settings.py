"""A setting that cannot be meant is refused in one sentence, before anything starts."""

import pytest
from pydantic import ValidationError

from app.cli.failures import sentence_of
from app.settings import Settings


def complaint(**options) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, **options)
    return sentence_of(refused.value)


class TestPublicUrl:
    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("https://lab.example", "https://lab.example"),
            ("HTTPS://Lab.Example/", "https://lab.example"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ],
    )
    def test_it_is_a_scheme_and_a_host(self, given, meant):
        assert Settings(public_url=given, _env_file=None).public_url == meant

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "lab.example",
            "ftp://lab.example",
            "https://",
            "https://lab.example/sub",
            "https://lab.example?x=1",
            "https://me:secret@lab.example",
            "https://lab.example:99999",
            "https://lab .example",
        ],
    )
    def test_anything_else_is_refused(self, given):
        said = complaint(public_url=given)
        assert said == f"CYBORG_PUBLIC_URL: must be like https://lab.example, without a path, not {given!r}."

    def test_https_in_capitals_makes_cookies_secure(self):
        assert Settings(public_url="HTTPS://lab.example", _env_file=None).secure_cookies

    def test_unset_it_is_the_port_that_is_listened_on(self):
        assert Settings(port=9000, _env_file=None).public_url == "http://127.0.0.1:9000"


class TestEveryOtherSetting:
    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("storage_url", "s3:/bucket"),
            ("storage_url", "blobs"),
            ("data_dir", ""),
            ("host", ""),
            ("port", "eighty"),
            ("port", 70_000),
            ("web_processes", 0),
            ("devices", -1),
            ("session_lifetime", "PT0S"),
            ("session_lifetime", "half a day"),
            ("max_body_bytes", 10),
            ("enrolments_per_minute", "many"),
            ("frame_ancestors", "https://*.mturk.com; script-src *"),
            ("trusted_proxies", "*"),
            ("trusted_proxies", "proxy.lab.example"),
            ("hsts", "P20Y"),
            ("log_format", "xml"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_by_its_name(self, name, given):
        said = complaint(**{name: given})
        assert said.startswith(f"CYBORG_{name.upper()}: ")
        assert said.count("\n") == 0

    def test_a_database_that_is_none_is_refused_without_its_password(self):
        assert complaint(database_url="mysql://me:secret@host/name") == (
            "CYBORG_DATABASE_URL: must be like postgresql://user:password@host/name."
        )

    def test_blank_addresses_are_unset(self):
        settings = Settings(database_url="", storage_url="", _env_file=None)
        assert (settings.database_url, settings.storage_url) == (None, None)

    def test_proxies_are_addresses_and_networks(self):
        settings = Settings(trusted_proxies="10.0.0.2, 172.16.0.0/12", _env_file=None)
        assert settings.trusted_proxies == "10.0.0.2/32 172.16.0.0/12"

    def test_a_home_folder_may_be_written_short(self, monkeypatch):
        monkeypatch.setenv("HOME", "/home/ada")
        assert str(Settings(data_dir="~/study", _env_file=None).data_dir) == "/home/ada/study"
