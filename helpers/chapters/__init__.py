"""What one notebook alone needs, a folder for each: its exercises, its explorer, its experiment, its record.

`chapters/resnet` belongs to notebooks/04_resnet.ipynb, and so on. Chapters import the library, never one another.
"""
