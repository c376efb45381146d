"""Where studies are kept: one JSON file each in ``runs/.studies/``, replaced atomically.

The file holds what the study asks; which of its runs there are is read from the runs themselves. A study
that came with the program is read-only: changing it means copying it.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.base.errors import ConfigError, StoreError
from core.base.files import os_errors_as_store_errors, write_json
from core.base.strict_json import from_json, to_json
from core.config.run_config import RunConfig
from core.runs.shelf import Shelf, Trash, new_id
from core.runs.store import RunStore
from core.study.study import Study

#: A file that is larger is no study: 300 values of the longest kind take a few kilobytes.
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Damaged:
    """A file among the studies that cannot be used, and why."""

    id: str
    problem: str


class StudyStore:
    """The studies beside the runs of ``store``."""

    def __init__(self, store: RunStore):
        self._shelf = Shelf(store.root / ".studies", "study", ".json", "study list")
        self.root = self._shelf.folder
        self.trash = Trash(
            self._shelf, "study restore", self._deletable, lambda shelf, at: read_study(shelf.path(at)).name
        )

    def ids(self) -> list[str]:
        """Return the ids of all studies, newest first."""
        return self._shelf.ids()

    def all(self) -> tuple[dict[str, Study], list[Damaged]]:
        """Every study by id, newest first, and the files that cannot be used."""
        studies, damaged = {}, []
        for study_id in self.ids():
            try:
                studies[study_id] = self.get(study_id)
            except StoreError as error:
                damaged.append(Damaged(study_id, str(error)))
        return studies, damaged

    def get(self, study_id: str) -> Study:
        """The study; StoreError if there is none or its file is damaged."""
        path = self._shelf.path(study_id)
        try:
            return read_study(path)
        except ConfigError as error:
            raise StoreError(f"Study {study_id} cannot be used: {error}") from error

    def find(self, text: str) -> str:
        """Return the id that ``text`` means: an id, a unique start or end of one, a name, or ``latest``."""
        return self._shelf.find(text, lambda study_id: self.get(study_id).name)

    def create(self, study: Study) -> str:
        """Keep a new study and return its id. Raises ConfigError or StoreError."""
        now = time.time()
        study_id = new_id(now)
        self._write(study_id, replace(study.checked(), created_at=now, reference=False))
        return study_id

    def replace(self, study_id: str, study: Study) -> None:
        """Keep a changed study in place of the one there. One that came with the program is refused."""
        self._refuse_reference(study_id, "changed")
        self._write(study_id, study.checked())

    @contextlib.contextmanager
    def _deletable(self, study_id: str) -> Iterator[None]:
        self._refuse_reference(study_id, "deleted")
        yield

    def _write(self, study_id: str, study: Study) -> None:
        with os_errors_as_store_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        write_json(self._shelf.place(study_id), study.to_dict())

    def _refuse_reference(self, study_id: str, what: str) -> None:
        reference = False
        with contextlib.suppress(StoreError):  # what cannot be read is no reference study
            reference = self.get(study_id).reference
        if reference:
            raise StoreError(f"Study {study_id} came with the program; it cannot be {what}. Copy it to change it.")


def _label(shelf: Shelf, study_id: str) -> str:
    return read_study(shelf.path(study_id)).name


def read_study(path: Path) -> Study:
    """The study in a JSON file, a person's own for example. Raises ConfigError with what is wrong and allowed."""
    try:
        with path.open("rb") as file:  # a file, or what a shell's <(…) hands over
            return study_from_text(file.read(MOST_BYTES + 1))
    except FileNotFoundError:
        raise ConfigError({"study": f"there is no file {path}."}) from None
    except OSError as error:
        raise ConfigError({"study": f"{path.name} cannot be read: {error.strerror}."}) from error


def study_from_text(content: bytes) -> Study:
    """The study in JSON. Raises ConfigError."""
    if len(content) > MOST_BYTES:
        raise ConfigError({"study": f"has more than the {MOST_BYTES // 10**6} MB that a study can have."})
    try:
        return Study.from_dict(from_json(content))
    except ValueError as error:
        raise ConfigError({"study": f"is no JSON ({error})."}) from error


def as_text(study: Study) -> str:
    """The study as a JSON file for somebody else: nothing in it belongs to this machine."""
    how = {"train.device": RunConfig().train.device, "train.threads": None}
    return to_json(replace(study, base=study.base.replace(how), reference=False).to_dict(), indent=1) + "\n"
