"""How a study is going, while it goes: counts, forecasts, and alerts."""
