"""One kind of error for whatever a learner can mend: a bad photo, a wrong folder, no connection."""


class CourseError(Exception):
    """An error whose message is one sentence: what is wrong, where, and what to do about it.

    In a notebook the sentence alone is shown, without the traceback (an IPython convention). In a program it is an
    ordinary exception.
    """

    def __init__(self, sentence: str):
        """Whatever names and other errors are in the sentence, it is one line of text that can be shown."""
        super().__init__(" ".join(sentence.encode("utf-8", "replace").decode().splitlines()))

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]
