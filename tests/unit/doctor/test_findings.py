"""Each defect is found, its remedy named, and nothing else; a right server has no finding."""

import pytest

from tests.unit.doctor.conftest import Examine
from tusd_py.doctor.report import Report
from tusd_py.doctor.verdict import Outcome

#: What a server does wrong, the finding that this is, and a part of nginx's remedy.
DEFECTS = [
    ("buffers", "buffered", "proxy_request_buffering off;"),
    ("buffers_chunks", "chunked_buffered", "proxy_http_version 1.1;"),
    ("no_chunks", "chunked_refused", "proxy_http_version 1.1;"),
    ("caps=1048576", "body_cap", "client_max_body_size 0;"),
    ("caps=20000000", "body_cap", "client_max_body_size 0;"),
    ("caps=100000000", "body_cap_high", "client_max_body_size 0;"),
    ("impatient=0.4", "body_timeout", "client_body_timeout 300s;"),
    ("ignores_expect", "expect_ignored", 'proxy_set_header Expect "";'),
    ("refuses_expect", "expect_refused", 'proxy_set_header Expect "";'),
    ("hides=Upload-Length", "headers_lost", "proxy_hide_header NAME;"),
    ("hides=Upload-Metadata", "headers_lost", "proxy_hide_header NAME;"),
    ("hides=Upload-Defer-Length", "headers_lost", "proxy_hide_header NAME;"),
    ("hides=Location", "headers_lost", "proxy_hide_header NAME;"),
    ("hides=Upload-Offset", "headers_lost", "proxy_hide_header NAME;"),
    ("hides=Cache-Control", "head_cacheable", "proxy_hide_header Cache-Control;"),
    ("compresses", "head_compressed", "gzip off;"),
    ("caches_head", "head_cached", "proxy_cache off;"),
    ("converts_head", "head_converted", "proxy_cache_convert_head off;"),
    ("drops=Tus-Resumable", "request_headers_lost", "proxy_pass_request_headers off;"),
    ("drops=Upload-Checksum", "checksum_ignored", 'proxy_set_header Upload-Checksum "";'),
    ("drops=X-HTTP-Method-Override", "override_lost", "X-HTTP-Method-Override"),
    ("blocks=PATCH", "method_blocked", "limit_except"),
    ("blocks=DELETE", "method_blocked", "limit_except"),
    ("blocks=HEAD", "method_blocked", "limit_except"),
    ("fails=PATCH", "unexpected", "access_log"),
    ("vanishes=PATCH", "no_answer", "error_log"),
    ("location=/files/nowhere", "location_dead", "no path after the port"),
    ("ignores_delete", "delete_lost", "dav_methods"),
    ("deleted=200", "delete_status", "error_page"),
    ("bad_checksum=400", "status_changed", "proxy_intercept_errors off;"),
    ("wrong_offset=500", "status_changed", "proxy_intercept_errors off;"),
    ("created=200", "status_changed", "proxy_intercept_errors off;"),
    ("closes", "no_keep_alive", "keepalive_timeout 75s;"),
    ("location=http://backendPATH", "location_host", "proxy_set_header Host $http_host;"),
    ("location=http://127.0.0.1:1PATH", "location_port", "$host is without the port"),
    ("location=https://127.0.0.1:1PATH", "location_scheme", "X-Forwarded-Proto $scheme;"),
    ("location=/otherPATH", "location_prefix", "X-Forwarded-Prefix /PREFIX;"),
    ("no_cors", "cors_missing", "proxy_hide_header Access-Control-Allow-Origin;"),
    ("cors_origin=https://other.example", "cors_missing", "proxy_hide_header"),
    ("cors_twice", "cors_twice", "add_header Access-Control-Allow-Origin"),
    ("cors_methods", "cors_methods", "Access-Control-Allow-Methods"),
    ("cors_headers", "cors_request_headers", "Access-Control-Allow-Headers"),
    ("cors_hides", "cors_exposed", "Access-Control-Expose-Headers"),
    ("cors_no_errors", "cors_errors", "always"),
    ("cors_preflights_alone", "cors_answers", "always"),
    ("cors_credentials", "cors_credentials", "add_header Access-Control-Allow-Origin *;"),
    ("guards_preflights", "cors_preflight", "limit_except OPTIONS"),
    ("swallows_options", "options_swallowed", "$request_method = OPTIONS"),
    ("status=502", "gateway_down", "proxy_pass http://HOST:PORT;"),
    ("is_slow", "gateway_timeout", "proxy_read_timeout 300s;"),
]


def codes(report: Report) -> set[str]:
    return {finding.code for verdict in report.verdicts for finding in verdict.findings}


def test_right_server_has_no_finding(examined: Examine) -> None:
    report = examined()
    assert codes(report) == set()
    assert report.is_healthy
    assert not report.left
    skipped = [verdict.check for verdict in report.verdicts if verdict.outcome is Outcome.SKIPPED]
    assert skipped == ["certificate"]


@pytest.mark.parametrize(("defect", "code", "line"), DEFECTS)
def test_defect_is_found_and_its_remedy_named(
    examined: Examine, defect: str, code: str, line: str
) -> None:
    report = examined(defect)
    assert codes(report) == {code}
    findings = [
        finding for check in report.as_document()["checks"] for finding in check["findings"]
    ]
    assert all(line in finding["remedies"]["nginx"] for finding in findings)
    assert all(finding["text"].endswith(".") for finding in findings)
    assert report.is_healthy == all(finding["outcome"] == "warning" for finding in findings)


def test_altered_data_is_told_from_a_server_that_does_not_verify(examined: Examine) -> None:
    assert codes(examined("alters")) == {"data_altered"}


def test_an_origin_that_is_named_has_to_be_allowed(examined: Examine) -> None:
    origin = "https://app.example.org"
    assert codes(examined(f"cors_origin={origin}", origin=origin)) == set()
    assert codes(examined("no_cors", origin=origin)) == {"cors_origin_refused"}


def test_headers_of_the_user_have_to_be_allowed_too(examined: Examine) -> None:
    assert codes(examined(headers={"Authorization": "Bearer x"})) == set()
    report = examined(headers={"X-Tenant": "x"})
    assert codes(report) == {"cors_request_headers"}


def test_several_defects_are_all_found(examined: Examine) -> None:
    report = examined("buffers", "caps=1048576", "cors_no_errors", "hides=Cache-Control")
    assert codes(report) == {"buffered", "body_cap", "cors_errors", "head_cacheable"}


def test_what_needs_a_broken_thing_is_skipped_and_says_so(examined: Examine) -> None:
    report = examined("blocks=PATCH")
    skipped = {each.check: each.skipped for each in report.verdicts if each.skipped}
    assert skipped["interruption"] == "needs PATCH, which did not work"
    assert "head" not in skipped
