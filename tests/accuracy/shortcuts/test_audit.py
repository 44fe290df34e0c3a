import io

import numpy as np
from PIL import Image

from accuracy.shortcuts.audit import (
    FEWEST,
    MOST,
    TOGETHER,
    AuditedImage,
    ShortcutAudit,
    audit,
    positions_looked_at,
)
from accuracy.shortcuts.features import file_features, pixel_features
from saliency.images.decoder import decode_bytes
from saliency.images.file_facts import FileFacts

RANDOM = np.random.default_rng(0)


def image(number, *, fake, quality=90, tint=0, source=None, group=None):
    """A picture of noise that went through JPEG, as an import meets it."""
    rng = np.random.default_rng(number)
    noise = rng.normal(120 + tint, 40, (48, 48, 3)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=quality)
    facts = FileFacts("JPEG", len(file.getvalue()), 48, 48, quality, "4:2:0")
    features = file_features(facts) | pixel_features(np.asarray(decode_bytes(file.getvalue())))
    return AuditedImage(str(number), fake, source or ("gan" if fake else "camera"), features, group)


def findings(images):
    return {finding.group: finding for finding in audit(images).findings}


class TestAudit:
    def test_quality_that_follows_the_label_is_told(self):
        images = [image(n, fake=n % 2 == 0, quality=(95, 75)[n % 2]) for n in range(60)]
        found = audit(images)
        by_group = {finding.group: finding for finding in found.findings}
        assert by_group["encoding"].estimate.auc >= 0.95
        assert by_group["size"].estimate.auc == 0.5
        assert any("how the files are compressed: AUC 1.000" in line for line in found.warnings)

    def test_one_pipeline_for_all_is_guessing(self):
        images = [image(n, fake=n % 2 == 0) for n in range(80)]
        found = audit(images)
        assert [one.group for one in found.findings if not one.estimate.low <= 0.5 <= one.estimate.high] == []
        assert found.warnings == []

    def test_one_source_that_gives_itself_away_is_named(self):
        real = [image(n, fake=False, source="street") for n in range(60)]
        studio = [image(100 + n, fake=False, source="studio", tint=100) for n in range(20)]
        fake = [image(200 + n, fake=True) for n in range(60)]
        finding = findings([*real, *studio, *fake])["background"]
        assert finding.sources["studio"].auc > 0.99 > finding.sources["street"].auc
        assert finding.warns
        assert "of studio alone 1.000" in finding.sentence

    def test_where_a_label_has_one_source_it_is_not_counted_twice(self):
        images = [image(n, fake=n % 2 == 0) for n in range(40)]
        assert all(finding.sources == {} for finding in audit(images).findings)

    def test_a_group_that_is_not_known_of_every_image_is_left_out_and_named(self):
        images = [image(n, fake=n % 2 == 0) for n in range(40)]
        blind = AuditedImage("x", True, "gan", {"colour": images[0].features["colour"]})
        found = audit([*images, blind])
        assert [one.group for one in found.findings] == ["colour"]
        assert found.unknown == ("encoding", "size", "bytes", "spectrum", "background")

    def test_all_of_it_is_warned_of_only_where_no_group_is(self):
        images = [image(n, fake=n % 2 == 0, quality=(95, 75)[n % 2]) for n in range(60)]
        found = audit(images)
        assert {one.group for one in found.findings if one.warns} > {TOGETHER, "encoding"}
        assert not any("together" in line for line in found.warnings)

    def test_few_images_have_none(self):
        assert audit([image(n, fake=n == 0) for n in range(FEWEST + 1)]) is None

    def test_the_record_is_read_back(self):
        found = audit([image(n, fake=n % 2 == 0, tint=n % 2 * 20) for n in range(40)])
        assert ShortcutAudit.of_record(found.as_record()) == found


class TestSample:
    def test_of_many_images_it_takes_the_same_ones_of_either_label(self):
        keys = [str(number) for number in range(MOST + 500)]
        fake = [number < MOST + 100 for number in range(MOST + 500)]
        chosen = positions_looked_at(keys, fake)
        assert chosen == positions_looked_at(keys, fake) == sorted(chosen)
        assert sum(fake[at] for at in chosen) == MOST
        assert sum(not fake[at] for at in chosen) == 400
