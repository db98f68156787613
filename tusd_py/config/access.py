"""Types the settings of who may do what, and says which of them go together."""

import re
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, PlainSerializer, ValidationInfo

from tusd_py.auth.tokens import read_tokens
from tusd_py.config.secret_files import SecretFile
from tusd_py.config.units import WORDS_FOR_NONE
from tusd_py.config.values import JwtAlgorithm, is_http_url, is_plain_url

AuthMode = Literal["none", "tokens", "jwt", "forward"]
_Value = TypeVar("_Value")

#: RFC 9110, section 5.6.2.
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _check_url(url: str | None) -> str | None:
    if url is None:
        return None
    form = "is no URL to ask; write one such as http://127.0.0.1:9091/verify"
    if not is_http_url(url):
        raise ValueError(form)
    if not is_plain_url(url):
        raise ValueError(f"{form} (no user or fragment)")
    return url


def _check_header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("is no name of a header; write one such as X-Auth-Subject")
    return name


def _check_claim(name: str) -> str:
    if not name:
        raise ValueError("is empty; write the name of a claim, such as sub")
    return name


def _check_text(text: str | None) -> str | None:
    if text == "":
        raise ValueError("is empty; write none, or what tokens have there")
    return text


OptionalUrl = Annotated[
    str | None,
    WORDS_FOR_NONE,
    AfterValidator(_check_url),
    PlainSerializer(lambda url: url or "none", return_type=str, when_used="json"),
]
OptionalText = Annotated[
    str | None,
    WORDS_FOR_NONE,
    AfterValidator(_check_text),
    PlainSerializer(lambda text: text or "none", return_type=str, when_used="json"),
]
HeaderName = Annotated[str, AfterValidator(_check_header)]
ClaimName = Annotated[str, AfterValidator(_check_claim)]


def belongs_to(mode: AuthMode, value: _Value | None, info: ValidationInfo) -> _Value | None:
    """
    Return the *value* of a setting that `auth: mode` needs.

    Raises:
        ValueError: It is missing there, or set where it would do nothing: somebody who believes
            that tokens are asked for had better hear that they are not.
    """
    if value is None and info.data.get("auth") == mode:
        raise ValueError(f"has to be set where auth is {mode}")
    return _only_with(mode, value, info)


def check_tokens(file: SecretFile | None, info: ValidationInfo) -> SecretFile | None:
    """Return the *file* of static tokens; raises `ValueError` where its lines are wrong."""
    if file is not None:
        read_tokens(file.text)
    return belongs_to("tokens", file, info)


def check_keys(url: str | None, info: ValidationInfo) -> str | None:
    """Return `jwks_url`; raises `ValueError` where there is not one place of keys just."""
    has_file = info.data.get("jwt_key") is not None
    if url is not None and has_file:
        raise ValueError("cannot be set together with jwt_key; leave one of them out")
    if url is None and not has_file and info.data.get("auth") == "jwt" and "jwt_key" in info.data:
        raise ValueError("has to be set where auth is jwt, unless jwt_key is")
    return _only_with("jwt", url, info)


def check_algorithms(
    names: tuple[JwtAlgorithm, ...], info: ValidationInfo
) -> tuple[JwtAlgorithm, ...]:
    """
    Return the algorithms that tokens may be signed with.

    Raises:
        ValueError: There is none; or secrets are among public keys, where one could be taken for
            the other, or would have to come from a URL.
    """
    if not names:
        raise ValueError("is empty; name what tokens are signed with, such as RS256")
    secret = [name for name in names if name.startswith("HS")]
    if secret and len(secret) < len(names):
        raise ValueError(
            f"has {secret[0]}, which needs a secret, beside those of public keys: whoever has the "
            "public key could sign; name one kind"
        )
    if secret and info.data.get("jwks_url") is not None:
        raise ValueError(f"has {secret[0]}, which needs a secret, and none comes from jwks_url")
    return names


def only_with_jwt(value: _Value | None, info: ValidationInfo) -> _Value | None:
    """Return *value*; raises `ValueError` where it would do nothing."""
    return _only_with("jwt", value, info)


def _only_with(mode: AuthMode, value: _Value | None, info: ValidationInfo) -> _Value | None:
    chosen = info.data.get("auth", mode)
    if value is not None and chosen != mode:
        raise ValueError(
            f"does nothing while auth is {chosen}; set auth to {mode}, or leave it out"
        )
    return value
