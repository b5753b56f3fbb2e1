"""The plumbing of the course Deep Learning I: what a notebook imports, so that its cells can keep to the idea.

`python -m helpers` shows what this machine has and lacks. Importing the package itself imports nothing else.
"""
