import pytest

from app.errors import BadInput
from app.models import Label, Split
from app.stimuli.manifest import FaceBox, read_folder, read_listing, read_manifest
from tests.support.pictures import draw


class TestManifest:
    def test_paths_are_relative_to_the_manifest(self, manifest, tmp_path):
        (item,) = read_manifest(manifest("path,label,source", "a/b.png,real,camera"))
        assert item.path == tmp_path / "a/b.png"
        assert (item.name, item.label, item.source) == ("a/b.png", Label.REAL, "camera")

    def test_the_optional_columns_are_read(self, manifest):
        row = "b.png,fake,gan,val,twins,1,2,30,40.5"
        (item,) = read_manifest(manifest("path,label,source,split,group,x,y,w,h", row))
        assert (item.split, item.group, item.face) == (Split.VAL, "twins", FaceBox(1, 2, 30, 40.5))

    def test_empty_optional_cells_mean_nothing_is_known(self, manifest):
        row = "b.png,fake,gan,,,,,,"
        (item,) = read_manifest(manifest("path,label,source,split,group,x,y,w,h", row))
        assert (item.split, item.group, item.face) == (None, None, None)

    def test_columns_come_in_any_order_and_blank_lines_are_skipped(self, manifest):
        (item,) = read_manifest(manifest("source,path,label", "", "camera,b.png,real", ""))
        assert (item.name, item.source) == ("b.png", "camera")

    def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_header(self, manifest):
        assert len(read_manifest(manifest("\ufeffpath,label,source", "b.png,real,camera"))) == 1

    @pytest.mark.parametrize("separator", [";", "\t", "|"])
    def test_other_separators_are_read(self, manifest, separator):
        lines = ["path,label,source,x,y,w,h", '"b.png",real,camera,1.5,2,30,40']
        (item,) = read_manifest(manifest(*(line.replace(",", separator) for line in lines)))
        assert (item.name, item.source, item.face) == ("b.png", "camera", FaceBox(1.5, 2, 30, 40))

    def test_beside_semicolons_numbers_may_have_decimal_commas(self, manifest):
        (item,) = read_manifest(manifest("path;label;source;x;y;w;h", "b.png;real;camera;1,5;2;30;40,25"))
        assert item.face == FaceBox(1.5, 2, 30, 40.25)

    def test_a_spreadsheets_utf_16_is_read(self, manifest):
        path = manifest("path\tlabel\tsource", "Zo\u00eb.png\treal\tcamera")
        path.write_bytes(path.read_text("utf-8").encode("utf-16"))
        assert read_manifest(path)[0].name == "Zo\u00eb.png"

    def test_empty_columns_at_the_end_are_none(self, manifest):
        lines = ["path,label,source,,", "b.png,real,camera,,", "c.png,fake,gan,", "d.png,fake,gan,,,,"]
        assert [item.name for item in read_manifest(manifest(*lines))] == ["b.png", "c.png", "d.png"]

    def test_capitals_and_spaces_around_words_do_not_matter(self, manifest):
        (item,) = read_manifest(manifest('"Path", LABEL ,Source,Split', " b.png ,Real,camera , Test"))
        assert (item.name, item.label, item.source, item.split) == ("b.png", Label.REAL, "camera", Split.TEST)

    def test_a_line_separator_inside_a_cell_is_a_character(self, manifest):
        (item,) = read_manifest(manifest("path,label,source", "b.png,real,cam\u2028era\x85"))
        assert item.source == "cam\u2028era"

    @pytest.mark.parametrize(
        ("there", "listed"),
        [
            ("a/b.png", "a\\b.png"),
            ("sub dir/a b.png", "sub dir\\a b.png"),
            ("Zo\u00eb.png", "Zoe\u0308.png"),
            ("Zoe\u0308/E\u0301.png", "Zo\u00eb\\\u00c9.PNG"),
            ("UPPER.PNG", "upper.png"),
            ("Faces/A.JPG", "faces/a.jpg"),
            ("a/b.png", "./a/../a/b.png"),
        ],
    )
    def test_a_name_is_found_however_its_system_writes_it(self, manifest, there, listed):
        path = manifest("path,label,source", f"{listed},real,camera")
        draw(path.parent / there)
        (item,) = read_manifest(path)
        assert item.path.samefile(path.parent / there)

    def test_the_name_as_it_is_written_comes_first(self, manifest):
        path = manifest("path,label,source", "a.png,real,camera", "A.PNG,real,camera", "A.png,real,camera")
        draw(path.parent / "a.png", format="PNG"), draw(path.parent / "A.PNG", format="PNG")
        found = [item.path.name for item in read_manifest(path)]
        assert found == ["a.png", "A.PNG", "A.png"]  # which of the two is meant by the last, nobody knows

    def test_an_absolute_name_is_found_too(self, manifest, tmp_path):
        draw(tmp_path / "elsewhere/a.png")
        (item,) = read_manifest(manifest("path,label,source", f"{tmp_path}\\ELSEWHERE\\a.png,real,camera"))
        assert item.path.samefile(tmp_path / "elsewhere/a.png")

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("b.png,real", "2 values where the header has 3 columns"),
            ("b.png,reel,camera", "the label is 'reel'; it must be real or fake"),
            (",real,camera", "the path is empty"),
            ("b.png,fake, ", "the source is empty; a fake needs its generator"),
            ('b.png,real,"camera', "unexpected end of data"),
            ("b.png,real,cam\0era", "NUL"),
        ],
    )
    def test_a_malformed_line_is_named(self, manifest, line, complaint):
        path = manifest("path,label,source", "a.png,real,camera", line)
        with pytest.raises(BadInput, match=complaint) as error:
            read_manifest(path)
        assert str(error.value).startswith(f"{path}, line 3: ")

    def test_every_malformed_line_is_named(self, manifest):
        path = manifest("path,label,source", "a.png,reel,camera", "b.png,real,camera", "c.png,fake,")
        with pytest.raises(BadInput) as error:
            read_manifest(path)
        told = [line.removeprefix(f"{path}, ") for line in str(error.value).splitlines()]
        assert [line.partition(":")[0] for line in told] == ["line 2", "line 4"]

    def test_of_many_malformed_lines_the_first_are_named(self, manifest):
        path = manifest("path,label,source", *["a.png,reel,camera"] * 30)
        with pytest.raises(BadInput, match=r"10 further lines are malformed, too\.$") as error:
            read_manifest(path)
        assert len(str(error.value).splitlines()) == 21

    def test_a_real_image_of_no_named_set_has_the_source_real(self, manifest):
        assert read_manifest(manifest("path,label,source", "a.png,real,"))[0].source == "real"

    @pytest.mark.parametrize(
        ("cells", "complaint"),
        [
            ("testing,1,2,3,4", "the split is 'testing'"),
            ("test,1,2,3,", "needs four numbers"),
            ("test,1,2,wide,4", "needs four numbers"),
            ("test,1,2,0,4", "positive width"),
            ("test,1,nan,3,4", "finite"),
        ],
    )
    def test_a_malformed_split_or_face_box_is_named(self, manifest, cells, complaint):
        path = manifest("path,label,source,split,x,y,w,h", f"b.png,real,camera,{cells}")
        with pytest.raises(BadInput, match=f"line 2: .*{complaint}"):
            read_manifest(path)

    @pytest.mark.parametrize(
        ("header", "complaint"),
        [
            ("path,label", "the header lacks source"),
            ("path;label;kind", "not 'path, label, kind' between semicolons"),
            ("path,label,source,splitt", "the column 'splitt' is unknown"),
            ("path,label,source,source", "twice"),
            ("path,label,source,x,y", "all four columns"),
        ],
    )
    def test_a_wrong_header_is_line_one(self, manifest, header, complaint):
        with pytest.raises(BadInput, match=f"line 1: .*{complaint}"):
            read_manifest(manifest(header, "b.png,real,camera"))

    def test_rows_without_a_header_are_refused(self, manifest):
        with pytest.raises(BadInput, match=r"line 2: the header lacks path, .* not 'b.png, real, camera'"):
            read_manifest(manifest("", "b.png,real,camera"))

    def test_a_manifest_without_rows_is_refused(self, manifest):
        with pytest.raises(BadInput, match="lists no image"):
            read_manifest(manifest("path,label,source"))

    def test_a_picture_given_as_a_manifest_is_refused(self, tmp_path):
        with pytest.raises(BadInput, match=r"manifest\.csv, line 1: this is not UTF-8 text"):
            read_manifest(draw(tmp_path / "a.png").rename(tmp_path / "manifest.csv"))

    def test_what_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(BadInput, match="no such manifest or folder"):
            read_listing(tmp_path / "nowhere.csv")


class TestFolder:
    def test_folders_say_label_and_source(self, folder):
        listing = read_folder(
            folder("real/camera/a.png", "real/b.png", "fake/gan/c.png", "fake/gan/deep/d.png")
        )
        assert [(item.name, item.label, item.source) for item in listing.items] == [
            ("fake/gan/c.png", Label.FAKE, "gan"),
            ("fake/gan/deep/d.png", Label.FAKE, "gan"),
            ("real/b.png", Label.REAL, "real"),
            ("real/camera/a.png", Label.REAL, "camera"),
        ]
        assert listing.refused == ()

    @pytest.mark.parametrize(
        ("name", "complaint"),
        [
            ("README.md", "neither in real/ nor in fake/<source>/"),
            ("other/a.png", "neither in real/ nor in fake/<source>/"),
            ("fake/a.png", "needs its generator"),
            ("real/.DS_Store", "hidden file"),
            ("real/._a.png", "macOS metadata"),
            ("real/.cache/a.png", "hidden file"),
        ],
    )
    def test_what_lies_elsewhere_is_refused_by_name(self, folder, name, complaint):
        listing = read_folder(folder("real/a.png", name))
        assert [item.name for item in listing.items] == ["real/a.png"]
        (refusal,) = listing.refused
        assert refusal.name == name
        assert complaint in refusal.reason

    def test_linked_folders_are_followed_and_loops_are_not(self, folder, tmp_path):
        root = folder("real/a.png")
        (tmp_path / "elsewhere/gan").mkdir(parents=True)
        (tmp_path / "elsewhere/gan/b.png").touch()
        (root / "fake").symlink_to(tmp_path / "elsewhere")
        (root / "real/again").symlink_to(root)
        assert [item.name for item in read_folder(root).items] == ["fake/gan/b.png", "real/a.png"]

    def test_a_folder_with_neither_real_nor_fake_is_refused(self, folder):
        with pytest.raises(BadInput, match="holds real/… and fake/<source>/…"):
            read_folder(folder("a.png"))


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.csv"

    def write(*lines: str):
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def folder(tmp_path):
    def make(*names: str):
        for name in names:
            path = tmp_path / "faces" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "faces"

    return make
