"""Says what is done once an upload's last byte is committed."""

from tusd_py.events import Listener, UploadFinished
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.finishing import Finishing


class Completion:
    """Leads complete uploads on, each to what it was made for."""

    def __init__(
        self, *, concatenation: Concatenation, finishing: Finishing, listener: Listener
    ) -> None:
        self._concatenation = concatenation
        self._finishing = finishing
        self._tell = listener

    async def complete(self, upload: Upload) -> Upload:
        """
        Check and publish *upload* where that is to be done, or join what waited for it.

        Returns the upload as it is then; raises what `Finishing.begin` does.
        """
        if upload.state is UploadState.CHECKING:
            return await self._finishing.begin(upload)
        self._tell(UploadFinished(upload))
        if upload.is_partial:
            await self._concatenation.part_finished(upload)
        return upload
