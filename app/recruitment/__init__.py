"""Who takes part: the participant's page, consent, arms, and the places that a study holds."""
