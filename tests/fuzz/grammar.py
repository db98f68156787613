"""
Makes conversations: meaningful ones, and what becomes of them when something is wrong.

Most requests are proper, so that the others meet uploads in every state.
"""

from collections.abc import Iterable
from typing import Any, Final

from hypothesis import strategies as st

from tests.fuzz import values
from tests.fuzz.drafts import Coding, Draft, Twist
from tests.fuzz.script import Burst, Conversation, Damage, Ending, Probe, Spot
from tests.fuzz.stage import CAST, NEW, UNKNOWN
from tests.fuzz.twists import SPELLINGS, TARGETS

_pick = st.sampled_from
_none = st.just(())

_UPLOADS: Final = (*CAST, *NEW, UNKNOWN)
_WRITABLE: Final = ("open", "begun", "large", "deferred", "rest", "new0")
_SMALL: Final = _pick((0, 1, 5, 7, 26, 100, 293, 300))
#: Around the sizes at which the server changes how it receives and writes.
_LARGE: Final = _pick((4096, 65_536, 65_537, 131_071, 131_072, 131_073, 200_000, 400_000))
_CHECKSUMS: Final = _pick(
    ("", "", "", "", "right", "right", "right-trailer", "wrong", "wrong-trailer")
)


@st.composite
def _among(draw: st.DrawFn, *strategies: st.SearchStrategy[Any]) -> Any:
    """Choose one of *strategies*, whatever they consist of, where `one_of` would weigh branches."""
    return draw(strategies[draw(st.integers(0, len(strategies) - 1))])


def _few(strategy: st.SearchStrategy[Any], most: int, least: int = 1) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


# --- What is wrong with a request ---


def _value_of(name: str) -> st.SearchStrategy[str]:
    known = _pick(values.VALUES[name])
    anything = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0"), max_size=20)
    return _among(known, known, known, anything)


def _about(kind: str, names: Iterable[str]) -> st.SearchStrategy[Twist]:
    return _among(
        *(st.builds(Twist, st.just(kind), st.just(name), _value_of(name)) for name in names)
    )


def _of(kind: str, choices: tuple[str, ...]) -> st.SearchStrategy[Twist]:
    return st.builds(Twist, st.just(kind), _pick(choices))


_ONE_MORE: Final = _among(_about("again", values.OWN), _about("first", values.OWN))
_TWIST: Final = _among(
    *(_about("set", values.VALUES), _about("set", values.OWN), _about("again", values.VALUES)),
    _ONE_MORE,
    *(_of("twin", values.OWN), _of("without", values.OWN)),
    st.builds(Twist, st.just("spelled"), _pick(values.OWN), _pick(tuple(SPELLINGS))),
    *(_of("target", tuple(TARGETS)), _of("target", tuple(TARGETS))),
    *(_of("method", values.METHODS), _of("version", values.VERSIONS), _of("line", values.LINES)),
    *(_of("many", ("20", "100", "200")), _of("blank lines", ("1", "2", "100"))),
    _of("body", ("-1", "-3", "1", "100", "70000")),
)
_TWISTS: Final = _among(_none, _none, _none, st.tuples(_TWIST), _few(_TWIST, 3))


# --- Requests ---

_CHUNKED: Final = st.builds(
    Coding,
    chunks=_few(_pick((1, 2, 5, 100, 5000, 70_000, 300_000)), 3),
    size=_among(
        *(_pick(values.CHUNK_SIZES[:5]), _pick(values.CHUNK_SIZES[:5])), _pick(values.CHUNK_SIZES)
    ),
    trailers=_among(
        _none,
        _few(_pick(values.TRAILERS), 3),
        _few(_pick(values.TRAILERS), 3),
        st.tuples(_pick(values.ODD_TRAILERS)),
    ),
    flaw=_among(st.none(), st.none(), st.none(), st.tuples(_pick(values.FLAWS), st.integers(0, 5))),
)
_CODINGS: Final = _among(st.just(Coding()), _CHUNKED)
_HARMLESS: Final = _among(*(st.tuples(st.just(name), _value_of(name)) for name in values.HARMLESS))
_EXTRAS: Final = _among(_none, _none, _few(_HARMLESS, 3))


def _draft(verb: str, **options: Any) -> st.SearchStrategy[Draft]:
    return st.builds(Draft, st.just(verb), twists=_TWISTS, extras=_EXTRAS, **options)


def _append(*names: str) -> st.SearchStrategy[Draft]:
    declared, expecting = ("Upload-Length", "300"), ("Expect", "100-continue")
    return _draft(
        "PATCH",
        upload=_pick(names or _WRITABLE),
        size=_among(_SMALL, _SMALL, _LARGE),
        away=_pick((0, 0, 0, 0, 1, -1)),
        coding=_CODINGS,
        checksum=_CHECKSUMS,
        hides=_pick((False, False, False, True)),
        fields=_pick(((), (), (), (), (declared,), (expecting,), (expecting,))),
    )


def _create(*fields: tuple[str, str]) -> st.SearchStrategy[Draft]:
    return _among(
        _draft("POST", fields=st.just(fields)),
        _draft(
            "POST",
            fields=st.just(fields),
            size=_SMALL,
            coding=_CODINGS,
            checksum=_CHECKSUMS,
            hides=_pick((False, False, True)),
        ),
    )


def _join(*parts: str) -> st.SearchStrategy[Draft]:
    return _draft("POST", parts=_few(_pick(parts), 4))


_RANGED: Final = _pick(("bytes=0-4", "bytes=5-", "bytes=-3", "bytes=0-0", "bytes=99-")).map(
    lambda value: (("Range", value),)
)


def _fetch(*names: str) -> st.SearchStrategy[Draft]:
    conditions = [
        st.tuples(st.just(name), _pick(values.VALUES[name])) for name in values.CONDITIONS
    ]
    condition = _among(*conditions)
    return _draft("GET", upload=_pick(names), fields=_among(_none, _few(condition, 2), _RANGED))


def _ask(*names: str) -> st.SearchStrategy[Draft]:
    return _draft("HEAD", upload=_pick(names))


def _end(*names: str) -> st.SearchStrategy[Draft]:
    return _draft("DELETE", upload=_pick(names))


_LENGTH, _SHORT, _DEFERRED = (
    ("Upload-Length", "300"),
    ("Upload-Length", "5"),
    ("Upload-Defer-Length", "1"),
)
_PARTIAL: Final = ("Upload-Concat", "partial")
_PREFLIGHT: Final = (
    ("Origin", "https://a.example"),
    ("Access-Control-Request-Method", "PATCH"),
)
_CREATIONS: Final = _among(
    _create(_LENGTH), _create(_SHORT), _create(_DEFERRED), _create(_SHORT, _PARTIAL)
)
_DRAFTS: Final = _among(
    *(_append(), _append(), _append(*_UPLOADS), _CREATIONS),
    _join("part", "rest", "new0", "new1", "open", UNKNOWN),
    *(_fetch("finished", "joined", "empty"), _fetch("finished"), _fetch(*_UPLOADS)),
    *(_ask(*_UPLOADS), _end(*_UPLOADS)),
    _draft("OPTIONS", upload=_pick(("", "open", UNKNOWN)), fields=_pick(((), _PREFLIGHT))),
    _draft("PUT", upload=_pick(_UPLOADS), size=_SMALL),
)


# --- Conversations ---

_SPOTS: Final = _among(
    st.builds(Spot, st.integers(0, 500_000)),
    st.builds(Spot, st.integers(0, 60), st.just(b"\r\n"), st.integers(-3, 3)),
    st.builds(Spot, st.integers(0, 9), st.just(b"\r\n\r\n"), st.integers(-3, 3)),
    st.builds(Spot, st.integers(0, 9), st.just(b"\r\n\r\n")),
)
_DAMAGE: Final = st.builds(Damage, _SPOTS, _pick((0, 0, 1, 2, 10, 100)), _pick(values.INSERTED))


def _burst(*drafts: st.SearchStrategy[Draft]) -> st.SearchStrategy[Burst]:
    return _burst_of(st.tuples(*drafts))


def _burst_of(drafts: st.SearchStrategy[Any]) -> st.SearchStrategy[Burst]:
    return st.builds(
        Burst,
        drafts,
        damage=_among(_none, _none, _none, _none, _few(_DAMAGE, 2)),
        cuts=_among(_none, _few(_SPOTS, 4)),
        pause=_pick((0.0, 0.0, 0.0, 0.002)),
    )


#: One upload from beginning to end.
_LIFE: Final = st.tuples(
    _burst(_CREATIONS),
    _burst(_append("new0"), _ask("new0"), _append("new0")),
    _burst(_fetch("new0"), _end("new0")),
)
#: A part, and a final upload of it and others, before or after they are whole.
_JOINING: Final = st.tuples(
    _burst(_create(_SHORT, _PARTIAL)),
    _burst(_join("new0", "part", "rest"), _among(_append("new0", "rest"), _ask("new0"))),
    _burst(
        _ask("new1", "part"),
        _among(_fetch("new1"), _append("new1")),
        _end("new1", "new0", "part"),
    ),
)
_SHAPES: Final = _among(
    st.tuples(_burst_of(_few(_DRAFTS, 6))),
    st.tuples(_burst_of(_few(_DRAFTS, 3)), _burst_of(_few(_DRAFTS, 3))),
    *(_LIFE, _JOINING),
)
_ENDINGS: Final = _among(
    *(st.just(Ending()), st.just(Ending())),
    st.builds(Ending, _pick(("finish", "reset", "stay", "stay")), _SPOTS),
)
_TALKS: Final = st.builds(Conversation, _SHAPES, _ENDINGS)

#: Places in the body of the first request of a burst.
_IN_BODY: Final = st.builds(
    Spot, st.just(0), st.just(b"\r\n\r\n"), _pick((0, 1, 5, 100, 70_000, 140_000))
)


def _hanging(name: str) -> st.SearchStrategy[Conversation]:
    """Make a client that stops in the middle of a body, or pauses; others may ask meanwhile."""
    probe = st.builds(Probe, st.integers(1, 2), _pick(("HEAD", "HEAD", "DELETE")), st.just(name))
    appending = st.tuples(_append(name), _ask(name), _append(name))
    pausing = st.builds(Burst, appending, cuts=_few(_IN_BODY, 2), pause=st.just(0.003))
    stopping = st.builds(Burst, st.tuples(_append(name)), cuts=_among(_none, _few(_IN_BODY, 1)))
    ending = st.builds(Ending, _pick(("stay", "stay", "finish", "reset")), _IN_BODY)
    return _among(
        st.builds(Conversation, st.tuples(pausing), st.just(Ending()), st.tuples(probe)),
        st.builds(Conversation, st.tuples(pausing)),
        st.builds(Conversation, st.tuples(stopping), ending),
    )


_CONVERSATIONS: Final = _among(
    *(_TALKS, _TALKS, _TALKS, _TALKS, _TALKS, _TALKS),
    *(_hanging("open"), _hanging("begun"), _hanging("large"), _hanging("deferred")),
)


@st.composite
def clients(draw: st.DrawFn) -> tuple[Conversation, ...]:
    """Make one client, or up to three at the same time, each with uploads of its own."""
    return tuple(draw(st.lists(_CONVERSATIONS, min_size=1, max_size=3)))
