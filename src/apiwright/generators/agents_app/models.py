class Thread(ThreadTable, table=True):
    """A conversation with the assistant."""


class ThreadItem(ItemTable, table=True):
    """What was said in a thread."""


class ThreadEvent(EventTable, table=True):
    """What was streamed of a thread's last answer."""
