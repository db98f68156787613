"""A token comes in the Authorization header, in one form, or it is none."""

import pytest

from tests.unit.auth.calls import FakeCall
from tusd_py.auth.bearer import bearer_token, invalid_token
from tusd_py.errors import Unauthenticated


@pytest.mark.parametrize(
    "header", ["Bearer abc.d-e_f~+/==", "bearer abc.d-e_f~+/==", "BEARER   abc.d-e_f~+/== "]
)
def test_token_is_read(header: str) -> None:
    assert bearer_token(FakeCall(authorization=header)) == "abc.d-e_f~+/=="


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "Bearer", "Bearer ", "abc", "Basic YTpi", "Bearerabc", "Bearer\tabc"),
        *("Bearer a b", "Bearer a, Bearer b", "Bearer a,b", "Bearer =", "Bearer a=b", "Bearer ä"),
        *("Bearer \udcff", "Bearer a\x00", "Token abc", "Bearer \u017f", "Bearer a\nb"),
    ],
)
def test_anything_else_is_none(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        bearer_token(FakeCall(authorization=header))
    assert caught.value.challenge == "Bearer"


def test_refusal_says_why_to_people_and_programs() -> None:
    refusal = invalid_token("has expired")
    assert refusal.message == "The token has expired: send another one."
    assert refusal.challenge == (
        'Bearer error="invalid_token", error_description="The token has expired"'
    )
