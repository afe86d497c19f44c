from sqlmodel import Field, SQLModel


class OrderLine(SQLModel, table=True):
    __tablename__ = "order_lines"

    order_id: int = Field(primary_key=True)
    product_id: int = Field(primary_key=True, foreign_key="products.id")
    amount: int = 1
