"""`apiwright add agent`: an assistant that acts as the user, in a project of `apiwright new`."""

from collections.abc import Iterator
from pathlib import Path

from apiwright.edit.plan import (
    AddDefinition,
    AddImport,
    AddItem,
    AddStatement,
    Change,
    Plan,
    Variable,
)
from apiwright.generators.parts import MAIN, Part, changes, made

AGENT = "app/agent.py"
PART = Part(
    name="agent",
    folder="agents_app",
    kit="agents",
    bases=("EventTable", "ItemTable", "ThreadTable"),
    install="agents.install(app, agent)",
    router="chat",
    variables=(
        Variable("OPENAI_API_KEY", "sk-…", "Of an endpoint that speaks OpenAI's API."),
        Variable("OPENAI_BASE_URL", "https://api.openai.com/v1", "That endpoint, if not OpenAI's."),
        Variable("AGENT_MODEL", "gpt-5-mini", "The model that answers."),
        Variable("AGENT_API", "responses", "Or chat: what the endpoint speaks."),
    ),
    edited=AGENT,
    extra="agents",
)
_SEARCH = '''\
@function_tool
async def search_documents(context: RunContextWrapper[Asker], question: str) -> str:
    """Find passages in the user's documents."""
    asker = context.context
    async with asker.session() as session:
        found = await asker.state.knowledge.search(session, question, limit=6)
    passages = [f"[{asker.cite(one)}] {one.title}: {one.text}" for one in found]
    return "\\n\\n".join(passages) or "Nothing was found."
'''


def plan(root: Path) -> Plan:
    """Routes, services, models and their migration, a chat page, and tests. The assistant is given
    what there is: the documents to search, the tasks to list and, with approval, to make.

    Raises Refused for a project of another layout.
    """
    return made(
        root,
        PART,
        [*changes(root, PART), *_page(), *_tools(root)],
        "Add an assistant: /api/v1/threads holds conversations and streams answers, and /chat is"
        " a page to talk to it. What it may do is what its user may do.",
    )


def _page() -> Iterator[Change]:
    yield Change(MAIN, AddImport("pathlib", "Path", width=100))
    yield Change(MAIN, AddImport("apiwright.kit", "static", width=100))
    yield Change(MAIN, AddImport("app.agent", "agent", ours=True, width=100))
    serve = 'static.serve(app, "/chat", Path(__file__).parent / "chat_page")'
    yield Change(MAIN, AddStatement(serve, after="agents.install(app, agent)"))


def _tools(root: Path) -> Iterator[Change]:
    if (root / "app/services/document_service.py").exists():
        for name in ("RunContextWrapper", "function_tool"):
            yield Change(AGENT, AddImport("agents", name, width=100))
        yield Change(AGENT, AddDefinition(_SEARCH, after="INSTRUCTIONS"))
        yield Change(AGENT, AddItem("TOOLS", "search_documents", width=100))
    if (root / "app/services/task_service.py").exists():
        yield Change(AGENT, AddImport("apiwright.kit.agents", "tool", width=100))
        yield Change(AGENT, AddImport("app.services", "task_service", ours=True, width=100))
        for item in ("task_service.list_tasks", "task_service.create_task, needs_approval=True"):
            yield Change(AGENT, AddItem("TOOLS", f"tool({item})", width=100))
