"""Builds what publishes finished uploads from the settings, and says where they are then."""

import logging
from collections.abc import Callable
from pathlib import Path

from tusd_py.config.model import Settings
from tusd_py.hooks.payload import describe
from tusd_py.protocol.published_path import Template
from tusd_py.protocol.upload import Upload
from tusd_py.storage.layout import Layout
from tusd_py.storage.publish_directory import prepare_publish_directory
from tusd_py.storage.publisher import Publisher
from tusd_py.storage.publishing import LocalPublisher, Manner

log = logging.getLogger(__name__)


def prepare_publishing(settings: Settings) -> None:
    """
    Make sure that uploads can be published, if they are to be, and log how; blocks.

    Raises:
        DataDirectoryError: They cannot.
    """
    directory = settings.publish_directory
    if directory is None:
        return
    links = prepare_publish_directory(directory, Layout(settings.data_dir))
    log.info(
        "Finished uploads are published in %s: %s.",
        directory,
        "the same file system, so nothing is copied"
        if links
        else "it takes no links from the data directory, so each is copied",
    )


def make_publisher(settings: Settings, layout: Layout) -> Publisher | None:
    """Return what publishes uploads; None where they stay where they are."""
    directory = settings.publish_directory
    if directory is None:
        return None
    manner = Manner(
        moves=settings.publish == "move",
        mode=int(settings.publish_mode, 8),
        describe=describe if settings.publish_sidecar else None,
        strict=settings.durability == "strict",
    )
    return LocalPublisher(
        directory.resolve(), Template(settings.publish_path), layout.file_of, manner
    )


def place_of(settings: Settings, layout: Layout) -> Callable[[Upload], Path]:
    """Return what says where the bytes of an upload are for others: published, if they are."""
    directory = settings.publish_directory and settings.publish_directory.resolve()

    def place(upload: Upload) -> Path:
        if directory is None or upload.path is None or not upload.is_finished:
            return layout.file_of(upload.id).absolute()
        return directory / upload.path

    return place
