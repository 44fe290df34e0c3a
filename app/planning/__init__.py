"""The planner: what a study takes in people, hours and money, and which difference between two arms it finds.

Pages, commands and the API all ask `planner.plan`. Nothing that it is asked is kept with the study.
"""
