"""
All that can go wrong, drawn as one tree.

Every error has a stable `code` (for logs, metrics, tests and clients) and a message that is safe to
show to a stranger: never a path, a statement or a traceback. What is not a `TusError` is a bug.

`ProtocolError` carries the status that tus or HTTP names for the broken rule. The others know no
HTTP; `web.error_responses` maps them in one table.
"""

from tusd_py.errors.access import (
    AccessRefused,
    AuthUnavailable,
    ForeignOrigin,
    ForeignUpload,
    LinkExpired,
    LinkRefused,
    NotPermitted,
    ScopeMissing,
    Unauthenticated,
)
from tusd_py.errors.error import (
    ProtocolError,
    TusError,
)
from tusd_py.errors.parts import (
    DataDirectoryError,
    HookUnavailable,
    RefusedByHook,
    StateError,
    StateFull,
    StorageError,
    StorageFull,
    UnguardedServer,
)
from tusd_py.errors.refusals import (
    ChecksumMismatch,
    ExpectationFailed,
    FinalUploadImmutable,
    InvalidBody,
    InvalidHeader,
    InvalidPart,
    MethodNotAllowed,
    OffsetMismatch,
    PartUnfinished,
    PreconditionFailed,
    RangeNotSatisfiable,
    TooManyUploads,
    UnsupportedChecksumAlgorithm,
    UnsupportedMediaType,
    UnsupportedTransferCoding,
    UnsupportedVersion,
    UploadGone,
    UploadNotFound,
    UploadTooLarge,
)
from tusd_py.errors.transfers import (
    Disconnected,
    Displaced,
    IdleTimeout,
    LockTimeout,
    ServerStopping,
    TooSlow,
    TransferEnded,
)

__all__ = [
    "AccessRefused",
    "AuthUnavailable",
    "ChecksumMismatch",
    "DataDirectoryError",
    "Disconnected",
    "Displaced",
    "ExpectationFailed",
    "FinalUploadImmutable",
    "ForeignOrigin",
    "ForeignUpload",
    "HookUnavailable",
    "IdleTimeout",
    "InvalidBody",
    "InvalidHeader",
    "InvalidPart",
    "LinkExpired",
    "LinkRefused",
    "LockTimeout",
    "MethodNotAllowed",
    "NotPermitted",
    "OffsetMismatch",
    "PartUnfinished",
    "PreconditionFailed",
    "ProtocolError",
    "RangeNotSatisfiable",
    "RefusedByHook",
    "ScopeMissing",
    "ServerStopping",
    "StateError",
    "StateFull",
    "StorageError",
    "StorageFull",
    "TooManyUploads",
    "TooSlow",
    "TransferEnded",
    "TusError",
    "Unauthenticated",
    "UnguardedServer",
    "UnsupportedChecksumAlgorithm",
    "UnsupportedMediaType",
    "UnsupportedTransferCoding",
    "UnsupportedVersion",
    "UploadGone",
    "UploadNotFound",
    "UploadTooLarge",
]
