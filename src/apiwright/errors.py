"""What can go wrong in the tools. The kit answers with problems instead (kit.problems)."""


class ApiwrightError(Exception):
    """What happened, and what to do now. The command line prints both and exits with 2."""

    def __init__(self, happened: str, todo: str) -> None:
        super().__init__(f"{happened} {todo}")
        self.happened = happened
        self.todo = todo
