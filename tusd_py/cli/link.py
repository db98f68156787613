"""Makes a link by which anybody can download an upload, or send it, until its time is over."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tusd_py.cli.commands import about, data_options, open_uploads
from tusd_py.cli.output import Failure, iso_time, local_time, print_json, say
from tusd_py.config.units import parse_duration
from tusd_py.errors import TusError
from tusd_py.protocol.links import sign_download, sign_upload
from tusd_py.protocol.upload import Upload, UploadState

if TYPE_CHECKING:
    from tusd_py.config.model import Settings


def _read_lifetime(_: click.Context, __: click.Parameter, value: str) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds == 0:
        raise click.BadParameter("must be more than 0")
    return seconds


@click.command()
@data_options
@click.option("--base-path", metavar="PATH", help="Path below which uploads are found.")
@click.option("--public-url", metavar="URL", help="What the link begins with, before that path.")
@click.option("--download-keys", metavar="PATH", help="File of keys; the first signs.")
@click.option("--upload-keys", metavar="PATH", help="The same for links to send.")
@click.option(
    "--upload", "is_to_send", is_flag=True, help="Let its bytes be sent instead of downloaded."
)
@click.option(
    "--for",
    "lifetime",
    metavar="TIME",
    default="1h",
    show_default=True,
    callback=_read_lifetime,
    help="How long the link is good, such as 90s, 24h or 7d.",
)
@click.argument("upload_id", metavar="ID")
def link(
    config: Path | None,
    data_dir: str | None,
    as_json: bool,
    is_to_send: bool,
    lifetime: float,
    upload_id: str,
    **flags: str | None,
) -> None:
    """
    Print a link by which anybody can download a finished upload for a while.

    With --upload it is one by which anybody can send what an unfinished upload lacks.

    Takes the settings that the server has, from the same file or environment; the options here go
    before those. Without public_url the link is a path, to put behind the server's name.
    """
    # Imported here, since --help needs none of it.
    from tusd_py.cli.serving import load  # noqa: PLC0415

    settings = load(config, {"data_dir": data_dir, **flags}).settings
    key = _upload_key(settings) if is_to_send else _download_key(settings)
    upload = asyncio.run(_find(settings, upload_id))
    (_check_unfinished if is_to_send else _check_finished)(upload)
    expires_at = time.time() + lifetime
    sign = sign_upload if is_to_send else sign_download
    url = sign(_url_of(settings, upload_id), key, expires_at=expires_at)
    if as_json:
        print_json({"url": url, "expires_at": iso_time(expires_at)})
        return
    click.echo(url)
    say(f"good until {local_time(expires_at)}")


def _download_key(settings: "Settings") -> str:
    if not settings.downloads:
        raise Failure(
            "downloads_off", "the server serves no downloads (downloads is false); switch them on"
        )
    if settings.download_keys is None:
        raise Failure(
            "no_download_keys",
            "there is no key to sign with, so the server lets everybody download who has an "
            "upload's URL; make a file with `openssl rand -hex 32` and name it with download_keys",
        )
    return settings.download_keys.keys[0]


def _upload_key(settings: "Settings") -> str:
    if settings.upload_keys is None:
        raise Failure(
            "no_upload_keys",
            "there is no key to sign with, so the server takes no such links; make a file with "
            "`openssl rand -hex 32` and name it with upload_keys",
        )
    return settings.upload_keys.keys[0]


async def _find(settings: "Settings", upload_id: str) -> Upload:
    async with open_uploads(settings) as service:
        try:
            return await service.show(upload_id)
        except TusError as error:
            raise Failure(error.code, about(upload_id, error)) from error


def _check_finished(upload: Upload) -> None:
    if upload.is_partial:
        raise Failure(
            "upload_partial",
            f"{upload.id} is a part of another upload and cannot be downloaded by itself; "
            "`tusd-py ls` lists the whole",
        )
    if not upload.is_finished:
        raise Failure(
            "upload_unfinished",
            f"{upload.id} is not finished ({upload.state.value}), so there is nothing to download; "
            "`tusd-py show` tells how far it is",
        )


def _check_unfinished(upload: Upload) -> None:
    if upload.is_final:
        raise Failure(
            "upload_final",
            f"{upload.id} is made of parts and takes no bytes itself; make a link for each part",
        )
    if upload.state is not UploadState.OPEN:
        raise Failure("upload_not_open", f"{upload.id} takes no more bytes ({upload.state.value})")


def _url_of(settings: "Settings", upload_id: str) -> str:
    return f"{settings.public_url or ''}{settings.base_path}{upload_id}"
