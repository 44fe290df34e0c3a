from accuracy.statistics.permutation import PermutationTest, permutation_test
from tests.support.simulated_studies import Recipe, sample_from


class TestPermutation:
    def test_few_participants_are_dealt_out_in_every_way(self):
        sample = sample_from((1, [1, 1, 1]), (1, [1, 1, 0]), (0, [0, 0, 1]), (0, [0, 0, 0]))
        test = permutation_test(sample)
        assert test == PermutationTest(p=2 / 6, permutations=6, exact=True)

    def test_many_are_dealt_out_at_random(self):
        test = permutation_test(Recipe(effect=0.6).draw(5))
        assert not test.exact
        assert 0 < test.p < 1

    def test_nothing_to_tell_apart_has_no_test(self):
        assert permutation_test(sample_from((1, [1, 1]), (1, [1, 1]), (0, [1]), (0, [1]))) is None
        assert permutation_test(sample_from((1, [1, 0]), (0, [1, 0]))) is None
