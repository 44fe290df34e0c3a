"""The configuration of runs: objectives, optimiser, recipes. Importing this does not import torch."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from saliency.files.text import TextFileError, parse_toml, read_toml
from training.errors import RecipeError

CamClass = Literal["predicted", "true", "difference", "both"]
CamTensor = Literal["pooled", "released"]
CAM_TENSORS: dict[CamTensor, str] = {
    "pooled": "what the classifier pools",
    "released": "what the papers' released code takes",
}
"""Each in words."""
ModelMap = Literal["cam", "attention"]
MODEL_MAPS: dict[ModelMap, str] = {
    "cam": "class activation maps",
    "attention": "attention of the last block, mean over heads and over the patches that look; of no class",
}
"""Each in words."""
Scaling = Literal["auto", "imagenet", "half"]
Resize = Literal["area", "pil_bilinear"]
Pooling = Literal["own", "mean"]


def _part_to_freeze(value: object) -> object:
    """`true` in a recipe means the trunk."""
    return ("trunk" if value else "none") if isinstance(value, bool) else value


Freeze = Annotated[
    str, BeforeValidator(_part_to_freeze), Field(pattern=r"^(none|trunk|norms|last_[1-9][0-9]?)$")
]
MapDistance = Literal["mse", "l1", "kl", "cc", "energy"]
TeacherSource = Literal["teacher", "shuffled_teacher", "human_or_teacher", "human_or_shuffled_teacher"]
"""Maps that a trained network drew: alone, or where nobody painted; shuffled as a control."""
TEACHER_SOURCES: frozenset[str] = frozenset(get_args(TeacherSource))
MapSource = Literal[
    "human",
    "shuffled",
    "inverted",
    "uniform",
    "ellipse",
    "random",
    "segmentation",
    "masks",
    TeacherSource,
]
NEEDS_FOLDER: frozenset[str] = TEACHER_SOURCES | {"segmentation", "masks"}
"""Sources whose files lie outside the dataset folder."""


def _date(value: object) -> object:
    """A year may be a number in TOML, and a day a date."""
    return str(value) if isinstance(value, date) or type(value) is int else value


def _existing(value: str) -> str:
    if re.fullmatch(r"\d{4}(-\d\d){0,2}", value):
        try:
            date.fromisoformat(f"{value}-01-01"[:10])
        except ValueError:
            pass
        else:
            return value
    raise ValueError(f"a release date is a year, a month or a day such as 2019-12, not {value!r}")


ReleaseDate = Annotated[str, BeforeValidator(_date), AfterValidator(_existing)]
TrainSplits = Annotated[tuple[Literal["train", "extra"], ...], Field(min_length=1, max_length=2)]
Batches = Literal["shuffled", "pairs"]
SampleWeighting = Literal["none", "accuracy", "time"]
SampleWeightPriority = Literal["easy", "hard"]
SampleWeightControl = Literal["none", "shuffled"]
Switch = Literal["auto", "on", "off"]
"""`auto` is on where it pays: see `training/engine/device.py`."""

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Rate = Annotated[float, Field(ge=0, le=1)]
Architecture = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
"""A bare name: no path, no address of a hub."""


def plain_name(architecture: str) -> str:
    """The name without a tag of weights: timm calls a network with weights `resnet50.tv_in1k`."""
    return architecture.partition(".")[0]


class FrozenModel(BaseModel):
    """A value read from outside: never changed, and a misspelt field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class AlphaSettings(FrozenModel):
    """How the share of the cross-entropy changes in training; docs/losses.md has the formulas."""

    kind: Literal["linear", "cosine", "viser", "balance"]
    first: Rate | None = None
    """Share in the first epoch, of `linear` and `cosine`."""
    last: Rate | None = None
    """Share in the last epoch, of `linear` and `cosine`."""

    @model_validator(mode="after")
    def _has_its_ends(self) -> "AlphaSettings":
        ends = (self.first, self.last)
        if self.kind in ("linear", "cosine") and None in ends:
            raise ValueError(f"{self.kind} needs `first` and `last`, the shares at both ends of training")
        if self.kind in ("viser", "balance") and ends != (None, None):
            raise ValueError(f"{self.kind} follows the terms of the loss: leave out `first` and `last`")
        return self


class Objective(FrozenModel):
    """A loss function with its settings. One subclass per formula of docs/losses.md."""

    name: str
    cam_class: CamClass = "predicted"
    """The class that the class activation map explains: the predicted or the true one, the `difference` of
    the true and the other, or `both`, the other against the inverted human map."""
    cross_entropy_weight: Weight = 0.5

    @staticmethod
    def preset(name: str) -> "AnyObjective":
        """The objective with the settings of its paper; `RecipeError` for an unknown name."""
        try:
            return OBJECTIVES[name]()
        except KeyError:
            known = ", ".join(OBJECTIVES)
            raise RecipeError(f"There is no objective {name!r}; the known ones are {known}.") from None

    @property
    def needs_maps(self) -> bool:
        """Whether a term with a weight above 0 compares with human maps, or with maps in their place."""
        return False

    @property
    def needs_input_gradient(self) -> bool:
        """Whether a term takes the gradient to the images, and so a second derivative of the network."""
        return False

    @property
    def needs_whole_maps(self) -> bool:
        """Whether human maps are wanted at the size of the images, not of the model's map."""
        return self.needs_input_gradient

    @property
    def title(self) -> str:
        """The name, and every setting that differs from the preset; fit for a file name."""
        changed = self.model_dump(exclude_defaults=True, exclude={"name"})
        return "-".join([self.name, *(f"{key}={_in_title(value)}" for key, value in changed.items())])


def _in_title(value: object) -> str:
    return "_".join(map(str, value.values())) if isinstance(value, dict) else str(value)


class Guided(Objective):
    """An objective with one term that compares with human maps."""

    guided_weight: ClassVar[str] = "map_weight"
    """Name of the field with the weight of that term."""
    alpha: AlphaSettings | None = None
    """A share that changes in training: alpha weighs the cross-entropy, and 1 - alpha the term that compares
    with human maps, in place of the weights of both."""

    @property
    def needs_maps(self) -> bool:
        return bool(getattr(self, self.guided_weight))

    @model_validator(mode="after")
    def _has_one_kind_of_weights(self) -> Self:
        for name in ("cross_entropy_weight", self.guided_weight):
            if self.alpha is not None and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"alpha takes the place of {name}: leave one of them out")
        return self


class CrossEntropy(Objective):
    """Classification alone."""

    name: Literal["cross_entropy"] = "cross_entropy"
    cross_entropy_weight: Weight = 1.0


class Cyborg(Guided):
    """Classification, and the distance of the model's map from the human one."""

    name: Literal["cyborg"] = "cyborg"
    map_weight: Weight = 0.5
    distance: MapDistance = "mse"
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""


class Hseb(Guided):
    """Classification, and the squared gap between the mean entropies of model and human maps."""

    guided_weight: ClassVar[str] = "entropy_weight"
    name: Literal["hseb"] = "hseb"
    entropy_weight: Weight = 0.5
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""


class Fmmmse(Objective):
    """Classification, and the mean entropy of the model's map."""

    name: Literal["fmmmse"] = "fmmmse"
    entropy_weight: Weight = 0.5


class Droid(Objective):
    """Classification, and the mean logarithm of the entropy of the model's map."""

    name: Literal["droid"] = "droid"
    droid_weight: Weight = 0.5
    logarithm: Literal["log1p", "log"] = "log1p"
    """`log` is what the paper prints and has no lower bound; `log1p` is what its code does."""


class CyborgDroid(Guided):
    """Classification, the distance from the human map, and the logarithm of the entropy."""

    name: Literal["cyborg_droid"] = "cyborg_droid"
    map_weight: Weight = 0.5
    droid_weight: Weight = 0.3
    distance: MapDistance = "mse"
    logarithm: Literal["log1p", "log"] = "log1p"
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""


class Attention(Guided):
    """Classification, and the distance of an attention map inside the network from the human one."""

    name: Literal["attention"] = "attention"
    cross_entropy_weight: Weight = 1.0
    map_weight: Weight = 1.0
    """0 trains the attention by classification alone."""
    cam_class: Literal["predicted", "true", "difference"] = "predicted"
    distance: MapDistance = "l1"
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""


class RightReasons(Guided):
    """Classification, and the gradient to the image outside the human map."""

    guided_weight: ClassVar[str] = "gradient_weight"
    name: Literal["right_reasons"] = "right_reasons"
    cross_entropy_weight: Weight = 1.0
    gradient_weight: Weight = 1.0
    cam_class: Literal["predicted", "true", "difference"] = "predicted"
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""

    @property
    def needs_input_gradient(self) -> bool:
        return True


class ToleranceBand(Guided):
    """Classification, and a model's map that is low in the paint or high well away from it."""

    name: Literal["tolerance_band"] = "tolerance_band"
    map_weight: Weight = 0.5
    radius: int = Field(5, ge=0, le=100)
    """Width of the band around the paint that counts as neither, in pixels of the network's image."""
    inside: Rate = 0.5
    """Lowest value of the model's map in the paint that costs nothing."""
    outside: Rate = 0.2
    """Highest value of the model's map beyond the band that costs nothing."""
    cam_class: Literal["predicted", "true", "difference"] = "predicted"
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""

    @property
    def needs_whole_maps(self) -> bool:
        return True


class Harmonizer(Guided):
    """Classification, and the gradient to the image beside the human map, at several sizes."""

    name: Literal["harmonizer"] = "harmonizer"
    cross_entropy_weight: Weight = 1.0
    map_weight: Weight = 1.0
    levels: int = Field(5, ge=1, le=10)
    """Sizes at which the two are compared: that of the image, half of it, a quarter, …"""
    cam_class: Literal["predicted", "true", "difference"] = "true"
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""

    @property
    def needs_input_gradient(self) -> bool:
        return True


class BlurOutside(Objective):
    """Classification of training images that are blurred where nobody painted."""

    name: Literal["blur"] = "blur"
    cross_entropy_weight: Weight = 1.0
    sigma: float = Field(8.0, gt=0, le=100)
    """Standard deviation of the Gaussian blur, in pixels of the network's image."""
    keep_rate: Rate = 1.0
    """Fraction of the human maps that is used; the same maps in every epoch."""

    @property
    def needs_maps(self) -> bool:
        return True

    @property
    def needs_whole_maps(self) -> bool:
        return True


AnyObjective = (
    CrossEntropy
    | Cyborg
    | Hseb
    | Fmmmse
    | Droid
    | CyborgDroid
    | Attention
    | RightReasons
    | ToleranceBand
    | Harmonizer
    | BlurOutside
)
OBJECTIVES: dict[str, type[AnyObjective]] = {
    kind.model_fields["name"].default: kind for kind in get_args(AnyObjective)
}


def _from_name(value: object) -> object:
    """`"cyborg"` in a recipe means the preset of that name."""
    if isinstance(value, str):
        return _known(value)()
    if isinstance(value, dict):
        _known(value.get("name"))
    return value


def _known(name: object) -> type[AnyObjective]:
    if not isinstance(name, str) or name not in OBJECTIVES:
        raise ValueError(f"there is no objective {name!r}; the known ones are {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]


ObjectiveField = Annotated[AnyObjective, Field(discriminator="name"), BeforeValidator(_from_name)]


class OptimiserSettings(FrozenModel):
    """Settings of the optimiser, with a learning rate that falls in steps; defaults of CYBORG, WACV 2023."""

    name: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(0.005, gt=0, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of SGD; of Adam, the decay of its first moment. The decay of the second is 0.999."""
    weight_decay: float = Field(1e-6, ge=0)
    trunk_rate: float = Field(1.0, ge=0, le=100)
    """Learning rate of everything but the classifier, as a share of `lr`."""
    step_epochs: int = Field(12, ge=0)
    """Epochs between two falls of the learning rate; 0 keeps it constant."""
    gamma: float = Field(0.1, gt=0, le=1)


class Augmentation(FrozenModel):
    """Augmentation of training images, drawn anew in each epoch; `wang` is that of Wang et al., CVPR 2020."""

    blur: Rate = 0.0
    """Probability of a Gaussian blur."""
    blur_sigma: float = Field(3.0, gt=0, le=20)
    """Its standard deviation in pixels is drawn evenly from 0 to this."""
    jpeg: Rate = 0.0
    """Probability of a JPEG compression."""
    jpeg_quality: tuple[int, int] = (30, 100)
    """Its quality is drawn evenly from this range, both ends included."""
    jpeg_most: int = Field(1, ge=1, le=10)
    """At most so many compressions, one after the other, each of its own quality; drawn evenly."""
    flip: Rate = 0.0
    """Probability of being mirrored left to right, together with the human map."""

    @model_validator(mode="after")
    def _has_a_range(self) -> "Augmentation":
        low, high = self.jpeg_quality
        if not 1 <= low <= high <= 100:
            raise ValueError(f"jpeg_quality must be a range within 1 … 100, not {low} … {high}")
        return self

    @property
    def is_none(self) -> bool:
        """Whether no image is ever changed."""
        return self.blur == self.jpeg == self.flip == 0


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "wang": Augmentation(blur=0.5, jpeg=0.5, flip=0.5),
    "wang_0.1": Augmentation(blur=0.1, jpeg=0.1, flip=0.5),
    "three_jpegs": Augmentation(blur=0.5, jpeg=0.5, jpeg_most=3, flip=0.5),
}


class Pretraining(FrozenModel):
    """A stage before training: the trunk learns to draw the maps of the training images, without labels."""

    method: Literal["mentor"] = "mentor"
    maps: MapSource = "human"
    """Maps that are learned: human ones, or controls."""
    maps_folder: Path | None = None
    """As that of a scenario."""
    keep_rate: Rate = 1.0
    """Fraction of the maps that is used; the same ones as with that `keep_rate` of an objective."""
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(4, ge=2)
    lr: float = Field(1e-4, gt=0, allow_inf_nan=False)
    """Of Adam."""

    @model_validator(mode="after")
    def _has_its_maps(self) -> "Pretraining":
        _check_maps(self.maps, self.maps_folder)
        return self


def _pretraining(value: object) -> object:
    """`"mentor"` in a recipe means the settings of its paper's code."""
    return {"method": value} if isinstance(value, str) else value


PretrainingField = Annotated[Pretraining | None, BeforeValidator(_pretraining)]


def _augmentation(value: object) -> object:
    """`"wang"` in a recipe means the preset of that name."""
    if not isinstance(value, str):
        return value
    if value not in AUGMENTATIONS:
        raise ValueError(f"there is no augmentation {value!r}; the known ones are {', '.join(AUGMENTATIONS)}")
    return AUGMENTATIONS[value]


AugmentationField = Annotated[Augmentation, BeforeValidator(_augmentation)]


PRETRAINED = re.compile(r"timm(:\w+)?")
"""Pretrained weights of an architecture: timm's first choice, or those of a tag."""
PACKAGE = "package"
"""Pretrained weights that a Python package carries: see training/model/packaged_weights.py."""


def is_file(weights: str) -> bool:
    """Whether these weights are a file or folder on this machine."""
    return weights not in {"none", PACKAGE} and PRETRAINED.fullmatch(weights) is None


def _weights(value: str) -> str:
    if value.startswith("timm:") and is_file(value):
        raise ValueError(f'weights "timm:TAG" name a tag of timm such as tv_in1k, not {value[5:]!r}')
    if not value.strip() or not value.isprintable():
        raise ValueError('weights are "timm", "timm:TAG", "package", "none", a file or a run folder')
    return value


Weights = Annotated[str, AfterValidator(_weights)]


class RunSettings(FrozenModel):
    """The settings that all runs of a grid share."""

    optimiser: OptimiserSettings = OptimiserSettings()
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(20, ge=2)
    batches: Batches = "shuffled"
    """Images shuffled one by one, or `pairs`: real and fake images that people were shown together."""
    sample_weights: SampleWeighting = "none"
    """Of the cross-entropy of each image: by the share of people who told its pairs rightly, or by the time
    that they took. See docs/losses.md."""
    sample_weight_priority: SampleWeightPriority = "easy"
    """Which images weigh more: those that people found easy, or those that they found hard."""
    sample_weight_control: SampleWeightControl = "none"
    """`shuffled` deals the weights out to other images of the same label."""
    image_size: int | None = Field(None, ge=32)
    """Side in pixels; nothing = the size that the architecture was made for."""
    limit: int | None = Field(None, ge=2)
    """At most so many images of each split, half of them real: for a trial, not for a result."""
    weights: Weights = "timm"
    """`timm` = pretrained, `timm:TAG` = those of that tag, `package` = pretrained ones that a Python package
    carries, `none` = random, else a file or a run folder."""
    scaling: Scaling = "auto"
    """Of pixels: ImageNet's mean and deviation, or `half`, -1 to 1; `auto` = as the weights were trained."""
    resize: Resize = "area"
    """How images are brought to the size of the network: see docs/training.md."""
    dropout: float | None = Field(None, ge=0, lt=1)
    """Before the classifier; nothing = as the architecture's authors have it."""
    pooling: Pooling = "own"
    """What the classifier sees: what the architecture's authors chose, or the `mean` of the patches."""
    freeze: Freeze = "none"
    """Weights that stay as they begin: `trunk` (or true), all but the classifier; `norms`, all but that and
    the layers of normalisation; `last_2`, all but that and the last two blocks."""
    cam_tensor: CamTensor = "pooled"
    """Tensor that the map is made of: what the classifier pools, or what the papers' released code takes."""
    map: ModelMap = "cam"
    """The model's map: the class activation map, which explains a logit exactly, or the `attention` of the
    last block of a vision transformer, which explains none."""
    score: Literal["sigmoid", "softmax"] = "sigmoid"
    """Headline score: sigmoid of the fake logit (as in the papers) or softmax over both."""
    fast_scoring: bool = False
    """Score at the end without batch normalisation and, on a GPU, in float16: see docs/training.md."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    devices: int = Field(1, ge=1, le=64)
    """Number of devices for one run: as many processes share each batch."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the network in training; losses and test scores are float32. `auto` = bfloat16 on a GPU."""
    channels_last: Switch = "auto"
    compile: Switch = "auto"
    cuda_graphs: Switch = "auto"
    deterministic: bool = True
    """The same seed on the same machine gives the same weights, at some cost in speed on a GPU."""
    cache: Literal["auto", "memory", "disk"] = "auto"
    """Where decoded images are kept while they do not fit on the GPU."""
    workers: int | None = Field(None, ge=1, le=256)
    """Threads that decode images; nothing = one per core."""
    trackers: tuple[Literal["tensorboard", "mlflow"], ...] = ()
    """Programs that get the events beside events.jsonl."""


MapsFolder = Path | None


class RunConfig(RunSettings):
    """The configuration of one run: an architecture, a scenario, a seed, and how to train."""

    architecture: Architecture
    objective: ObjectiveField = CrossEntropy()
    seed: int = Field(0, ge=0)
    scenario: str = ""
    """Name of the objective with these data in tables; empty = the objective's title."""
    train_splits: TrainSplits = ("train",)
    maps: MapSource = "human"
    """Human maps, or the source of maps in their place: see docs/losses.md."""
    maps_folder: MapsFolder = None
    """Of `segmentation` and a teacher: a folder with `<image_id>.png` for each image that has a map; of
    `masks`: with `<image_id>/*.png`, one mask per annotation."""
    augmentation: AugmentationField = Augmentation()
    pretrain: PretrainingField = None
    """`mentor`, or a table of its settings: the trunk first learns to draw maps; nothing = it does not."""
    leave_out: str = ""
    """A generator whose images are in neither training nor validation; the test split keeps them."""
    released: dict[str, ReleaseDate] = {}
    """When each generator was released."""
    train_until: ReleaseDate | None = None
    """Generators released later are in neither training nor validation; the test split keeps them."""

    @model_validator(mode="after")
    def _has_its_maps(self) -> "RunConfig":
        _check_maps(self.maps, self.maps_folder)
        if self.batch_size < 2 * self.devices:
            raise ValueError(f"batch_size {self.batch_size} is too small for {self.devices} devices")
        if self.batches == "pairs" and self.batch_size % 2:
            raise ValueError(f'batches = "pairs" needs an even batch_size, not {self.batch_size}')
        if self.sample_weights == "none" and self.sample_weight_control != "none":
            raise ValueError('sample_weight_control needs sample_weights, "accuracy" or "time"')
        if reason := self._why_no_features():
            raise ValueError(f'freeze = "trunk" computes the features of each image once, {reason}')
        if reason := self._why_no_attention():
            raise ValueError(f'map = "attention" is the attention of the last block {reason}')
        if reason := self._why_no_input_gradient():
            raise ValueError(f"the objective {self.objective.name} takes the gradient to the image {reason}")
        return self

    def _why_no_features(self) -> str:
        """Why the features of a frozen trunk cannot be computed once for all epochs; empty if they can."""
        if not self.has_frozen_trunk:
            return ""
        objective = self.objective
        reasons = {
            "so images can be mirrored, but not blurred or compressed anew in each epoch": (
                not self.augmentation.model_copy(update={"flip": 0}).is_none
            ),
            "so an attention layer inside it cannot be trained": isinstance(objective, Attention),
            "before anything is known of the maps by which blur would change it": (
                isinstance(objective, BlurOutside)
            ),
            f"so {objective.name} has no gradient to the image to work with": objective.needs_input_gradient,
            'which are those that the classifier pools: leave out cam_tensor = "released"': (
                self.cam_tensor != "pooled"
            ),
            'which have no attention: leave out map = "attention"': self.map == "attention",
            "on one device": self.devices > 1,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    def _why_no_attention(self) -> str:
        """Why the attention of the last block cannot be the map; empty if it can or is not asked for."""
        if self.map == "cam":
            return ""
        kind, cam_class = type(self.objective), self.objective.cam_class
        if kind is Attention:
            return "of a network, and the objective attention guides a layer of its own"
        if cam_class != kind.model_fields["cam_class"].default:
            return f'and the same for every class: leave out cam_class = "{cam_class}"'
        if self.cam_tensor != "pooled":
            return 'and no tensor: leave out cam_tensor = "released"'
        return ""

    def _why_no_input_gradient(self) -> str:
        """Why the gradient to the image cannot be differentiated again; empty if it can or need not."""
        if not self.objective.needs_input_gradient:
            return ""
        if self.precision == "float16":
            return "of single pixels, which is too small for float16"
        if "on" in (self.compile, self.cuda_graphs):
            return "and derives it again, which compile and cuda_graphs do not: leave both out"
        return "on one device" if self.devices > 1 else ""

    @property
    def has_frozen_trunk(self) -> bool:
        """Whether only the classifier is trained, on features that are computed once."""
        return self.freeze == "trunk"

    @property
    def needs_maps_of_the_dataset(self) -> bool:
        """Whether the objective compares with the maps of the dataset, or with maps made from those."""
        return self.objective.needs_maps and self.maps not in NEEDS_FOLDER

    @property
    def whole_scenario(self) -> str:
        """`scenario`, or the objective's title: the same whatever is left out."""
        return self.scenario or self.objective.title

    @property
    def scenario_name(self) -> str:
        """The scenario in tables and run names, with what is left out."""
        left_out = f"-without-{_in_file_name(self.leave_out)}" if self.leave_out else ""
        until = f"-until-{self.train_until}" if self.train_until else ""
        return self.whole_scenario + left_out + until

    @property
    def asks_for_images(self) -> bool:
        """Whether it needs generators, pairs or judgements that not every dataset has."""
        return not self.learns_from_all or self.batches != "shuffled" or self.sample_weights != "none"

    @property
    def learns_from_all(self) -> bool:
        """Whether no generator is kept from it."""
        return not self.leave_out and not self.train_until

    @property
    def name(self) -> str:
        """Unique within an experiment, and the name of the run folder."""
        return f"{self.architecture}-{self.scenario_name}-seed{self.seed}"


def _in_file_name(source: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.=-]+", "_", source)


def _check_maps(source: MapSource, folder: Path | None) -> None:
    if source in NEEDS_FOLDER and folder is None:
        raise ValueError(f'maps = "{source}" needs maps_folder, the folder in which they lie')
    if source not in NEEDS_FOLDER and folder is not None:
        raise ValueError(f'maps = "{source}" are made from the dataset and need no maps_folder')


IN_A_SCENARIO = ("batches", "sample_weights", "sample_weight_priority", "sample_weight_control")
"""Settings of `run` that a scenario may have of its own."""


class Scenario(FrozenModel):
    """An objective with the data, maps and augmentation that it is trained with: a row of a table."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.=-]+$")
    objective: ObjectiveField
    train_splits: TrainSplits = ("train",)
    maps: MapSource = "human"
    maps_folder: MapsFolder = None
    augmentation: AugmentationField = Augmentation()
    pretrain: PretrainingField = None
    batches: Batches | None = None
    """This and the next three in place of those of `run`."""
    sample_weights: SampleWeighting | None = None
    sample_weight_priority: SampleWeightPriority | None = None
    sample_weight_control: SampleWeightControl | None = None

    @model_validator(mode="after")
    def _has_its_maps(self) -> "Scenario":
        _check_maps(self.maps, self.maps_folder)
        return self

    @property
    def own_settings(self) -> dict[str, Any]:
        """The settings that it has in place of those of `run`."""
        return {name: value for name in IN_A_SCENARIO if (value := getattr(self, name)) is not None}


class Recipe(FrozenModel):
    """A grid of runs: every architecture with every scenario and every seed, and without each generator."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    description: str = ""
    architectures: tuple[Architecture, ...] = Field(min_length=1)
    objectives: tuple[ObjectiveField, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    """A list of seeds; a bare number n means 0 … n-1."""
    run: RunSettings = RunSettings()
    weights: dict[Architecture, Weights] = {}
    """Of single architectures, in place of those of `run`."""
    leave_out: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Generators: the whole grid is trained once with all, and once more without each of these."""
    released: dict[str, ReleaseDate] = {}
    """When each generator was released, for `train_until`."""
    train_until: tuple[ReleaseDate, ...] = ()
    """Dates: the grid is trained once more for each, on the generators that were released until then."""

    @model_validator(mode="before")
    @classmethod
    def _count_seeds(cls, data: Any) -> Any:
        if isinstance(data, dict) and type(number := data.get("seeds")) is int:
            return {**data, "seeds": tuple(range(number))}
        return data

    @model_validator(mode="after")
    def _has_distinct_scenarios(self) -> "Recipe":
        names = [scenario.name for scenario in self.all_scenarios]
        if not names:
            raise ValueError("a recipe needs objectives or scenarios")
        if twice := _twice(names):
            raise ValueError(f"two scenarios of the grid have the same name, {twice}")
        left_out = [_in_file_name(source) for source in self.leave_out]
        lists = (self.architectures, self.seeds, left_out, self.train_until)
        if twice := next(filter(None, map(_twice, lists)), ""):
            raise ValueError(f"{twice} is in the grid twice")
        if unknown := sorted(self.weights.keys() - set(self.architectures)):
            raise ValueError(f"weights are given for {unknown[0]}, which is none of the architectures")
        return self

    @property
    def all_scenarios(self) -> tuple[Scenario, ...]:
        """The objectives as scenarios that are named by their titles, then the scenarios."""
        of_objectives = (Scenario(name=o.title, objective=o) for o in self.objectives)
        return (*of_objectives, *self.scenarios)

    @property
    def count(self) -> int:
        """Number of runs."""
        cells = len(self.architectures) * len(self.all_scenarios) * len(self.seeds)
        return cells * (1 + len(self.leave_out) + len(self.train_until))

    def weights_of(self, architecture: str) -> str:
        """The initial weights of one architecture."""
        return self.weights.get(architecture, self.run.weights)

    @property
    def first_weights(self) -> list[str]:
        """The initial weights of the architectures in words, each once."""
        return list(dict.fromkeys(_in_words(name, self.weights_of(name)) for name in self.architectures))

    def runs(self) -> list[RunConfig]:
        """The whole grid; seeds vary slowest, so that a grid that is stopped early has every cell once."""
        return list(self._runs())

    def files(self) -> list[str]:
        """Every path on this machine that the recipe names; the web application refuses such recipes."""
        scenarios = self.all_scenarios
        folders = [scenario.maps_folder for scenario in scenarios]
        folders += [scenario.pretrain.maps_folder for scenario in scenarios if scenario.pretrain]
        return [str(folder) for folder in folders if folder] + [
            path for path in (self.run.weights, *self.weights.values()) if is_file(path)
        ]

    def _runs(self) -> Iterator[RunConfig]:
        shared = dict(self.run)
        kept_from_it: list[dict[str, Any]] = [{}, *({"leave_out": source} for source in self.leave_out)]
        kept_from_it += [{"train_until": when, "released": self.released} for when in self.train_until]
        for seed, kept, architecture, scenario in product(
            self.seeds, kept_from_it, self.architectures, self.all_scenarios
        ):
            yield RunConfig(
                **shared | {"weights": self.weights_of(architecture)} | scenario.own_settings,
                architecture=architecture,
                objective=scenario.objective,
                seed=seed,
                scenario=scenario.name,
                train_splits=scenario.train_splits,
                maps=scenario.maps,
                maps_folder=scenario.maps_folder,
                augmentation=scenario.augmentation,
                pretrain=scenario.pretrain,
                **kept,
            )


def _in_words(architecture: str, weights: str) -> str:
    if weights == "none":
        return "random"
    if weights == PACKAGE:
        return f"pretrained {plain_name(architecture)} of a Python package"
    if is_file(weights):
        return weights
    tag = weights.partition(":")[2]
    return f"{plain_name(architecture)}.{tag}" if tag else "pretrained, timm's first choice"


def _twice(values: Sequence[object]) -> str:
    """The first value that occurs more than once; empty if there is none."""
    return next((str(value) for at, value in enumerate(values) if value in values[:at]), "")


class TrainingJob(FrozenModel):
    """One run to do: what `python -m training.worker` reads from its standard input."""

    run: RunConfig
    dataset: Path
    out: Path
    """The run folder; an unfinished run in it is resumed."""

    @property
    def cache(self) -> Path:
        """Folder of decoded images, shared with the other runs of the grid."""
        return self.out.parent / ".cache"


RECIPES = Path(__file__).parent / "recipes"


def load_recipe(source: Path | str) -> Recipe:
    """A recipe from a TOML file, from TOML text, or from the name of one that ships with the package."""
    content, name = _recipe_toml(source)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{name}: {explain(error)}") from None


def _recipe_toml(source: Path | str) -> tuple[dict[str, Any], str]:
    """The content of a recipe, and its name for errors."""
    try:
        if isinstance(source, str) and ("\n" in source or "=" in source):
            return parse_toml(source, name="The recipe"), "The recipe"
        shipped = RECIPES / f"{Path(source).name.removesuffix('.toml')}.toml"
        path = Path(source) if Path(source).is_file() or not shipped.is_file() else shipped
        return read_toml(path), str(path)
    except TextFileError as error:
        raise RecipeError(str(error)) from None


def explain(error: ValidationError) -> str:
    """The first error of pydantic as one sentence that names the field."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field}: {reason}{more}." if field else f"{reason}{more}."
