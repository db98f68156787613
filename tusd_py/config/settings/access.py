"""Types the settings of who may do what."""

from typing import Any, Final, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from tusd_py.config.access import (
    AuthMode,
    ClaimName,
    HeaderName,
    OptionalText,
    OptionalUrl,
    belongs_to,
    check_algorithms,
    check_keys,
    check_tokens,
    only_with_jwt,
)
from tusd_py.config.keys import OptionalKeyFile
from tusd_py.config.secret_files import OptionalSecretFile, SecretFile
from tusd_py.config.units import Duration
from tusd_py.config.values import JwtAlgorithm, JwtAlgorithms

_ACCESS: Final[dict[str, Any]] = {"group": "Access"}


class AccessSettings(BaseModel):
    """Who may do what."""

    auth: AuthMode = Field(
        default="none",
        description="Who says whose a request is: a file of tokens, the signature of a JSON Web "
        "Token, or another service (forward); none lets everybody do everything.",
        json_schema_extra=_ACCESS,
    )
    auth_tokens: OptionalSecretFile = Field(
        default=None,
        validate_default=True,
        description="File of tokens for auth: tokens; `tusd-py token` makes them and its lines. "
        "Read anew on SIGHUP, as jwt_key is.",
        json_schema_extra=_ACCESS,
    )
    jwt_key: OptionalSecretFile = Field(
        default=None,
        description="File with the public keys (PEM) that verify tokens for auth: jwt, or with a "
        "secret in each line where jwt_algorithms begin with HS.",
        json_schema_extra=_ACCESS,
    )
    jwks_url: OptionalUrl = Field(
        default=None,
        validate_default=True,
        description="URL of the keys instead (JWKS), asked again when a token names a new one.",
        json_schema_extra=_ACCESS,
    )
    jwt_algorithms: JwtAlgorithms = Field(
        default=("RS256", "ES256", "EdDSA"),
        validate_default=True,
        description="What tokens may be signed with: all of public keys, or all of secrets.",
        json_schema_extra=_ACCESS,
    )
    jwt_audience: OptionalText = Field(
        default=None,
        validate_default=True,
        description="What has to be the audience (aud) of tokens, or among it: this server.",
        json_schema_extra=_ACCESS,
    )
    jwt_issuer: OptionalText = Field(
        default=None,
        description="What has to be the issuer (iss) of tokens; none for any.",
        json_schema_extra=_ACCESS,
    )
    jwt_leeway: Duration = Field(
        default=30.0,
        description="By how much the clocks of whoever makes tokens may differ from this one.",
        json_schema_extra=_ACCESS,
    )
    jwt_must_expire: bool = Field(
        default=True,
        description="Refuse tokens that have no end (exp).",
        json_schema_extra=_ACCESS,
    )
    jwt_owner_claim: ClaimName = Field(
        default="sub",
        description="Claim that names the owner of uploads.",
        json_schema_extra=_ACCESS,
    )
    auth_url: OptionalUrl = Field(
        default=None,
        validate_default=True,
        description="URL that is asked about each request for auth: forward; 2xx lets it in, 401 "
        "and 403 are passed on, all else counts as down.",
        json_schema_extra=_ACCESS,
    )
    auth_owner_header: HeaderName = Field(
        default="X-Auth-Subject",
        description="Header of its answer that names the owner.",
        json_schema_extra=_ACCESS,
    )
    auth_timeout: Duration = Field(
        default=5.0,
        gt=0,
        description="How long auth_url or jwks_url may take; then clients are told to come back.",
        json_schema_extra=_ACCESS,
    )
    upload_keys: OptionalKeyFile = Field(
        default=None,
        description="File with a secret in each line, as of download_keys: who has a link that "
        "`sign_upload` signed with one of them may send that upload's bytes, and needs no token.",
        json_schema_extra=_ACCESS,
    )
    foreign_uploads: Literal["hide", "refuse"] = Field(
        default="hide",
        description="What others' uploads answer: 404 as if they were not there, or 403.",
        json_schema_extra=_ACCESS,
    )

    @field_validator("auth_tokens")
    @classmethod
    def _check_tokens(cls, file: SecretFile | None, info: ValidationInfo) -> SecretFile | None:
        return check_tokens(file, info)

    @field_validator("jwt_key")
    @classmethod
    def _check_key(cls, file: SecretFile | None, info: ValidationInfo) -> SecretFile | None:
        return only_with_jwt(file, info)

    @field_validator("jwks_url")
    @classmethod
    def _check_place_of_keys(cls, url: str | None, info: ValidationInfo) -> str | None:
        return check_keys(url, info)

    @field_validator("jwt_algorithms")
    @classmethod
    def _keep_keys_and_secrets_apart(
        cls, names: tuple[JwtAlgorithm, ...], info: ValidationInfo
    ) -> tuple[JwtAlgorithm, ...]:
        return check_algorithms(names, info)

    @field_validator("jwt_audience")
    @classmethod
    def _require_audience(cls, audience: str | None, info: ValidationInfo) -> str | None:
        return belongs_to("jwt", audience, info)

    @field_validator("auth_url")
    @classmethod
    def _require_service(cls, url: str | None, info: ValidationInfo) -> str | None:
        return belongs_to("forward", url, info)
