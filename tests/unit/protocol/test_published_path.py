"""Whatever owners and clients are called: a published path stays below the directory."""

import base64
import os
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.contracts.examples import an_upload, upload_id
from tusd_py.protocol.published_path import (
    FIELDS,
    SIDECAR,
    Template,
    alternatives,
    clean_name,
    path_wanted,
)
from tusd_py.protocol.upload import Upload

DEFAULT = Template("{owner}/{date}/{id}-{filename}")
EVERYTHING = Template("/".join(f"{{{field}}}" for field in FIELDS))
DAY = "2023-11-14"
#: Text as it comes from strangers: half of it made of what means something to somebody.
HOSTILE = st.text() | st.lists(
    st.sampled_from(
        [
            *(
                "/",
                "\\",
                "..",
                ".",
                "-",
                "~",
                " ",
                "\0",
                "\n",
                "\u202e",
                "%2e%2e",
                "%",
                "+",
                "{id}",
            ),
            *(
                "CON",
                "nul.",
                "com1",
                ".info",
                ".INFO",
                "é",
                "e\u0301",
                "\U0001f469\u200d",
                "x" * 99,
            ),
        ]
    )
).map("".join)


def named(filename: str | bytes, *, owner: str = "", key: str = "filename") -> Upload:
    data = filename.encode("utf-8", "surrogatepass") if isinstance(filename, str) else filename
    return an_upload(1, owner=owner, metadata=f"{key} {base64.b64encode(data).decode()}")


def check_path(path: str) -> None:
    """Make sure that a path stays below its directory, part by part."""
    root = "/srv/published"
    assert os.path.normpath(f"{root}/{path}") == f"{root}/{path}"
    for part in path.split("/"):
        check_name(part)


def check_name(name: str) -> None:
    assert 0 < len(name.encode()) <= 202
    assert name not in {".", ".."}
    assert name[0] not in ".-~"
    assert name == name.strip().rstrip(".")
    assert unicodedata.is_normalized("NFC", name)
    assert not set(name) & set('/\\:*?"<>|')
    assert all(unicodedata.category(each) not in {"Cc", "Cs", "Zl", "Zp"} for each in name)
    assert not set(name) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert not name.casefold().endswith(SIDECAR)


@given(owner=HOSTILE, filename=HOSTILE | st.binary(), key=st.sampled_from(["filename", "name"]))
@example(owner="../..", filename="../../etc/passwd", key="filename")
@example(owner=".", filename="a" * 190 + ".info" + "b" * 100, key="name")
@example(owner="x" * 500, filename="\u0301" * 300, key="name")
def test_path_stays_below_the_directory(owner: str, filename: str | bytes, key: str) -> None:
    upload = named(filename, owner=owner, key=key)
    for template in (DEFAULT, EVERYTHING, Template("{stem}.{extension}"), Template("a{owner}")):
        check_path(template.path_of(upload, DAY))


@given(metadata=st.text(st.characters(codec="ascii")))
def test_metadata_that_is_none_does_no_harm(metadata: str) -> None:
    check_path(EVERYTHING.path_of(an_upload(1, metadata=metadata), DAY))


@given(text=HOSTILE)
def test_name_is_one_or_nothing(text: str) -> None:
    name = clean_name(text)
    if name:
        check_name(name)


@given(one=HOSTILE, other=HOSTILE)
@example(one="a/b", other="a%2Fb")
@example(one=".a", other="%2Ea")
@example(one="con", other="_con")
@example(one="x.info", other="x.info_")
@example(one="é", other="e\u0301")
def test_owners_never_share_a_directory(one: str, other: str) -> None:
    paths = {Template("{owner}/x").path_of(an_upload(1, owner=each), DAY) for each in (one, other)}
    assert len(paths) == len({one, other})


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("Ünïcødé 漢字 👩\u200d👩.txt", "Ünïcødé 漢字 👩\u200d👩.txt"),
        ("e\u0301.txt", "é.txt"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("C:\\fakepath\\a.pdf", "C__fakepath_a.pdf"),
        (".bashrc", "_bashrc"),
        ("-rf", "_rf"),
        ("nul.txt", "_nul.txt"),
        ("a.info", "a.info_"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        ("two\nlines", "two_lines"),
        ("trailing. . ", "trailing"),
        ("...", ""),
        ("", ""),
        ("x" * 300 + ".jpeg", "x" * 195 + ".jpeg"),
        ("é" * 150, "é" * 100),
    ],
)
def test_names_stay_what_people_called_them(filename: str, name: str) -> None:
    assert clean_name(filename) == name


def test_fields() -> None:
    upload = named("a.tar.gz", owner="ann@example.org")
    assert DEFAULT.path_of(upload, DAY) == f"ann@example.org/{DAY}/{upload_id(1)}-a.tar.gz"
    assert Template("{year}/{month}/{day}").path_of(upload, DAY) == "2023/11/14"
    assert Template("{stem}-{id}.{extension}").path_of(upload, DAY) == f"a.tar-{upload_id(1)}.gz"
    assert Template("{owner}/x").path_of(named("a", owner="a/b c"), DAY) == "a%2Fb%20c/x"
    assert Template("in/{{{filename}}}").path_of(upload, DAY) == "in/{a.tar.gz}"


def test_what_nobody_said_is_left_out() -> None:
    assert DEFAULT.path_of(an_upload(1), DAY) == f"{DAY}/{upload_id(1)}-unnamed"
    assert Template("{owner}").path_of(an_upload(1), DAY) == upload_id(1)
    assert Template("{filename}").path_of(named("/"), DAY) == "_"
    assert Template("{filename}").path_of(named(" . "), DAY) == "unnamed"


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{fliename}", "{fliename}, which is no field; there are: {owner}, {date}"),
        ("{}", "{}, which is no field"),
        ("{owner.__class__}", "which is no field"),
        ("{owner!r}", "which is no field"),
        ("{id:>40}", "which is no field"),
        ("{id", "is no template"),
        ("id}", "is no template"),
        ("", "the part ''"),
        ("/srv/{id}", "the part ''"),
        ("{owner}//{id}", "the part ''"),
        ("{owner}/", "the part ''"),
        ("../{id}", "the part '..'"),
        (".incoming/{id}", "the part '.incoming'"),
        ("{id}{filename}.info", "the part"),
        ("a\\b", "the part"),
        ("c:{id}", "the part"),
    ],
)
def test_template_that_is_none_is_refused(template: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Template(template)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("./upload-1/presentation.pdf", "upload-1/presentation.pdf"),
        ("/srv/in/a/b.txt", "a/b.txt"),
        ("a//b/./c", "a/b/c"),
        ("a/.hidden", "a/_hidden"),
        ("ü/\u202ex", "ü/_x"),
    ],
)
def test_path_that_is_wanted(text: str, path: str) -> None:
    assert path_wanted(text, "/srv/in") == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "/etc/passwd",
        "/srv/in",
        "/",
        "x" * 1001,
        "a/ /b",
    ],
)
def test_path_that_leads_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        path_wanted(text, "/srv/in")


@given(text=HOSTILE)
def test_path_that_is_wanted_stays_below_the_directory(text: str) -> None:
    try:
        path = path_wanted(text, "/srv/in")
    except ValueError:
        return
    check_path(path)


@given(filename=HOSTILE)
def test_alternatives_are_different_and_stay_beside_it(filename: str) -> None:
    path = EVERYTHING.path_of(named(filename), DAY)
    found = list(alternatives(path, upload_id(1)))
    assert found[0] == path
    assert len(set(found)) == len(found) == 101
    assert upload_id(1) in found[-1].rpartition("/")[2]
    for each in found:
        assert each.rpartition("/")[0] == path.rpartition("/")[0]
        name = each.rpartition("/")[2]
        assert len(name.encode()) + len(SIDECAR) <= 255
        assert not name.casefold().endswith(SIDECAR)


def test_numbers_come_before_the_extension() -> None:
    assert list(alternatives("d.d/a.tar.gz", "9"))[:3] == [
        "d.d/a.tar.gz",
        "d.d/a.tar-1.gz",
        "d.d/a.tar-2.gz",
    ]
    assert list(alternatives("d.d/a", "9"))[-2:] == ["d.d/a-99", "d.d/a-9"]
