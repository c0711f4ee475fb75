"""Whose file it is: what the path of an entry says in the zip files that learning management systems hand out.

The forms, and where they are defined:

- Canvas: `doejane_[LATE_]<user>_<file>_<name>`, or `[LATE_]anon_<id>_<file>_<name>` where it hides names; flat.
  instructure/canvas-lms, lib/content_zipper.rb, get_filename and add_upload_submission.
- Moodle: `Jane Doe_<id>_assignsubmission_file/<name>`; before 4.1 the folder ended in `_file_`, before 3.1 (and still by a
  setting) there was no folder; `Participant_<id>_...` under blind marking. moodle/moodle, mod/assign/classes/downloader.php.
- Blackboard: `<assignment>_<user name>_attempt_<yyyy-mm-dd-hh-mm-ss>[_<name>]`; flat, a .txt receipt for each attempt.
  Its "Download Assignment Files"; the form is also nbgrader's own example for FileNameCollectorPlugin.named_regexp.
- Brightspace: `<user>-<folder> - Jane Doe - Mar 29, 2018 1205 PM/<name>`, or ` - <name>` without a folder. Seen in the tools
  that read it (kodiak: parse_submission_file_name).
- ILIAS: `[.../]Doe_Jane_<login>_<user>/<name>`, late ones as `<late submission> - <name>`. ILIAS-eLearning/ILIAS,
  class.ilExSubmission.php, downloadAllAssignmentFiles and getDirectoryNameFromUserData.
"""

import datetime
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath

from .submitted import FORBIDDEN

MAX_ID = 100
"""Letters of a student's id; a folder's name may have 255 bytes."""
CANVAS = re.compile(
    r"(?P<prefix>(?:(?P<name>[^/_]+)_)?(?P<late>LATE_|late_)?(?P<key>\d+)_(?P<file_key>\d+)_)(?P<file>[^/]+)"
)
CANVAS_HIDDEN = re.compile(
    r"(?P<prefix>(?P<late>LATE_)?(?P<key>anon_?[A-Za-z0-9]+)_(?P<file_key>\d+)_)(?P<file>[^/]+)"
)
MOODLE = re.compile(r"(?P<prefix>(?P<name>[^/_]+)_(?P<key>\d+)_assignsubmission_file)(?:_?/|_)(?P<file>.+)")
BLACKBOARD = re.compile(
    r"(?P<prefix>[^/]*?_(?P<key>[^/_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5}))(?:_(?P<file>[^/]+)|(?P<receipt>\.txt))"
)
BRIGHTSPACE = re.compile(
    r"(?P<prefix>(?P<key>\d+)-\d+ - (?P<name>[^/]+?) - "
    r"(?P<when>[A-Z][a-z]{2,8} \d{1,2}, \d{4} \d{3,4} [AP]M))(?:/| - )(?P<file>.+)"
)
ILIAS = re.compile(r"(?P<prefix>(?P<name>[^/_]+_[^/_]+)_(?P<login>[^/]+)_(?P<key>\d+))/(?P<file>.+)")
LATE_IN_ILIAS = re.compile(r"(?:Late Submission|Verspätete Abgabe|Verspaetete Abgabe)\s*-\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Origin:
    """Whose file an entry is.

    Fields: `lms`; `student`, the id that the student gets here; `key`, by which the LMS knows them; `name`
    as it is written there; `file`, its own name; `late`, where the LMS says so; `when` it came, in the LMS's local time;
    `order`, which grows with every later upload; `prefix`, what the LMS looks for when files come back.
    """

    lms: str
    student: str
    key: str
    name: str
    file: str
    prefix: str
    late: bool = False
    when: datetime.datetime | None = None
    order: int = 0


def origin(path: str) -> Origin | None:
    """Whose file this entry of a zip file is, by its path; None if it is in no known form.

    Folders around the form (a zip that was unpacked and packed again) are passed over.
    """
    parts = PurePosixPath(path).parts
    for start in range(len(parts)):
        rest = "/".join(parts[start:])
        for read in (_moodle, _brightspace, _canvas, _blackboard, _ilias):
            found = read(rest)
            if found:
                return found
    return None


def safe_id(text: str) -> str:
    """A student's id that can name a folder: NFC, no slashes, no characters that steer terminals or open tags."""
    text = unicodedata.normalize("NFC", text).strip()
    return "".join("-" if letter in FORBIDDEN or letter in "/\\:*?|[]" else letter for letter in text)[
        :MAX_ID
    ].strip(". ")


def _canvas(path: str) -> Origin | None:
    found = CANVAS_HIDDEN.fullmatch(path) or CANVAS.fullmatch(path)
    if not found:
        return None
    name = found.groupdict().get("name") or ""
    student = safe_id(f"{name}_{found['key']}" if name else found["key"])
    return Origin(
        "Canvas", student, found["key"], name, found["file"], found["prefix"], bool(found["late"]),
        order=int(found["file_key"]),
    )  # fmt: skip


def _moodle(path: str) -> Origin | None:
    found = MOODLE.fullmatch(path)
    if not found:
        return None
    name, key = found["name"], found["key"]
    return Origin("Moodle", safe_id(f"{name}_{key}"), key, name, found["file"], found["prefix"])


def _blackboard(path: str) -> Origin | None:
    found = BLACKBOARD.fullmatch(path)
    if not found:
        return None
    when = _date(found["when"], "%Y-%m-%d-%H-%M-%S")
    file = found["file"] or "receipt.txt"
    return Origin("Blackboard", safe_id(found["key"]), found["key"], "", file, found["prefix"], when=when)


def _brightspace(path: str) -> Origin | None:
    found = BRIGHTSPACE.fullmatch(path)
    if not found:
        return None
    month, day, year, hours, half = found["when"].replace(",", "").split()
    when = _date(f"{month[:3]} {day} {year} {hours.zfill(4)} {half}", "%b %d %Y %I%M %p")
    student = safe_id(f"{found['name']}_{found['key']}")
    return Origin(
        "Brightspace", student, found["key"], found["name"], found["file"], found["prefix"], when=when
    )


def _ilias(path: str) -> Origin | None:
    found = ILIAS.fullmatch(path)
    if not found:
        return None
    *folders, file = found["file"].split("/")
    own = LATE_IN_ILIAS.sub("", file, count=1)
    return Origin(
        "ILIAS", safe_id(f"{found['login']}_{found['key']}"), found["key"], found["name"].replace("_", ", "),
        "/".join([*folders, own]), found["prefix"], late=own != file,
    )  # fmt: skip


def _date(text: str, form: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(text, form)
    except ValueError:
        return None
