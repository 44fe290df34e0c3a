"""What `saliency` offers by name, and what naming it loads."""

import subprocess
import sys

import pytest

import saliency

LIGHT = ("parameters", "files.text", "files.spreadsheets", "files.writing")


class TestPublicNames:
    @pytest.mark.parametrize("name", saliency.__all__)
    def test_each_is_the_one_of_its_module(self, name):
        value = getattr(saliency, name)
        assert value is getattr(sys.modules[saliency._HOMES[name]], name)

    def test_all_of_them_are_listed(self):
        assert sorted(saliency._HOMES) == sorted(saliency.__all__)

    def test_any_other_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="module 'saliency' has no attribute 'nothing'"):
            _ = saliency.nothing  # type: ignore[attr-defined]

    @pytest.mark.parametrize("module", LIGHT)
    def test_a_module_without_pixels_loads_no_opencv(self, module):
        code = f"import sys, saliency.{module}; sys.exit('cv2' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
