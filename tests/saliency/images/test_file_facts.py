import numpy as np
import pytest

from saliency.images.file_facts import FileFacts, jpeg_quality, read_file_facts
from saliency.images.unusable import Unusable
from tests.support.pictures import draw


class TestFileFacts:
    @pytest.mark.parametrize("quality", [1, 30, 49, 50, 75, 95, 100])
    def test_the_quality_of_a_jpeg_is_the_one_that_it_was_written_with(self, tmp_path, quality):
        assert read_file_facts(draw(tmp_path / "a.jpg", quality=quality)).quality == quality

    @pytest.mark.parametrize(("subsampling", "chroma"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
    def test_it_tells_how_colours_were_thinned(self, tmp_path, subsampling, chroma):
        path = draw(tmp_path / "a.jpg", subsampling=subsampling)
        assert read_file_facts(path).chroma == chroma

    def test_other_formats_have_neither(self, tmp_path):
        path = draw(tmp_path / "a.png", width=80, height=40)
        facts = read_file_facts(path)
        assert facts == FileFacts("PNG", path.stat().st_size, 80, 40)
        assert FileFacts.of_record(facts.as_record()) == facts

    def test_a_table_of_another_maker_gets_the_nearest_quality(self):
        assert jpeg_quality(np.full(64, 1)) == 100
        assert jpeg_quality(np.full(64, 255)) == 1

    def test_what_is_no_image_is_refused(self, tmp_path):
        (tmp_path / "a.jpg").write_text("no image")
        with pytest.raises(Unusable, match="cannot be read"):
            read_file_facts(tmp_path / "a.jpg")
