"""The job: model + dictionaries + corpus → one atlas file. Needs torch.

`pipeline.py` alone knows the order of the stages; the other files are one stage or one tool each.
"""
