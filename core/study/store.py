"""Studies on disk: one JSON file each in ``runs/.studies/``, replaced atomically.

A file holds only what the study asks; its progress is read from the runs. A study that came with the program is
read-only and has to be copied to be changed.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.base.errors import ConfigError, StoreError
from core.base.files import locked, make_folder, os_errors_as_store_errors, write_json
from core.base.strict_json import from_json, to_json, with_check, without_check
from core.base.text import composed
from core.config.run_config import RunConfig
from core.runs.shelf import Trash
from core.runs.store import RunStore
from core.study.study import Study

#: A larger file is not a study: 300 values of the longest kind take a few kilobytes.
MOST_BYTES = 1_000_000
#: Seconds to wait while another window changes a study or queues its runs, of which there may be hundreds.
PATIENCE = 30.0


@dataclass(frozen=True)
class Damaged:
    """A study file that cannot be used, and why."""

    id: str
    problem: str


class StudyStore:
    """The studies that belong to the runs of ``store``."""

    def __init__(self, store: RunStore):
        self._shelf = store.studies_shelf
        self.root = self._shelf.folder
        self.trash = Trash(
            self._shelf,
            "study restore",
            guard=lambda study_id: self._changeable(study_id, "deleted"),
            label=lambda shelf, study_id: read_study(shelf.path(study_id)).name,
        )

    def ids(self) -> list[str]:
        """Return the ids of all studies, newest first."""
        return self._shelf.ids()

    def all(self) -> tuple[dict[str, Study], list[Damaged]]:
        """Return every study by id, newest first, and the files that cannot be used."""
        studies, damaged = {}, []
        for study_id in self.ids():
            try:
                studies[study_id] = self.get(study_id)
            except StoreError as error:
                damaged.append(Damaged(study_id, str(error)))
        return studies, damaged

    def get(self, study_id: str) -> Study:
        """Return the study. Raises StoreError if it does not exist or its file is damaged."""
        try:
            return read_study(self._shelf.path(study_id))
        except ConfigError as error:
            raise StoreError(f"Study {study_id} cannot be used: {error}") from error

    def find(self, text: str) -> str:
        """Return the id that ``text`` means: an id, a unique start or end of one, a name, or ``latest``."""
        return self._shelf.find(text, lambda study_id: self.get(study_id).name)

    def create(self, study: Study) -> str:
        """Save a new study and return its id. Raises ConfigError or StoreError."""
        study_id = self._shelf.new_id()
        self._write(study_id, replace(study.checked(), created_at=time.time(), reference=False))
        return study_id

    def update(self, study_id: str, change: Callable[[Study], Study]) -> None:
        """Replace a study by ``change`` of it as it is now, so that two windows that change one study lose nothing.

        Raises ConfigError, or StoreError for a study that came with the program.
        """
        with self._changeable(study_id, "changed"):
            self._write(study_id, change(self.get(study_id)).checked())

    def lock(self, study_id: str) -> contextlib.AbstractContextManager[None]:
        """Held while a study is changed or its runs are queued, so that two windows do not both do it."""
        with os_errors_as_store_errors(self.root):
            make_folder(self.root)
        return locked(self.root / ".lock", f"study {study_id}", PATIENCE)

    def _write(self, study_id: str, study: Study) -> None:
        with os_errors_as_store_errors(self.root):
            make_folder(self.root)
        study = replace(study, name=composed(study.name), note=composed(study.note))
        write_json(self._shelf.place(study_id), with_check(study.to_dict()))

    @contextlib.contextmanager
    def _changeable(self, study_id: str, action: str) -> Iterator[None]:
        """Hold the lock while a study is changed or deleted; refuse one that came with the program."""
        with self.lock(study_id):
            reference = False
            with contextlib.suppress(StoreError):  # a damaged file is not a reference study
                reference = self.get(study_id).reference
            if reference:
                raise StoreError(
                    f"Study {study_id} came with the program and cannot be {action}. Copy it to change it."
                )
            yield


def read_study(path: Path) -> Study:
    """Return the study in a JSON file. Raises ConfigError that says what is wrong."""
    try:
        with path.open("rb") as file:  # a file, or what a shell's <(…) hands over
            return study_from_text(file.read(MOST_BYTES + 1))
    except FileNotFoundError:
        raise ConfigError({"study": f"the file {path} does not exist."}) from None
    except OSError as error:
        raise ConfigError({"study": f"{path.name} cannot be read: {error.strerror}."}) from error


def study_from_text(content: bytes) -> Study:
    """Return the study in JSON. Raises ConfigError."""
    if len(content) > MOST_BYTES:
        raise ConfigError({"study": f"The file is larger than the {MOST_BYTES // 10**6} MB that a study can have."})
    try:
        return Study.from_dict(without_check(from_json(content)))
    except ValueError as error:
        raise ConfigError({"study": f"The file is damaged, or it is not JSON ({error})."}) from error


def as_text(study: Study) -> str:
    """Return the study as JSON for other people, without the settings of this machine."""
    portable = {"train.device": RunConfig().train.device, "train.threads": None}
    return to_json(replace(study, base=study.base.replace(portable), reference=False).to_dict(), indent=1) + "\n"
