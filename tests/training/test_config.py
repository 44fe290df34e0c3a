import pytest
from pydantic import TypeAdapter, ValidationError

from training.config import (
    OBJECTIVES,
    Cyborg,
    Droid,
    Objective,
    ObjectiveField,
    RunConfig,
    TrainingJob,
    load_recipe,
)
from training.errors import RecipeError

MINIMAL = 'name = "r"\narchitectures = ["cyborg_tiny"]\nobjectives = ["cyborg"]\n'


class TestObjective:
    @pytest.mark.parametrize("name", OBJECTIVES)
    def test_a_preset_survives_json(self, name):
        preset = Objective.preset(name)
        assert TypeAdapter(ObjectiveField).validate_json(preset.model_dump_json()) == preset

    def test_an_unknown_one_is_answered_with_the_known_ones(self):
        with pytest.raises(RecipeError, match=r"no objective 'cybrog'.*cross_entropy, cyborg, hseb"):
            Objective.preset("cybrog")

    @pytest.mark.parametrize(
        ("name", "weights"),
        [
            ("cross_entropy", {"cross_entropy_weight": 1.0}),
            ("cyborg", {"cross_entropy_weight": 0.5, "map_weight": 0.5}),
            ("hseb", {"cross_entropy_weight": 0.5, "entropy_weight": 0.5}),
            ("fmmmse", {"cross_entropy_weight": 0.5, "entropy_weight": 0.5}),
            ("droid", {"cross_entropy_weight": 0.5, "droid_weight": 0.5}),
            ("cyborg_droid", {"cross_entropy_weight": 0.5, "map_weight": 0.5, "droid_weight": 0.3}),
            ("tolerance_band", {"cross_entropy_weight": 0.5, "map_weight": 0.5}),
            ("right_reasons", {"cross_entropy_weight": 1.0, "gradient_weight": 1.0}),
            ("harmonizer", {"cross_entropy_weight": 1.0, "map_weight": 1.0}),
            ("blur", {"cross_entropy_weight": 1.0}),
            ("attention", {"cross_entropy_weight": 1.0, "map_weight": 1.0}),
        ],
    )
    def test_presets_have_the_papers_weights(self, name, weights):
        dumped = Objective.preset(name).model_dump()
        assert {key: value for key, value in dumped.items() if key.endswith("weight")} == weights

    def test_the_logarithm_is_that_of_the_code_unless_asked(self):
        assert Droid().logarithm == "log1p"

    def test_a_title_names_what_differs_from_the_preset(self):
        assert Cyborg().title == "cyborg"
        assert Cyborg(map_weight=0.3, distance="kl").title == "cyborg-map_weight=0.3-distance=kl"

    def test_a_misspelt_option_is_refused_not_ignored(self):
        with pytest.raises(ValidationError, match="map_wieght"):
            Cyborg(map_wieght=0.3)  # type: ignore[call-arg]

    def test_it_cannot_be_changed(self):
        with pytest.raises(ValidationError, match="frozen"):
            Cyborg().map_weight = 1  # type: ignore[misc]


class TestRunConfig:
    @pytest.mark.parametrize(
        "name", ["../../etc", "/etc/passwd", "a/b", "hf-hub:timm/resnet18", "", "a b", ".x"]
    )
    def test_an_architecture_is_a_bare_name(self, name):
        with pytest.raises(ValidationError, match="architecture"):
            RunConfig(architecture=name)

    @pytest.mark.parametrize("weights", ["", " ", "a\nb.pth", "a\0.pth"])
    def test_weights_are_something_that_can_be_a_file(self, weights):
        with pytest.raises(ValidationError, match="a file or a run folder"):
            RunConfig(architecture="a", weights=weights)

    @pytest.mark.parametrize("weights", ["timm:", "timm:../x", "timm:a b", "timm:tv_in1k\n"])
    def test_a_tag_of_weights_is_a_bare_word(self, weights):
        with pytest.raises(ValidationError, match="name a tag of timm such as tv_in1k"):
            RunConfig(architecture="a", weights=weights)

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"maps": "teacher"}, "needs maps_folder"),
            ({"maps": "human", "maps_folder": "x"}, "need no maps_folder"),
            ({"devices": 2, "batch_size": 3}, "too small for 2 devices"),
            ({"objective": "right_reasons", "freeze": True}, "has no gradient to the image to work with"),
            ({"objective": "harmonizer", "freeze": True}, "has no gradient to the image to work with"),
            ({"objective": "harmonizer", "cuda_graphs": "on"}, "which compile and cuda_graphs do not"),
            ({"objective": "blur", "freeze": True}, "before anything is known of the maps by which blur"),
            ({"objective": "right_reasons", "compile": "on"}, "which compile and cuda_graphs do not"),
            ({"objective": "right_reasons", "precision": "float16"}, "too small for float16"),
            ({"objective": "right_reasons", "devices": 2}, "takes the gradient to the image on one device"),
            ({"augmentation": "wnag"}, "no augmentation 'wnag'; the known ones are none, wang"),
            ({"augmentation": {"jpeg_quality": (90, 30)}}, "a range within 1 … 100"),
        ],
    )
    def test_what_does_not_go_together_is_one_sentence(self, settings, reason):
        with pytest.raises(ValidationError, match=reason):
            RunConfig(architecture="a", **settings)

    def test_a_name_stands_for_the_preset(self):
        assert RunConfig(architecture="resnet18", objective="cyborg").objective == Cyborg()

    def test_its_name_tells_what_it_is(self):
        config = RunConfig(architecture="resnet18", objective="cyborg", seed=3)
        assert config.name == "resnet18-cyborg-seed3"

    def test_a_job_survives_the_pipe(self):
        job = TrainingJob(run=RunConfig(architecture="resnet18", objective="droid"), dataset="d", out="o")
        assert TrainingJob.model_validate_json(job.model_dump_json()) == job

    def test_it_describes_itself_to_a_form(self):
        assert "CyborgDroid" in RunConfig.model_json_schema()["$defs"]


class TestWeightsOfARecipe:
    def test_an_architecture_may_have_its_own(self):
        recipe = load_recipe(
            MINIMAL.replace("[", '["resnet18", ', 1) + '[weights]\nresnet18 = "timm:tv_in1k"\n'
        )
        assert {run.architecture: run.weights for run in recipe.runs()} == {
            "resnet18": "timm:tv_in1k",
            "cyborg_tiny": "timm",
        }

    def test_those_of_an_architecture_that_is_not_in_the_grid_are_a_mistake(self):
        with pytest.raises(RecipeError, match="weights are given for resnet18, which is none"):
            load_recipe(MINIMAL + '[weights]\nresnet18 = "timm"\n')

    def test_files_are_named_wherever_they_stand(self):
        text = MINIMAL + '[weights]\ncyborg_tiny = "/etc/w.pth"\n[run]\nweights = "timm:tv_in1k"\n'
        assert load_recipe(text).files() == ["/etc/w.pth"]


class TestRecipe:
    @pytest.mark.parametrize(
        ("name", "runs"),
        [
            ("wacv2023", 120),
            ("droid2023", 60),
            ("smoke", 2),
            ("wacv2023_controls", 200),
            ("wang2020", 20),
            ("dang2020", 20),
        ],
    )
    def test_those_that_ship_have_the_size_of_their_grid(self, name, runs):
        grid = load_recipe(name).runs()
        assert len({config.name for config in grid}) == runs == len(grid)

    def test_every_cell_is_met_once_before_the_second_seed(self):
        seeds = [config.seed for config in load_recipe("droid2023").runs()]
        assert seeds == sorted(seeds)

    def test_wacv2023_trains_as_the_paper_did(self):
        run = load_recipe("wacv2023").runs()[0]
        assert (run.epochs, run.batch_size, run.optimiser.lr, run.optimiser.step_epochs) == (
            50,
            20,
            0.005,
            12,
        )

    def test_an_objective_may_be_a_table(self):
        recipe = load_recipe(MINIMAL.replace('"cyborg"', '{name = "cyborg", map_weight = 0.9}'))
        assert recipe.runs()[0].name == "cyborg_tiny-cyborg-map_weight=0.9-seed0"

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (MINIMAL.replace('cyborg"]', 'cybrog"]'), "no objective 'cybrog'; the known ones are"),
            (MINIMAL + "epoch = 3\n", "epoch"),
            (MINIMAL + "[run]\nepochs = 0\n", r"run\.epochs"),
            (MINIMAL + "[run", "not valid TOML"),
            (MINIMAL.replace('["cyborg"]', "[]"), "needs objectives or scenarios"),
            (MINIMAL.replace('["cyborg"]', '["cyborg", "cyborg"]'), "same name"),
        ],
    )
    def test_a_mistake_is_one_sentence(self, text, reason):
        with pytest.raises(RecipeError, match=reason) as caught:
            load_recipe(text)
        assert "\n" not in str(caught.value)

    def test_it_tells_which_files_of_this_machine_it_names(self):
        scenario = (
            '[[scenarios]]\nname = "s"\nobjective = "cyborg"\nmaps = "teacher"\nmaps_folder = "/maps"\n'
        )
        recipe = load_recipe(MINIMAL + scenario + '[run]\nweights = "/w.pth"\n')
        assert recipe.files() == ["/maps", "/w.pth"]
        assert load_recipe(MINIMAL).files() == []

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_a_file_is_read_as_editors_save_it(self, tmp_path, encoding):
        (tmp_path / "r.toml").write_bytes(MINIMAL.encode(encoding))
        assert load_recipe(tmp_path / "r.toml") == load_recipe("\ufeff" + MINIMAL) == load_recipe(MINIMAL)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(RecipeError, match=r"absent\.toml"):
            load_recipe(tmp_path / "absent.toml")


class TestGridsThatCannotBeMeant:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("seeds = [0, -1]", "seeds.1: Input should be greater than or equal to 0"),
            ("seeds = [1, 1]", "1 is in the grid twice"),
            ("seeds = true", "seeds"),
            ("seeds = [true]", "seeds.0: Input should be a valid integer"),
            ("seeds = 0", "seeds"),
        ],
    )
    def test_seeds(self, line, reason):
        with pytest.raises(RecipeError, match=reason):
            load_recipe(f"{MINIMAL}{line}\n")

    def test_an_architecture_that_is_named_twice(self):
        with pytest.raises(RecipeError, match="cyborg_tiny is in the grid twice"):
            load_recipe(MINIMAL.replace('["cyborg_tiny"]', '["cyborg_tiny", "cyborg_tiny"]'))

    def test_a_name_that_is_a_way_up(self):
        with pytest.raises(RecipeError, match="name: String should match"):
            load_recipe(MINIMAL.replace('"r"', '".."'))

    def test_a_scenario_that_learns_from_nothing(self):
        scenario = '[[scenarios]]\nname = "s"\nobjective = "cyborg"\ntrain_splits = []\n'
        with pytest.raises(RecipeError, match=r"train_splits: Tuple should have at least 1 item"):
            load_recipe(MINIMAL + scenario)
