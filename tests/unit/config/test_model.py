"""Settings hold what they promise: complete, frozen, documented, and nothing that cannot be."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from tusd_py.config.model import Settings, form_of, groups, written
from tusd_py.config.values import ChecksumAlgorithm, ExtensionName
from tusd_py.protocol.checksum import ALGORITHMS
from tusd_py.protocol.extensions import Extension


def test_every_setting_has_default_description_and_group() -> None:
    assert Settings.model_validate({}) == Settings()
    for name, field in Settings.model_fields.items():
        assert not field.is_required(), name
        assert field.description, name
        assert str(field.description).endswith("."), name
    assert [name for names in groups().values() for name in names] == list(Settings.model_fields)


def test_settings_are_frozen_and_closed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 80
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings.model_validate({"prot": 80})


def test_names_are_those_of_the_protocol() -> None:
    assert get_args(ExtensionName) == tuple(Extension)
    assert get_args(ChecksumAlgorithm) == ALGORITHMS
    assert Settings().checksum_algorithms == ALGORITHMS


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("max_size", "5GiB", 5 * 2**30),
        ("max_size", "none", None),
        ("max_size", None, None),
        ("expire_after", "never", None),
        ("expire_after", "24h", 86_400.0),
        ("public_url", "none", None),
        ("public_url", "https://example.org/", "https://example.org"),
        ("base_path", "/", "/"),
        ("base_path", "files", "/files/"),
        ("base_path", "/a/b", "/a/b/"),
        ("host", "::1", "::1"),
        ("data_dir", "/var/lib/x", Path("/var/lib/x")),
        ("disabled_extensions", "checksum, termination", ("checksum", "termination")),
        ("disabled_extensions", ["checksum", "checksum"], ("checksum",)),
        ("disabled_extensions", "none", ()),
        ("cors_origins", "", ()),
        ("cors_origins", [], ()),
        (
            "cors_origins",
            ("https://A.example:443", "http://b.example:8080,capacitor://localhost"),
            ("https://a.example", "http://b.example:8080", "capacitor://localhost"),
        ),
        ("downloads", "no", False),
        ("port", "80", 80),
        ("cors_origins", "https://*.Example.org", ("https://*.example.org",)),
        ("trusted_proxies", "10.0.0.0/8, ::1,unix", ("10.0.0.0/8", "::1/128", "unix")),
        ("inline_types", "image/png", ("image/png",)),
        ("unix_socket", "/run/x", Path("/run/x")),
        ("download_keys", "none", None),
    ],
)
def test_value_is_taken(name: str, given: Any, value: Any) -> None:
    assert getattr(Settings(**{name: given}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "complaint"),
    [
        ("max_size", 0, "must be more than 0; none means no limit"),
        ("max_size", -1, "none means no limit"),
        ("expire_after", 0, "must be more than 0; never means that it has no end"),
        ("port", 65536, "less than or equal to 65535"),
        ("port", -1, "greater than or equal to 0"),
        ("host", "", "is not a host"),
        ("host", "127.0.0.1:80", "set host to 127.0.0.1 and port to 80"),
        ("base_path", "", "is empty"),
        ("base_path", "/a//b/", "single slashes"),
        ("base_path", "/a/../b/", "is not a base path"),
        ("base_path", "/ä/", "is not a base path"),
        ("base_path", "/a b/", "is not a base path"),
        ("public_url", "example.org", "such as https://example.org"),
        ("public_url", "ftp://example.org", "such as https://example.org"),
        ("public_url", "https://example.org?x", "no user, query or fragment"),
        ("public_url", "https://user@example.org", "no user, query or fragment"),
        ("public_url", "https://example.org:99999", "is not a public URL"),
        ("workers", "many", "or auto"),
        ("workers", 0, "no less than 1, or auto"),
        ("idle_timeout", 0, "greater than 0"),
        ("data_dir", "", "name a directory"),
        ("data_dir", "a\0b", "is not a path"),
        ("disabled_extensions", "creatoin", "Input should be 'creation'"),
        ("checksum_algorithms", "md5", "lacks sha1"),
        ("cors_origins", "https://example.org/page", "without a path"),
        ("cors_origins", "example.org", "no origin"),
        ("cors_origins", [1], "valid string"),
        ("cors_credentials", True, "name the origins instead"),
        ("cors_origins", "https://a*.example.org", "no origin"),
        ("cors_origins", "https://*", "no origin"),
        ("cors_origins", "https://*.", "no origin"),
        ("trusted_proxies", "10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("trusted_proxies", "localhost", "write them like 10.0.0.0/8"),
        ("inline_types", "text/html", "can run scripts"),
        ("inline_types", "image/svg+xml", "can run scripts"),
        ("inline_types", "image", "is no media type"),
        ("tls_certificate", "a.pem", "goes together with tls_certificate"),
        ("tls_key", "a.pem", "goes together with tls_certificate"),
    ],
)
def test_value_is_refused(name: str, given: Any, complaint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**{name: given})
    assert complaint in str(caught.value)


def test_home_directory_is_found_or_complained_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert Settings(data_dir=Path("~/uploads")).data_dir == Path("/somewhere/uploads")
    with pytest.raises(ValidationError, match="a home directory that is not known here"):
        Settings(data_dir=Path("~nobody-of-that-name/uploads"))


def test_credentials_go_with_origins_by_name() -> None:
    settings = Settings(cors_origins=("https://example.org",), cors_credentials=True)
    assert settings.cors_credentials


def test_what_is_written_is_read_as_the_same_settings() -> None:
    settings = Settings(
        max_size=1536 * 2**20,
        expire_after=None,
        public_url="https://example.org",
        cors_origins=(),
        disabled_extensions=("checksum", "termination"),
        downloads=False,
        idle_timeout=0.25,
    )
    assert Settings.model_validate(written(settings)) == settings
    assert Settings.model_validate(written(Settings())) == Settings()


def test_form_says_how_a_value_is_written() -> None:
    assert form_of("max_size") == "SIZE"
    assert form_of("expire_after") == "TIME"
    assert form_of("durability") == "strict|relaxed"
    assert form_of("downloads") == "true|false"
    assert form_of("cors_origins") == "LIST"
    assert form_of("data_dir") == "PATH"
    assert form_of("port") == "NUMBER"
    assert form_of("public_url") == "TEXT"
