"""What every file of an export holds. The files, their README and docs/data-dictionary.md all follow it."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


class FieldType(enum.StrEnum):
    """What the values of a field are, in every format that an export is written in."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    JSON = "json"  # an object, a list, or a CSV cell with one of them
    TEXTS = "texts"  # a list of texts; in a CSV cell between spaces
    STROKES = "strokes"


TYPES: Final = {
    "integer": FieldType.INTEGER,
    "number": FieldType.NUMBER,
    "true/false": FieldType.BOOLEAN,
    "time": FieldType.TIME,
    "JSON": FieldType.JSON,
    "object": FieldType.JSON,
    "list": FieldType.JSON,
    "list of texts": FieldType.TEXTS,
    "list of strokes": FieldType.STROKES,
}
"""The first words of a kind that is not text."""


@dataclass(frozen=True, slots=True)
class ExportField:
    """A column of a table, or a key of a JSON object.

    `kind` is a type, in brackets its unit or range, and "or empty" where there may be none. A text's kind may
    be the texts that there are, with slashes between them.
    """

    name: str
    kind: str
    meaning: str

    @property
    def type(self) -> FieldType:
        return TYPES.get(self.kind.partition(" (")[0].partition(" or ")[0], FieldType.TEXT)

    @property
    def may_be_empty(self) -> bool:
        return self.kind.endswith((" or empty", " or null"))


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file of an export, and what one row of it stands for."""

    name: str
    about: str
    fields: tuple[ExportField, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)


def _fields(*rows: tuple[str, str, str]) -> tuple[ExportField, ...]:
    return tuple(ExportField(*row) for row in rows)


PARTICIPANT: Final = ("participant", "UUID", "The participant's random id; says nothing about the person.")
SIMULATED: Final = ("simulated", "true/false", "true: a program took part, never a person.")
PILOT: Final = (
    "pilot",
    "true/false",
    "true: of a pilot, which tried the study out; it counts in no result of the study.",
)
VERSION: Final = ("study_version", "integer", "The version of the study in which the participant began.")
ARM: Final = ("arm", "text", "Name of the arm the participant was in.")
LABEL: Final = ("label", "real/fake", "Whether a camera or a generator made the image.")

STUDY: Final = ExportFile(
    "study.json",
    "The study itself: one object.",
    _fields(
        ("study", "text", "The study's name in addresses and commands."),
        ("title", "text", "What participants read at the top."),
        ("pilot_of", "text or null", "Of a pilot: the study that it tried out."),
        ("state", "draft/open/paused/closed", "State at the moment of the export."),
        ("trials_per_participant", "integer", "Pairs that one participant judges."),
        ("judgements", "integer", "Decisions wanted for each (pair, question) in each arm."),
        ("min_strokes", "integer", "Fewest strokes that an annotation must have."),
        ("min_area", "number (0…1)", "Smallest fraction of the image that an annotation must cover."),
        ("max_area", "number (0…1)", "Largest fraction of the image that an annotation may cover."),
        (
            "visit",
            "object",
            (
                "The steps around the main trials, as in the description; what is missing has its default. "
                "Endings are left out: people are paid by their codes."
            ),
        ),
        (
            "lease_minutes",
            "number (min)",
            "How long a silent participant keeps their places.",
        ),
        ("accepts_simulated", "true/false", "Whether programs may take part."),
        ("version", "integer", "The newest version: how often the study was opened or changed since."),
        (
            "versions",
            "list",
            "One {number, made_at, reason, description} per version, the oldest first; none of a draft.",
        ),
        (
            "plan_hash",
            "SHA-256 or null",
            "Of `plan.json`, the plan and the design as they were when the study was opened.",
        ),
        ("consent_version", "text", "Version of the consent text."),
        ("consent", "Markdown", "The consent text."),
        ("instructions", "Markdown", "The instructions."),
        ("debrief", "Markdown or null", "What participants read at the end."),
        ("arms", "list", "One {name, annotate, advice} per arm."),
        ("created_at", "time", "When the study was made."),
        ("opened_at", "time or null", "When it was first opened."),
        ("closed_at", "time or null", "When it was closed."),
        (
            "map_set",
            "object or null",
            "{version, parameters, inputs_hash, annotations} of the maps in `maps/`.",
        ),
        ("simulated_participants", "integer", "How many of the participants are programs."),
        (
            "description",
            "object",
            "The study as `cyborg study create` reads it, without endings and the address of completion.",
        ),
    ),
)

PARTICIPANTS: Final = ExportFile(
    "participants.csv",
    "One row per person (or program) who consented, ordered by time of consent.",
    _fields(
        PARTICIPANT,
        SIMULATED,
        PILOT,
        VERSION,
        ("recruited_through", "link/mturk/panel/prolific/simulated", "How the participant came."),
        ARM,
        (
            "state",
            "active/finished/screened_out/withdrawn",
            (
                "What a screened-out participant did is kept and counts nowhere; the raw data of a withdrawn "
                "one are gone."
            ),
        ),
        ("consent_version", "text", "Version of the text that was consented to."),
        ("consented_at", "time", "When."),
        ("finished_at", "time or empty", "When the last trial was decided and the last question answered."),
        ("screened_out_at", "time or empty", "When the quiz or the checks ended the visit."),
        ("screened_out_by", "quiz/checks or empty", "Which of them."),
        (
            "excluded_at",
            "time or empty",
            "When the study's rules excluded the participant: what they did is kept and counts nowhere.",
        ),
        ("exclusion", "JSON or empty", "The rules as they were then, and what they found."),
        ("quiz_attempts", "integer", "Rows of quiz.csv."),
        (
            "pastes",
            "integer or empty",
            "How often something was pasted into text fields of the closing questions; empty without any.",
        ),
        ("drops", "integer or empty", "How often text was dragged into them."),
        ("decisions", "integer", "Main trials decided."),
        ("correct_decisions", "integer", "How many of those decisions are correct."),
        ("annotations", "integer", "Annotations painted in main trials."),
        ("checks", "integer", "Check trials decided."),
        ("checks_failed", "integer", "How many of those were failed."),
        ("client", "JSON", "Numbers and yes/no facts that the browser told, for example the screen's size."),
    ),
)

PAIRS: Final = ExportFile(
    "pairs.csv",
    "One row per pair of the study.",
    _fields(
        ("pair_id", "integer", "The pair."),
        ("kind", "practice/main/check", "What it is shown for; judgements are of main pairs."),
        ("real_image_id", "integer", "Its real image, a row of images.csv."),
        ("fake_image_id", "integer", "Its fake image, a row of images.csv."),
        ("real_source", "text", "Camera set of the real image."),
        ("fake_source", "text", "Generator of the fake image."),
        ("decisions", "integer", "Decisions on it, without those of participants who were screened out."),
        ("correct_decisions", "integer", "How many of them are correct."),
    ),
)

IMAGES: Final = ExportFile(
    "images.csv",
    "One row per image that the study shows.",
    _fields(
        ("image_id", "integer", "The image."),
        LABEL,
        ("source", "text", "Camera set or generator."),
        ("split", "train/val/test or empty", "The split that it was given, at import or later."),
        ("group", "text or empty", "Images of one group stay in one split."),
        ("width", "integer (px)", "Width of the image as annotated."),
        ("height", "integer (px)", "Height of the image as annotated."),
        ("face_x", "number (px) or empty", "Left edge of the face box."),
        ("face_y", "number (px) or empty", "Top edge of the face box."),
        ("face_width", "number (px) or empty", "Width of the face box."),
        ("face_height", "number (px) or empty", "Height of the face box."),
        ("generated", "true/false", "true: drawn by code for a demonstration; nobody's face."),
        ("original_name", "text", "File name at import."),
        ("content_hash", "SHA-256", "Of the stored PNG."),
    ),
)

DECISIONS: Final = ExportFile(
    "decisions.csv",
    "One row per decision, ordered by participant (time of consent) and position.",
    _fields(
        ("decision_id", "integer", "The decision."),
        ("trial_id", "UUID", "The trial it decides."),
        PARTICIPANT,
        SIMULATED,
        PILOT,
        VERSION,
        ARM,
        ("annotate", "true/false", "Whether the arm asks for an annotation."),
        ("advice", "none/decision/saliency/both", "What the arm shows beside the images."),
        ("position", "integer", "Place of the trial in the participant's sequence."),
        ("kind", "practice/main/check", "Kind of trial; practice gives feedback, checks test attention."),
        (
            "counts",
            "true/false",
            "Whether it is a judgement: of a main trial, by somebody who was not screened out.",
        ),
        (
            "question",
            "real/fake or empty",
            "`real` = which one is real?, `fake` = which one is fake?; empty for a region check.",
        ),
        ("pair_id", "integer or empty", "The pair shown, a row of pairs.csv."),
        ("region_check_id", "integer or empty", "The region asked for, a row of region_checks.csv."),
        ("left_image_id", "integer", "Image on the left, a row of images.csv."),
        ("right_image_id", "integer or empty", "Image on the right, a row of images.csv."),
        ("fake_source", "text or empty", "Generator of the pair's fake image."),
        ("advised_side", "left/right or empty", "The face that the model was shown to take for the fake."),
        ("advised_confidence", "number (0.5…1) or empty", "The probability that was shown with it."),
        ("choice", "left/right", "The side chosen."),
        ("chosen_image_id", "integer", "The image on that side."),
        (
            "correct",
            "true/false",
            "Whether the choice answers the question; of a region check, whether the region was painted.",
        ),
        (
            "region_iou",
            "number (0…1) or empty",
            "Intersection over union of the painted mask and the region.",
        ),
        ("decision_ms", "number (ms)", "From the pair's appearance to the choice, by the browser's clock."),
        ("annotation_ms", "number (ms) or empty", "Spent painting, by the browser's clock."),
        ("stroke_count", "integer or empty", "Strokes of the annotation; empty where none was asked for."),
        (
            "load_ms",
            "number (ms) or empty",
            "How long the participant waited for both faces before they appeared.",
        ),
        ("hidden_ms", "number (ms)", "How long the tab was out of sight; part of the times above."),
        ("reloads", "integer", "How often the page came back after a reload, a closed tab or a crash."),
        ("away_ms", "number (ms)", "How long it was gone before it came back; in no other time."),
        ("shown_at", "time or empty", "When the trial was handed out, by the server's clock."),
        ("decided_at", "time", "When the decision arrived, by the server's clock."),
    ),
)

EVENTS: Final = ExportFile(
    "events.csv",
    "One row per thing that the browser told of a trial, so that its times can be read with care; ordered by "
    "participant, position and number. docs/participant-page.md says what each kind means.",
    _fields(
        ("decision_id", "integer", "The decision it belongs to, a row of decisions.csv."),
        SIMULATED,
        PILOT,
        ("number", "integer", "Which event of that decision, counted from 1."),
        ("kind", "text", "For example hidden, visible, blur, resize, reload, choose, undo, trap."),
        ("t_ms", "number (ms) or empty", "Since the pair appeared."),
        ("detail", "JSON", 'What else was told, for example {"away_ms": 2100}.'),
    ),
)

FLAGS: Final = ExportFile(
    "flags.csv",
    "One row per quality flag: something that staff should look at, never a judgement by itself.",
    _fields(
        PARTICIPANT,
        SIMULATED,
        PILOT,
        ("kind", "text", "The rule, as in docs/quality.md."),
        ("trial_id", "UUID or empty", "The trial it is about; empty when it is about the whole visit."),
        (
            "detail",
            "JSON",
            "What the rule saw; of automation, each piece of evidence with what was found and its limit.",
        ),
        ("raised_at", "time", "When."),
    ),
)

ANNOTATIONS: Final = ExportFile(
    "annotations.jsonl",
    "One JSON object per annotation that counts and line, ordered by image. `python -m saliency build` reads "
    "it and makes the same maps.",
    _fields(
        ("annotation_id", "integer", "The annotation."),
        ("decision_id", "integer", "The decision it belongs to, a row of decisions.csv."),
        ("image_id", "integer", "The image painted on, a row of images.csv."),
        LABEL,
        ("source", "text", "Camera set or generator."),
        ("width", "integer (px)", "Width of that image."),
        ("height", "integer (px)", "Height of that image."),
        PARTICIPANT,
        SIMULATED,
        PILOT,
        VERSION,
        ARM,
        (
            "question",
            "real/fake or null",
            "The question the annotation gives the reason for; null for a region check.",
        ),
        ("correct", "true/false", "Whether the decision it belongs to is correct."),
        ("decision_ms", "number (ms)", "See decisions.csv."),
        ("annotation_ms", "number (ms) or null", "See decisions.csv."),
        ("decided_at", "time", "When the decision arrived, by the server's clock."),
        (
            "accuracy",
            "number (0…1) or null",
            "Share of the participant's judgements that are correct; null without one that counts.",
        ),
        ("flags", "list of texts", "Kinds of the quality flags on the participant as such, or on the trial."),
        (
            "strokes",
            "list of strokes",
            (
                "{tool: brush/lasso/eraser, radius: px, points: [[x, y, t_ms], …]} in the order drawn. Image "
                "pixels, origin at the top left corner, x right, y down; t_ms from the pair's appearance."
            ),
        ),
    ),
)

OTHER_ANNOTATIONS: Final = ExportFile(
    "other_annotations.jsonl",
    "The annotations that count nowhere, in the same form: of practice, of checks, and of participants who "
    "were screened out.",
    _fields(
        ("kind", "practice/main/check", "Kind of trial."),
        *((field.name, field.kind, field.meaning) for field in ANNOTATIONS.fields),
    ),
)

QUIZ: Final = ExportFile(
    "quiz.csv",
    "One row per attempt at the comprehension quiz, ordered by participant (time of consent).",
    _fields(
        PARTICIPANT,
        SIMULATED,
        PILOT,
        ("number", "integer", "Which attempt of this participant."),
        ("passed", "true/false", "Whether everything was right."),
        ("wrong", "list of texts", "Ids of the questions answered wrongly, between spaces."),
        ("answers", "JSON", "Question id (q1 is the first in study.json) to the option, counted from 1."),
        ("attempted_at", "time", "When."),
    ),
)

ANSWERS: Final = ExportFile(
    "answers.csv",
    "One row per closing question that somebody answered, ordered by participant (time of consent).",
    _fields(
        PARTICIPANT,
        SIMULATED,
        PILOT,
        ("question_id", "text", "The question, as in study.json."),
        ("answer", "text", "What was chosen or written; read free texts before you publish them."),
        ("answered_at", "time", "When."),
    ),
)

DEVICES: Final = ExportFile(
    "devices.csv",
    "One row per participant whose browser reported the device check, the last report of each.",
    _fields(
        PARTICIPANT,
        SIMULATED,
        PILOT,
        ("window_width", "number (CSS px) or empty", "Width of the window."),
        ("window_height", "number (CSS px) or empty", "Height of the window."),
        ("pixel_ratio", "number or empty", "Device pixels per CSS pixel."),
        ("pointer", "none/coarse/fine", "The most exact pointer there is; a mouse and a pen are fine."),
        ("touch", "true/false", "Whether there is a touch screen."),
        ("images_load", "true/false", "Whether pictures load."),
        ("passed", "true/false", "Whether the device has what the study asks for."),
    ),
)

REGION_CHECKS: Final = ExportFile(
    "region_checks.csv",
    "One row per place that participants are asked to paint.",
    _fields(
        ("region_check_id", "integer", "The region check."),
        ("image_id", "integer", "The image, a row of images.csv."),
        ("prompt", "text", "What participants read."),
        ("region", "JSON", "Corners [x, y] of the polygon, image pixels."),
        ("min_iou", "number (0…1)", "Intersection over union from which on it is passed."),
    ),
)

ADVICE: Final = ExportFile(
    "advice.csv",
    "One row per image that the study's model says something of.",
    _fields(
        ("image_id", "integer", "The image, a row of images.csv."),
        ("score", "number (0…1)", "Probability that the image is fake, as the model has it."),
        ("has_map", "true/false", "Whether there is a heat map of it."),
    ),
)

MAPS: Final = ExportFile(
    "maps.csv",
    "One row per saliency map of the newest map set; the map itself is `maps/<image_id>.png`, 16-bit "
    "greyscale, 65535 = 1.0. Absent when no map set is built.",
    _fields(
        ("image_id", "integer", "The image, a row of images.csv."),
        ("width", "integer (px)", "Width of the map, that of the image."),
        ("height", "integer (px)", "Height of the map, that of the image."),
        ("annotators", "integer", "Annotations merged into it."),
        ("coverage", "number (0…1)", "Fraction of the image that somebody painted."),
        ("entropy", "number (nats)", "Entropy of the map as a distribution over its pixels; low = focused."),
        ("agreement", "number (-1…1) or empty", "How far the annotators agree; empty with a single one."),
    ),
)

FILES: Final = (
    STUDY,
    PARTICIPANTS,
    PAIRS,
    IMAGES,
    REGION_CHECKS,
    ADVICE,
    DECISIONS,
    EVENTS,
    FLAGS,
    QUIZ,
    ANSWERS,
    DEVICES,
    ANNOTATIONS,
    OTHER_ANNOTATIONS,
    MAPS,
)

DATASET: Final = ExportFile(
    "dataset.json",
    "Of a frozen dataset: what it is and what it came from. One object.",
    _fields(
        ("format", "integer", "Version of this layout."),
        ("id", "SHA-256", "Of everything below and of every file: the same content has the same id."),
        ("study", "text", "The study it comes from."),
        ("map_set", "text", "Version of its map set, and the hash of the annotations in that."),
        (
            "parameters",
            "object",
            (
                "crop, size, val, test, seed as given to `cyborg dataset freeze`; sources, where only some "
                "sources were held out; maps: the map set's own parameters; annotations: how many are in the "
                "maps, and simulated_annotations: how many of those a program painted."
            ),
        ),
        ("counts", "object", "Images, real, fake and with_map for each split."),
        ("files", "object", "SHA-256 of every other file."),
    ),
)

SAMPLES: Final = ExportFile(
    "samples.csv",
    "Of a frozen dataset: one row per image, ordered by image id as text. A split that an image has been "
    "given is kept, and the rest of the image's group follows it. If no image has the split `val` (or "
    "`test`), that split takes its fraction of the remaining groups, evenly over labels and sources. All "
    "else is `train`; no group is ever in two splits.",
    _fields(
        ("image_id", "integer", "The image; datasets made elsewhere may have any text."),
        ("path", "text", "Its file, 8-bit PNG, relative to the dataset folder."),
        LABEL,
        ("source", "text", "Camera set or generator."),
        ("split", "train/extra/val/test", "What it is used for; `extra` is left to recipes that ask for it."),
        (
            "map",
            "text or empty",
            "Its saliency map, 16-bit PNG through the same crop; empty: nobody painted.",
        ),
        ("annotators", "integer", "Annotations merged into that map."),
    ),
)

SHOWN_PAIRS: Final = ExportFile(
    "pairs.csv of a dataset",
    "Of a frozen dataset: one row per main pair of the study, ordered by both ids as text. Judgements are "
    "the decisions that count, over all arms and questions. Datasets of earlier versions, and those made "
    "elsewhere, have none.",
    _fields(
        ("real", "integer", "The real image, a row of samples.csv; datasets made elsewhere: any text."),
        ("fake", "integer", "The fake image, likewise."),
        ("judgements", "integer", "Judgements of the pair; 0: nobody has judged it."),
        ("correct", "integer", "Those that told both images rightly."),
    ),
)

IMAGE_JUDGEMENTS: Final = ExportFile(
    "judgements.csv",
    "Of a frozen dataset: one row per image of which a pair was judged, ordered by image id as text. A "
    "judgement of a pair is one of both of its images. Datasets of earlier versions, and those made "
    "elsewhere, have none.",
    _fields(
        ("image_id", "integer", "The image, a row of samples.csv; datasets made elsewhere: any text."),
        ("judgements", "integer", "Judgements of pairs with it, 1 or more."),
        ("correct", "integer", "Those that were right."),
        ("decision_ms", "number (ms)", "The median of their decision times."),
    ),
)

DATASET_FILES: Final = (DATASET, SAMPLES, SHOWN_PAIRS, IMAGE_JUDGEMENTS)

PREAMBLE: Final = """\
Text is UTF-8. Times are ISO 8601 in UTC, durations are milliseconds, sizes are pixels. CSV files are comma
separated with a header; an empty cell means "none". Worker ids of recruiting platforms and login tokens are
in no file: everything refers to a participant's own random id.

Some texts are strangers', and a spreadsheet program takes a text that begins with `=`, `+`, `-`, `@` or a tab
for a formula. Where a text in a CSV file begins so, or goes on so after a semicolon, a tab or a line break,
it has one apostrophe more before that sign. To have the text as it was, remove one apostrophe in those
places, as `saliency.files.spreadsheets.original` does. Numbers and JSON files are unchanged.
"""

OTHER_FILES: Final = (
    ("CITATION.cff", "How to cite the dataset."),
    (
        "plan.json",
        "The plan and the design as the study was opened with them; its SHA-256 is `plan_hash`. If planned.",
    ),
    ("croissant.json", "The files and how they came to be, as Croissant with its RAI fields."),
    ("SHA256SUMS", "The checksum of every other file: `sha256sum --check SHA256SUMS`."),
    (
        "*.parquet",
        "The table of that name with typed columns; JSON is text there. On request.",
    ),
    ("masks/<annotation_id>.png", "The mask of an annotation, 8-bit greyscale, 255 = painted. On request."),
    ("masks.coco.json", "The masks in the format of COCO, as compressed run lengths. On request."),
    ("maps/<image_id>.png", "The map of an image, 16-bit greyscale, 65535 = 1.0."),
    ("maps/<image_id>.npy", "The same map as a NumPy array, (height, width) float32 in [0, 1]. On request."),
    ("images/<image_id>.png", "The image itself. On request."),
    ("advice/<image_id>.png", "The heat map that a model's advice shows on the image. With the images."),
)


def markdown(title: str, files: Iterable[ExportFile] = FILES) -> str:
    """The dictionary of some files as a page."""
    return "\n".join([f"# {title}", "", PREAMBLE, *(_section(file) for file in files), *_others()])


def _others() -> Iterable[str]:
    yield from ("## Other files", "", "| name | what it is |", "|---|---|")
    yield from (f"| `{name}` | {about} |" for name, about in OTHER_FILES)
    yield ""


def _section(file: ExportFile) -> str:
    return "\n".join([f"## {file.name}", "", file.about, "", *_table(file.fields), ""])


def _table(fields: Iterable[ExportField]) -> Iterable[str]:
    yield "| name | kind | meaning |"
    yield "|---|---|---|"
    for field in fields:
        yield f"| `{field.name}` | {field.kind} | {field.meaning} |"


if __name__ == "__main__":
    print(markdown("Data dictionary", FILES + DATASET_FILES), end="")  # noqa: T201 - for `make docs`
