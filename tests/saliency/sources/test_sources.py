"""Maps that do not come from strokes."""

import csv
import json

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from saliency import MapParameters, decode_map_png, encode_map_png
from saliency.__main__ import cli
from saliency.sources import (
    FACE_PARTS,
    Ellipse,
    FolderMaps,
    Inverted,
    RandomStrokes,
    RasterMasks,
    Segmentation,
    Shuffled,
    SourceError,
    SourceImage,
    SourceParameters,
    Uniform,
    make_source,
)
from saliency.sources.listing import read_images
from saliency.sources.raster import read_mask
from tests.support.image_writers import png

IMAGES = [SourceImage(f"i{n}", 60 + n, 50, "real" if n < 5 else "fake") for n in range(8)]
IMAGE = IMAGES[0]


def blob(image):
    values = np.zeros((image.height, image.width), np.float32)
    values[10 + int(image.image_id[1:]), 20] = 1
    values = gaussian_filter(values, 4)
    return (values - values.min()) / np.ptp(values)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "maps").mkdir()
    for image in IMAGES:
        (tmp_path / "maps" / f"{image.image_id}.png").write_bytes(encode_map_png(blob(image)))
    return tmp_path


@pytest.fixture
def base(folder):
    return FolderMaps(folder)


def save(path, picture):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), picture)


class TestFolderMaps:
    def test_a_map_is_the_file_of_its_name(self, base):
        np.testing.assert_allclose(base(IMAGE).values, blob(IMAGE), atol=1e-5)

    def test_a_model_s_map_of_another_size_and_range_is_stretched(self, folder, base):
        save(folder / "maps/i0.png", np.tile(np.arange(100, 107, dtype=np.uint8), (7, 1)))
        values = base(IMAGE).values
        assert values.shape == (50, 60)
        assert (values.min(), values.max()) == (0, 1)

    def test_grey_in_three_channels_is_grey(self, folder, base):
        save(folder / "maps/i0.png", np.repeat(np.eye(9, dtype=np.uint8)[..., None], 3, axis=2) * 200)
        assert base(IMAGE).values.max() == 1

    def test_colours_are_refused_by_name(self, folder, base):
        save(folder / "maps/i0.png", np.full((4, 4, 3), (1, 2, 3), np.uint8))
        with pytest.raises(SourceError, match=r"i0\.png is in colours"):
            base(IMAGE)

    def test_no_file_and_a_black_one_are_no_map(self, folder, base):
        save(folder / "maps/i0.png", np.zeros((9, 9), np.uint8))
        assert base(IMAGE) is None
        assert base(SourceImage("nobody", 5, 5)) is None

    def test_a_broken_file_is_named(self, folder, base):
        (folder / "maps/i0.png").write_bytes(b"")
        with pytest.raises(SourceError, match=r"i0\.png is not a readable image"):
            base(IMAGE)


class TestControls:
    def test_an_ellipse_is_in_the_middle_and_as_large_as_it_says(self):
        values = Ellipse()(SourceImage("a", 400, 300)).values
        assert values.mean() == pytest.approx(np.pi / 4 * 0.6 * 0.8, abs=1e-3)
        assert np.array_equal(values, values[::-1, ::-1])
        assert values[150, 79:83].tolist() == [0, 1, 1, 1]
        assert values[28:32, 200].tolist() == [0, 0, 1, 1]

    def test_uniform_is_one_everywhere(self):
        found = Uniform()(IMAGE)
        assert (found.values == 1).all()
        assert (found.values.shape, found.coverage) == ((50, 60), 1)
        assert found.entropy == pytest.approx(np.log(3000))

    def test_inverted_and_map_add_up_to_one(self, base):
        np.testing.assert_allclose(Inverted(base)(IMAGE).values + base(IMAGE).values, 1, atol=1e-6)

    def test_the_inverse_of_everything_is_no_map(self):
        assert Inverted(Uniform())(IMAGE) is None

    def test_shuffling_stays_in_the_group_and_nobody_keeps_a_map(self, base):
        shuffled = Shuffled.of(base, IMAGES, seed=4)
        groups = {image.image_id: image.group for image in IMAGES}
        assert all(groups[one] == donor.group for one, donor in shuffled.donors.items())
        assert all(one != donor.image_id for one, donor in shuffled.donors.items())
        assert sorted(donor.image_id for donor in shuffled.donors.values()) == sorted(groups)

    def test_a_shuffled_map_is_the_donor_s_at_the_size_of_the_image(self, base):
        shuffled = Shuffled.of(base, IMAGES, seed=4)
        found, donor = shuffled(IMAGE), shuffled.donors["i0"]
        assert found.values.shape == (50, 60)
        at, there = (np.unravel_index(v.argmax(), v.shape) for v in (found.values, base(donor).values))
        assert np.abs(np.array(at) - there).max() <= 1

    def test_shuffling_depends_on_the_seed_alone(self, base):
        deal = [Shuffled.of(base, order, seed=4).donors for order in (IMAGES, IMAGES[::-1])]
        assert deal[0] == deal[1] != Shuffled.of(base, IMAGES, seed=5).donors

    def test_an_image_alone_in_its_group_keeps_its_map(self, base):
        assert Shuffled.of(base, IMAGES[:1], seed=1).donors == {"i0": IMAGE}

    def test_random_strokes_have_the_area_of_the_map_at_every_threshold(self, base):
        own, found = base(IMAGE).values, RandomStrokes(base, 1)(IMAGE).values
        np.testing.assert_array_equal(np.sort(own, axis=None), np.sort(found, axis=None))
        assert abs(np.corrcoef(own.ravel(), found.ravel())[0, 1]) < 0.9

    def test_random_strokes_depend_on_seed_and_image_alone(self, base):
        one, two = (RandomStrokes(base, 1)(IMAGE).values for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert (RandomStrokes(base, 2)(IMAGE).values != one).any()

    def test_random_strokes_for_a_map_of_ones_are_ones(self):
        assert (RandomStrokes(Uniform(), 1)(IMAGE).values == 1).all()


class TestSegmentation:
    def test_the_classes_of_the_list_are_salient(self, tmp_path):
        labels = np.zeros((4, 6), np.uint8)
        labels[:, 1:3], labels[:, 3] = FACE_PARTS.index("skin"), FACE_PARTS.index("hair")
        save(tmp_path / "i0.png", labels)
        small = SourceImage("i0", 6, 4)
        np.testing.assert_array_equal(Segmentation(tmp_path)(small).values, labels == 1)
        hair = Segmentation(tmp_path, (17,))(small).values
        np.testing.assert_array_equal(hair, labels == 17)

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_classes_of_few_bits_are_numbers_and_not_shades(self, tmp_path, bits):
        labels = np.tile(np.arange(6) % 2**bits, (4, 1))
        (tmp_path / "i0.png").write_bytes(png(labels, bits=bits))
        found = Segmentation(tmp_path, (1,))(SourceImage("i0", 6, 4))
        np.testing.assert_array_equal(found.values, labels == 1)

    def test_a_segmentation_of_another_size_keeps_hard_edges(self, tmp_path):
        save(tmp_path / "i0.png", np.eye(20, dtype=np.uint8))
        assert set(np.unique(Segmentation(tmp_path)(IMAGE).values)) == {0, 1}

    def test_none_of_the_classes_is_no_map(self, tmp_path):
        save(tmp_path / "i0.png", np.full((4, 4), 17, np.uint8))
        assert Segmentation(tmp_path)(IMAGE) is None

    def test_a_coloured_segmentation_is_refused(self, tmp_path):
        save(tmp_path / "i0.png", np.full((4, 4, 3), 1, np.uint8))
        with pytest.raises(SourceError, match="in colours"):
            Segmentation(tmp_path)(IMAGE)

    def test_there_are_nineteen_parts(self):
        assert len(set(FACE_PARTS)) == 19


DISC = np.hypot(*(np.mgrid[:50, :60] - np.array([20, 30])[:, None, None])) < 9


class TestRasterMasks:
    @pytest.mark.parametrize(
        "picture",
        [
            DISC.astype(np.uint8),
            DISC.astype(np.uint8) * 255,
            DISC.astype(np.uint16) * 65_535,
            np.repeat(DISC[..., None].astype(np.uint8) * 255, 3, axis=2),
            np.dstack([np.zeros_like(DISC, np.uint8), DISC * np.uint8(200), np.zeros_like(DISC, np.uint8)]),
            np.dstack([np.zeros((50, 60, 3), np.uint8), DISC * np.uint8(120)]),
            np.dstack(
                [np.repeat(DISC[..., None], 3, axis=2) * np.uint8(90), np.full((50, 60), 255, np.uint8)]
            ),
        ],
        ids=["0/1", "8 bit", "16 bit", "RGB", "green", "black on transparent", "opaque RGBA"],
    )
    def test_every_way_of_storing_a_mask_reads_the_same(self, tmp_path, picture):
        save(tmp_path / "mask.png", picture)
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), DISC)

    def test_one_bit_pictures_are_read(self, tmp_path):
        cv2.imwrite(str(tmp_path / "mask.png"), DISC.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
        assert (tmp_path / "mask.png").read_bytes()[24] == 1
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), DISC)

    def test_masks_merge_as_masks_from_strokes_do(self, tmp_path):
        masks = [DISC, np.roll(DISC, 5, axis=1), np.zeros_like(DISC)]
        for number, mask in enumerate(masks):
            save(tmp_path / f"i0/{number}.png", mask.astype(np.uint8) * 255)
        found = RasterMasks(tmp_path, MapParameters(sigma_px=3))(IMAGE)
        blurred = gaussian_filter(np.mean(masks[:2], axis=0), 3, mode="reflect", truncate=4)
        np.testing.assert_allclose(found.values, (blurred - blurred.min()) / np.ptp(blurred), atol=1e-5)
        assert found.annotators == 2
        assert found.coverage == np.any(masks, axis=0).mean()

    def test_a_mask_of_another_size_is_brought_to_the_image(self, tmp_path):
        save(tmp_path / "i0/a.png", DISC.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1))
        found = RasterMasks(tmp_path, MapParameters(sigma_px=0))(IMAGE)
        np.testing.assert_array_equal(found.values, DISC)

    def test_fewer_masks_than_wanted_are_no_map(self, tmp_path):
        save(tmp_path / "i0/a.png", DISC.astype(np.uint8))
        assert RasterMasks(tmp_path, MapParameters(min_annotators=2))(IMAGE) is None
        assert RasterMasks(tmp_path, MapParameters())(SourceImage("none", 5, 5)) is None


class TestMakeSource:
    def test_parameters_survive_a_round_trip_through_json(self):
        parameters = SourceParameters("segmentation", 3, (17, 1))
        assert SourceParameters.from_dict(json.loads(json.dumps(parameters.to_dict()))) == parameters

    @pytest.mark.parametrize(
        "wrong",
        [{"kind": "magic"}, {"seed": -1}, {"seed": 1.5}, {"classes": []}, {"classes": [1.5]}, {"x": 1}],
    )
    def test_a_wrong_parameter_is_refused_by_name(self, wrong):
        with pytest.raises(SourceError, match=next(iter(wrong))):
            SourceParameters.from_dict({"kind": "uniform"} | wrong)

    @pytest.mark.parametrize("kind", ["maps", "inverted", "shuffled", "random"])
    def test_sources_made_of_maps_give_each_image_one(self, folder, kind):
        source = make_source(SourceParameters(kind), folder=folder, images=IMAGES)
        assert all(source(image).values.shape == (image.height, image.width) for image in IMAGES)

    def test_a_source_without_its_folder_says_what_it_needs(self, tmp_path):
        with pytest.raises(SourceError, match="segmentation needs a folder of the segmentations"):
            make_source(SourceParameters("segmentation"))
        with pytest.raises(SourceError, match="none is none"):
            make_source(SourceParameters("maps"), folder=tmp_path / "none")

    def test_any_source_can_be_coarsened(self, folder):
        coarse = MapParameters(granularity="box", threshold=0.9)
        values = make_source(SourceParameters("maps"), folder=folder, maps=coarse)(IMAGE).values
        assert set(np.unique(values)) == {0, 1}


def run(*arguments):
    return CliRunner().invoke(cli, ["source", *map(str, arguments)])


@pytest.fixture
def listed(tmp_path):
    rows = "".join(f"{one.image_id},{one.width},{one.height},{one.group}\n" for one in IMAGES)
    (tmp_path / "images.csv").write_text("image_id,width,height,label\n" + rows)
    return tmp_path / "images.csv"


class TestCommand:
    def test_it_writes_what_build_writes(self, folder, listed, tmp_path):
        result = run("shuffled", listed, tmp_path / "out", "--from", folder, "--seed", 7)
        assert result.stdout == f"8 maps for 8 images in {tmp_path / 'out'}\n"
        rows = list(csv.DictReader((tmp_path / "out/maps.csv").read_text().splitlines()))
        assert [row["image_id"] for row in rows] == [image.image_id for image in IMAGES]
        record = json.loads((tmp_path / "out/build.json").read_text())
        assert SourceParameters.from_dict(record["source"]) == SourceParameters("shuffled", 7)
        assert decode_map_png((tmp_path / "out/maps/i3.png").read_bytes()).shape == (50, 63)

    def test_the_same_seed_gives_the_same_bytes(self, folder, listed, tmp_path):
        for out in ("one", "two"):
            run("random", listed, tmp_path / out, "--from", folder)
        one, two = (sorted((tmp_path / out).rglob("*.*")) for out in ("one", "two"))
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]

    def test_its_own_output_is_a_list_of_images_and_a_folder_of_maps(self, listed, tmp_path):
        run("uniform", listed, tmp_path / "one")
        assert run("maps", tmp_path / "one", tmp_path / "two").exit_code == 0
        assert (tmp_path / "two/maps/i0.png").read_bytes() == (tmp_path / "one/maps/i0.png").read_bytes()

    def test_a_dataset_is_shuffled_within_split_and_label(self, tmp_path):
        header = "image_id,path,label,source,split,map,annotators\n"
        (tmp_path / "samples.csv").write_text(header + "a,images/a.png,real,x,val,,0\n")
        save(tmp_path / "images/a.png", np.zeros((5, 7), np.uint8))
        assert read_images(tmp_path) == [SourceImage("a", 7, 5, "val real")]

    def test_classes_go_by_name_or_number(self, listed, tmp_path):
        save(tmp_path / "parts/i0.png", np.full((4, 4), 10, np.uint8))
        out = tmp_path / "out"
        result = run(
            "segmentation", listed, out, "--from", tmp_path / "parts", "--class", "nose", "--class", "17"
        )
        assert result.stdout.startswith("1 maps for 8 images")
        assert json.loads((out / "build.json").read_text())["source"]["classes"] == [10, 17]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("id\n", "the header has no image_id"),
            ("image_id,width,height\n../a,5,5\n", "line 2: image_id must be"),
            ("image_id,width,height\na,5,0\n", "line 2: height must be"),
            ("image_id,width,height\na,5,5\na,5,5\n", "line 3: image a appears twice"),
            ("image_id,width,height\na,5\n", "line 2: 2 cells, but the header has 3"),
            ("\udcff", "line 1: this is not UTF-8 text"),
        ],
    )
    def test_a_bad_list_is_one_sentence_and_nothing_is_written(self, tmp_path, text, message):
        (tmp_path / "images.csv").write_bytes(text.encode(errors="surrogateescape"))
        result = run("uniform", tmp_path / "images.csv", tmp_path / "out")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert message in result.stderr
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("inverted",), "needs a folder of the maps to invert"),
            (("uniform", "--granularity", "area", "--threshold", "2"), "threshold must be"),
            (("uniform", "--seed", "-3"), "seed must be"),
            (("segmentation", "--class", "moustache"), "'moustache' is no class"),
        ],
    )
    def test_a_wrong_parameter_is_one_sentence(self, listed, tmp_path, arguments, message):
        result = run(arguments[0], listed, tmp_path / "out", *arguments[1:])
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert message in result.stderr
