class Document(DocumentTable, table=True):
    """A file in which its owner can search."""


class DocumentContent(ContentTable, table=True):
    """What a document says."""


class Chunk(ChunkTable, table=True):
    """A passage of a document."""
