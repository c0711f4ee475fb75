"""Feedback pages in a zip file whose names the LMS takes back.

- Canvas ("Upload Submissions"): a file belongs to the submission whose user and file number stand in its name, so it keeps
  the start of the submitted file's name. instructure/canvas-lms, Assignment#infer_comment_context_from_filename.
- Moodle ("Upload multiple feedback files in a zip"): a folder `<name>_<id>_assignsubmission_file`, as in the download.
  moodle/moodle, mod/assign/feedback/file/importziplib.php, is_valid_filename_for_import.
- Others: a folder for each student.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path


def write_feedback_zip(
    course: Path, lesson: str, students: list[str], origins: Mapping[str, Mapping[str, str]], form: str, output: Path
) -> list[str]:  # fmt: skip
    """Write the pages of these students. Returns a line for each that has no page, or no place in the LMS."""
    missing = []
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(output.name + ".draft")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        for student in students:
            page = course / "feedback" / student / lesson / f"{lesson}.html"
            name = name_in_zip(student, lesson, origins.get(student, {}), form)
            if not page.is_file():
                missing.append(f"{student}: there is no feedback page")
            elif name is None:
                missing.append(f"{student}: was not collected from {form.title()}, which needs its own names")
            else:
                archive.write(page, name)
    draft.replace(output)
    return missing


def name_in_zip(student: str, lesson: str, origin: Mapping[str, str], form: str) -> str | None:
    """The name under which an LMS takes a page back; None if it can't be known."""
    if form == "csv":
        return f"{student}/{lesson}.html"
    if origin.get("lms", "").lower() != form:
        return None
    return f"{origin['prefix']}{'' if form == 'canvas' else '/'}{lesson}.html"
