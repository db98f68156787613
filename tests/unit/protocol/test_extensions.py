"""What is announced follows from what is switched off, and never rests on what is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusd_py.protocol.extensions import Extension, Policy, decide_extensions

DISABLED = st.frozensets(st.sampled_from(Extension))
#: What each extension's text builds on.
RESTS_ON = {
    Extension.CREATION_WITH_UPLOAD: Extension.CREATION,
    Extension.CREATION_DEFER_LENGTH: Extension.CREATION,
    Extension.CONCATENATION: Extension.CREATION,
    Extension.CONCATENATION_UNFINISHED: Extension.CONCATENATION,
    Extension.CHECKSUM_TRAILER: Extension.CHECKSUM,
}


def test_everything_is_announced_where_nothing_is_switched_off() -> None:
    assert decide_extensions(disabled=frozenset(), expires=True) == tuple(Extension)
    assert [str(extension) for extension in Extension] == [
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "expiration",
        "checksum",
        "checksum-trailer",
        "termination",
        "concatenation",
        "concatenation-unfinished",
    ]


@given(DISABLED, st.booleans())
def test_nothing_rests_on_what_is_missing(disabled: frozenset[Extension], expires: bool) -> None:
    announced = decide_extensions(disabled=disabled, expires=expires)
    assert not disabled & set(announced)
    assert (Extension.EXPIRATION in announced) <= expires
    for extension in announced:
        assert RESTS_ON.get(extension) in (*announced, None)


@given(DISABLED, st.booleans())
def test_no_more_is_missing_than_has_to_be(disabled: frozenset[Extension], expires: bool) -> None:
    announced = decide_extensions(disabled=disabled, expires=expires)
    for extension in set(Extension) - disabled - set(announced):
        needed = RESTS_ON.get(extension)
        assert (needed is not None and needed not in announced) or (
            extension is Extension.EXPIRATION and not expires
        )


@given(DISABLED, st.booleans())
def test_order_is_that_of_the_specification(disabled: frozenset[Extension], expires: bool) -> None:
    announced = decide_extensions(disabled=disabled, expires=expires)
    assert list(announced) == [extension for extension in Extension if extension in announced]


@pytest.mark.parametrize(
    ("disabled", "gone"),
    [
        ("termination", {"termination"}),
        ("checksum", {"checksum", "checksum-trailer"}),
        ("concatenation", {"concatenation", "concatenation-unfinished"}),
        (
            "creation",
            {
                "creation",
                "creation-with-upload",
                "creation-defer-length",
                "concatenation",
                "concatenation-unfinished",
            },
        ),
    ],
)
def test_switching_one_off_takes_along(disabled: str, gone: set[str]) -> None:
    announced = decide_extensions(disabled=frozenset({Extension(disabled)}), expires=True)
    assert {str(extension) for extension in set(Extension) - set(announced)} == gone


def test_policy_offers_what_it_announces() -> None:
    policy = Policy(extensions=(Extension.CREATION, Extension.CHECKSUM))
    assert policy.offers(Extension.CREATION)
    assert not policy.offers(Extension.TERMINATION)
    assert policy.without(Extension.CREATION).extensions == (Extension.CHECKSUM,)
    assert policy.without(Extension.TERMINATION) == policy
