from accuracy.findings.answers import answer_rates
from tests.support.decision_tables import single_images


class TestAnswerRates:
    def test_what_is_said_of_rates_has_the_share_of_the_answers(self):
        told = {
            name: (meaning, sample) for name, meaning, sample in answer_rates(single_images(30, 40, 10, 60))
        }
        assert set(told) == {"hits", "false_alarms", "fake_choices"}
        assert told["fake_choices"][0].endswith("for “fake”; the answer was that in 40.0 %")
        assert "when the image was fake" in told["hits"][0]
        shares = {name: (sample.correct.sum(), len(sample.correct)) for name, (_, sample) in told.items()}
        assert shares == {"hits": (30, 40), "false_alarms": (10, 60), "fake_choices": (40, 100)}
