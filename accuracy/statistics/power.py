"""What a study of a given precision can detect."""

from scipy.special import stdtrit

from accuracy.statistics.intervals import t_quantile


def minimum_detectable_effect(se: float, df: float, *, power: float = 0.8) -> float:
    """The smallest true difference that a study with this standard error detects with probability `power`,
    by a two-sided test at 5 %: (t at 0.975 + t at `power`) · se."""
    return float((t_quantile(df) + stdtrit(df, power)) * se)
