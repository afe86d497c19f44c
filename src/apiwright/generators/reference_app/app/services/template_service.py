from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.session import Session
from sqlmodel import select

from app.models import Template
from app.schemas.template import TemplateCreate


async def list_templates(session: Session, page: PageParams) -> Page[Template]:
    return await session.page(select(Template), page)


async def create_template(session: Session, data: TemplateCreate) -> Template:
    catalogue = session.unscoped(reason="catalogue: written for everybody")
    return await catalogue.add(Template(**data.model_dump()))


async def delete_template(session: Session, template_id: int) -> None:
    catalogue = session.unscoped(reason="catalogue: written for everybody")
    template = await catalogue.get_one(Template, template_id)
    await catalogue.delete(template)
