"""What can go wrong in the tools. The kit answers with problems instead (kit.problems)."""


class ApiwrightError(Exception):
    """What happened, and what to do now. The command line prints both."""

    status = 2  # what the command line exits with

    def __init__(self, happened: str, todo: str) -> None:
        super().__init__(f"{happened} {todo}")
        self.happened = happened
        self.todo = todo


class Refused(ApiwrightError):
    """What was asked for is clear, and is not done as things stand: a file has changed since, is
    in conflict, may not be written to."""

    status = 3


class Unproven(ApiwrightError):
    """What was planned does not work, or something else does not work any more with it."""

    status = 4
