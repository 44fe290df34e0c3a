import pytest

from app.models import Label, Split
from app.stimuli.manifest import FaceBox
from app.stimuli.upload_plan import plan_upload

HEADER = "path,label,source"


class TestByManifest:
    def test_it_says_what_each_file_is(self):
        rows = ("path,label,source,split,group,x,y,w,h", "b/a.png,fake,gan,test,twins,1,2,3,4")
        (file,) = planned("b/a.png", manifest=rows).files
        assert file.number == 1
        assert (file.item.name, file.item.label, file.item.source) == ("b/a.png", Label.FAKE, "gan")
        assert (file.item.split, file.item.group, file.item.face) == (
            Split.TEST,
            "twins",
            FaceBox(1, 2, 3, 4),
        )
        assert file.item.where == "manifest.csv, line 2"

    @pytest.mark.parametrize(
        ("chosen", "listed"),
        [
            ("a/b.png", "a\\b.png"),
            ("Zoe\u0308/a.png", "Zo\u00eb/A.PNG"),
            ("a.png", "./x/../a.png"),
            ("Faces/A.JPG", "faces/a.jpg"),
        ],
    )
    def test_a_name_is_found_however_its_system_writes_it(self, chosen, listed):
        (file,) = planned(chosen, manifest=(HEADER, f"{listed},real,camera")).files
        assert file.number == 1

    @pytest.mark.parametrize("listed", ["b.png", "/etc/passwd", "../a.png", "a.png/..", "C:\\a.png"])
    def test_a_file_that_was_not_chosen_is_told_with_its_line(self, listed):
        plan = planned("a.png", manifest=(HEADER, "a.png,real,camera", f"{listed},real,camera"))
        name = listed.replace("\\", "/")
        assert plan.missing == (f"manifest.csv, line 3: {name} is not among the chosen files.",)
        assert [file.number for file in plan.files] == [1]

    def test_a_file_that_it_does_not_name_is_left_out(self):
        plan = planned("a.png", "b.png", manifest=(HEADER, "a.png,real,camera"))
        assert [str(one) for one in plan.left_out] == ["b.png: is left out: manifest.csv does not name it."]

    def test_with_a_fault_nothing_is_imported_and_every_fault_is_told(self):
        plan = planned("a.png", "b.png", manifest=(HEADER, "a.png,reel,x", "b.png,real,x", "c.png,fake,"))
        assert plan.files == ()
        assert [fault.partition(": ")[0] for fault in plan.faults] == [
            "manifest.csv, line 2",
            "manifest.csv, line 4",
        ]

    def test_one_of_two_files_with_the_same_name_is_not_guessed(self):
        plan = planned("a.png", "a.png", manifest=(HEADER, "a.png,real,camera"))
        assert plan.faults == ("manifest.csv, line 2: a.png was chosen 2 times.",)

    def test_it_holds_against_folders_and_the_form(self):
        plan = planned("real/a.png", manifest=(HEADER, "real/a.png,fake,gan"), label=Label.REAL)
        assert [file.item.label for file in plan.files] == [Label.FAKE]


class TestByFolders:
    @pytest.mark.parametrize(
        ("path", "item"),
        [
            ("real/a.png", ("real/a.png", "real", "real")),
            ("real/london/a.png", ("real/london/a.png", "real", "london")),
            ("fake/gan/deep/a.png", ("fake/gan/deep/a.png", "fake", "gan")),
            ("faces/fake/gan/a.png", ("fake/gan/a.png", "fake", "gan")),
        ],
    )
    def test_folders_say_what_a_file_is(self, path, item):
        (file,) = planned(path).files
        assert (file.item.name, file.item.label, file.item.source) == item

    @pytest.mark.parametrize(
        ("path", "label", "source", "wanted"),
        [
            ("fake/a.png", Label.REAL, "gan", ("fake", "gan")),
            ("a.png", Label.FAKE, "gan", ("fake", "gan")),
            ("a.png", Label.REAL, "", ("real", "real")),
            ("real/a.png", None, "camera", ("real", "camera")),
        ],
    )
    def test_the_form_says_what_folders_do_not(self, path, label, source, wanted):
        (file,) = planned(path, label=label, source=source).files
        assert (file.item.label, file.item.source) == wanted

    @pytest.mark.parametrize(
        ("path", "label", "complaint"),
        [
            ("a.png", None, "neither in real/ nor in fake/<source>/: say in the form"),
            ("a.png", Label.FAKE, "needs its generator"),
            ("fake/a.png", None, "needs its generator"),
            ("deep/list.csv", None, "no manifest"),
            ("real/.a.png", None, "hidden"),
        ],
    )
    def test_what_nothing_says_is_left_out_with_the_reason(self, path, label, complaint):
        plan = planned(path, label=label)
        assert plan.files == ()
        assert complaint in plan.left_out[0].reason

    def test_two_tables_at_the_top_are_no_manifest(self):
        plan = planned("a.csv", "b.csv", "real/a.png")
        assert [file.number for file in plan.files] == [2]
        assert [one.name for one in plan.left_out] == ["a.csv", "b.csv"]


def planned(*names, manifest=(), label=None, source=""):
    """A plan in which the manifest, where there is one, comes first."""
    content = "\n".join(manifest).encode()
    chosen = ["manifest.csv", *names] if manifest else list(names)
    return plan_upload(chosen, {0: content}.__getitem__, label=label, source=source)
