"""`apiwright add knowledge`: documents, and search in them, in a project of `apiwright new`."""

from pathlib import Path

from apiwright.edit.plan import Plan, Variable
from apiwright.generators.parts import Part, changes, made

PART = Part(
    name="knowledge",
    folder="knowledge_app",
    kit="knowledge",
    bases=("ChunkTable", "ContentTable", "DocumentTable"),
    install="knowledge.install(app)",
    router="documents",
    variables=(
        Variable("QDRANT_URL", "http://localhost:6333", "Qdrant's server: apiwright[qdrant]."),
        Variable("EMBEDDING_MODEL", "text-embedding-3-small", "Finds by meaning, too."),
        Variable("OPENAI_API_KEY", "sk-…", "Of an endpoint that speaks OpenAI's API."),
        Variable("OPENAI_BASE_URL", "https://api.openai.com/v1", "That endpoint, if not OpenAI's."),
    ),
    extra="knowledge",
)


def plan(root: Path) -> Plan:
    """Routes, services, models and their migration, and tests; `root` is the project's folder.

    Raises Refused for a project of another layout.
    """
    return made(
        root,
        PART,
        list(changes(root, PART)),
        "Add documents: /api/v1/documents takes files (text, Markdown, HTML, PDF), and finds"
        " passages in those of whoever asks. A worker reads them: `apiwright worker`.",
    )
