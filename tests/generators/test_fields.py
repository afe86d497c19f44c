"""The field syntax: what is understood, and what is wrong with what is not."""

import pytest

from apiwright.errors import ApiwrightError
from apiwright.generators.fields import FieldSpec, field, parse, plural, singular, snake, spelled


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("title", FieldSpec("title", "str")),
        ("title:str:max=200:unique", FieldSpec("title", "str", max=200, unique=True)),
        (
            "amount:decimal:digits=10.2:ge=0",
            FieldSpec("amount", "decimal", digits=(10, 2), bounds=(("ge", "0"),)),
        ),
        ("amount:decimal:digits=10,2", FieldSpec("amount", "decimal", digits=(10, 2))),
        ("stars:int:min=1:max=5", FieldSpec("stars", "int", bounds=(("ge", "1"), ("le", "5")))),
        ("due:date:optional:index", FieldSpec("due", "date", optional=True, index=True)),
        (
            "status:enum:draft,in-progress:default=draft",
            FieldSpec("status", "enum", values=("draft", "in-progress"), default="draft"),
        ),
        ("labels:list:str:max=3", FieldSpec("labels", "list", item="str", max=3)),
        ("project:ref:Project", FieldSpec("project", "ref", item="Project")),
        (
            "project_id:ref:Project:optional:on-delete=set-null",
            FieldSpec("project", "ref", item="Project", optional=True, on_delete="set-null"),
        ),
        ("tags:refs:Tag", FieldSpec("tags", "refs", item="Tag")),
        ("code:str:pattern=^a:b$", FieldSpec("code", "str", pattern="^a:b$")),
        (
            "home:url:default=https://example.com/:index",
            FieldSpec("home", "url", default="https://example.com/", index=True),
        ),
        ("note:text:readonly:optional", FieldSpec("note", "text", readonly=True, optional=True)),
    ],
)
def test_what_is_said_is_understood_and_can_be_said_again(said: str, expected: FieldSpec) -> None:
    assert field(said) == expected
    assert field(spelled(expected)) == expected


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("title:strng", "no type 'strng'. Did you mean str"),
        ("title:str:maxx=3", "no 'maxx'. Did you mean max"),
        ("title:str:max", "'max' takes a value"),
        ("title:str:max=", "'max' takes a value"),
        ("title:str:unique=yes", "'unique' takes no value"),
        ("title:str:max=many", "not a whole number"),
        ("title:str:max=0", "no room"),
        ("title:str:min=5:max=4", "min is above max"),
        ("title:str:max=4:max=5", "there twice"),
        ("title:str:ge=4", "str has no 'ge'"),
        ("title:bool:unique", "bool has no 'unique'"),
        ("title:str:pattern=[", "the pattern is none"),
        ("title:str:unique:default=a", "only one could have the default"),
        ("n:int:ge=1:le=9:unique", "too few values"),
        ("n:str:max=2:unique", "too few values"),
        ("n:decimal:digits=4.2:unique", "too few values"),
        ("title:str:readonly", "nobody could give it its value"),
        ("title:str:readonly:writeonly:optional", "neither read nor written"),
        ("n:int:gt=1:ge=1", "two bounds"),
        ("n:int:min=1:ge=1", "say the same"),
        ("n:int:ge=2:le=1", "no number is within"),
        ("n:int:gt=1:lt=1", "no number is within"),
        ("n:int:ge=1.5", "is no int"),
        ("n:decimal:digits=2.3", "digits=2.3 is not understood"),
        ("n:decimal:digits=4.2:ge=100", "does not fit into its digits"),
        ("n:int:default=many", "is not an int that fits"),
        ("n:int:le=5:default=6", "is not an int that fits"),
        ("n:decimal:digits=4.2:default=1.234", "is not a decimal that fits"),
        ("n:float:default=nan", "is not a float that fits"),
        ("ok:bool:default=yes", "is not a bool that fits"),
        ("day:date:default=tomorrow", "is not a date that fits"),
        ("title:str:max=2:default=abc", "is not a str that fits"),
        ("kind:enum:a,b:default=c", "is not one of a, b"),
        ("kind:enum:", "cannot be a value of an enum"),
        ("kind:enum:a,a", "the same"),
        ("kind:enum:a-b,a_b", "the same"),
        ("labels:list:thing", "no lists of 'thing'"),
        ("project:ref", "does not say which model"),
        ("project:ref:project", "does not say which model"),
        ("project:ref:Project:on-delete=vanish", "no on-delete=vanish"),
        ("project:ref:Project:on-delete=set-null", "may not be null"),
        ("tags:refs:Tag:optional", "refs has no 'optional'"),
        ("Title:str", "cannot be the name of a field"),
        ("due-date:date", "cannot be the name of a field"),
        (":str", "cannot be the name of a field"),
        ("id:uuid", "has 'id' already"),
        ("owner_id:uuid", "has 'owner_id' already"),
        ("created_at:datetime", "has 'created_at' already"),
        ("class:str", "a word of Python"),
        ("date:date", "the name of a type"),
        ("metadata:json", "means something to SQLModel"),
        ("model_config:json", "means something to SQLModel"),
        ("copy:str", "means something to SQLModel"),
        ("visible:bool", "means something to SQLModel"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(said: str, complaint: str) -> None:
    with pytest.raises(ApiwrightError) as refused:
        field(said)
    assert complaint in str(refused.value)
    assert refused.value.todo
    assert refused.value.status == 2


@pytest.mark.parametrize("name", ["InvoiceItem", "invoice_item", "invoice-item"])
def test_a_name_is_taken_in_every_spelling(name: str) -> None:
    resource = parse(name, ["title:str"])
    assert (resource.model, resource.name, resource.plural) == (
        *("InvoiceItem", "invoice_item", "invoice_items"),
    )


@pytest.mark.parametrize("name", ["", "1st", "Möbel", "a b", "class", "x" * 41, "import"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ApiwrightError):
        parse(name, ["title:str"])


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ([], "no fields"),
        (["tags:refs:Tag"], "no fields"),
        (["a:str", "a:int"], "there twice"),
        (["p:ref:Project", "p_id:uuid"], "there twice"),
        (["a:str", "notes:refs:Note"], "cannot link to itself"),
        (["a:str", "parent:ref:Note"], "the first Note could refer to no other"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields: list[str], complaint: str) -> None:
    with pytest.raises(ApiwrightError, match=complaint):
        parse("Note", fields)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        *(("invoice", "invoices"), ("category", "categories"), ("day", "days"), ("box", "boxes")),
        *(("address", "addresses"), ("invoice_item", "invoice_items"), ("person", "people")),
        *(("news", "news"), ("branch", "branches"), ("sales_person", "sales_people")),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    ("camel", "expected"), [("APIKey", "api_key"), ("Invoice", "invoice"), ("Q3Plan", "q3_plan")]
)
def test_snakes(camel: str, expected: str) -> None:
    assert snake(camel) == expected


@pytest.mark.parametrize(
    ("many", "one"),
    [
        *(("invoices", "invoice"), ("categories", "category"), ("boxes", "box"), ("notes", "note")),
        *(("addresses", "address"), ("invoice_items", "invoice_item"), ("people", "person")),
        *(("news", "news"), ("branches", "branch"), ("status", "status"), ("note", "note")),
        *(("houses", "house"), ("dishes", "dish"), ("access", "access"), ("bus", "bus")),
    ],
)
def test_singulars(many: str, one: str) -> None:
    assert singular(many) == one
