"""The tests of a resource, as the reference app's are written: two users, and every boundary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from apiwright.generators import samples
from apiwright.generators.fields import FieldSpec, Resource, can_be_unique, plural, snake
from apiwright.generators.resource_code import filters, quoted


@dataclass(frozen=True)
class Parent:
    """A model that the resource, or one of its parents, refers to, and how one is made."""

    model: str
    path: str
    body: str
    """Code of what is posted."""

    @property
    def maker(self) -> str:
        return f"make_{snake(self.model)}"


def tests(
    resource: Resource, path: str, parents: Sequence[Parent], nested: Mapping[str, str]
) -> str:
    """`path` is that of the list, prefix included; `nested` those of the lists below parents, by
    the name of the field."""
    makers = {parent.model: parent.maker for parent in parents}
    writing = _Writing(resource, makers, nested)
    parts = [
        f'{writing.many.upper()} = "{path}"\n' + writing.counter(parents),
        *(_maker(parent) for parent in parents),
        writing.required(),
        writing.everything(),
        writing.create(),
        writing.enough(),
        writing.comes_back(),
        writing.updates(),
        writing.clears(),
        writing.deletes(),
        writing.pages(),
        writing.not_found(),
        writing.not_listed(),
        writing.no_owner(),
        writing.unauthorized(),
        writing.missing(),
        writing.refused(),
        writing.taken(),
        writing.unique(),
        writing.narrowed(),
        *(writing.reference(field) for field in resource.columns if field.type == "ref"),
        *(writing.linked(field) for field in resource.links),
    ]
    return "\n\n".join(part for part in parts if part)


def _maker(parent: Parent) -> str:
    return f"""\
def {parent.maker}(client: TestClient) -> str:
    answer = client.post("{parent.path}", json={parent.body})
    assert answer.status_code == 201
    {snake(parent.model)}_id: str = answer.json()["id"]
    return {snake(parent.model)}_id
"""


_IN_USE = {
    "ada", "another", "answer", "answers", "bob", "body", "changed", "client", "create", "created",
    "emptied", "everything", "field", "first", "items", "method", "new", "numbers", "other", "path",
    "query", "required", "second", "seen", "sent", "taken", "url", "value",
}  # fmt: skip
"""Names of variables and functions in the tests."""


class _Writing:
    """Each method is a function of the test file; nothing where it would say nothing."""

    def __init__(
        self, resource: Resource, makers: Mapping[str, str], nested: Mapping[str, str]
    ) -> None:
        self.resource, self.makers, self.nested = resource, makers, nested
        self.one, self.many = resource.name, resource.plural
        self.row = f"{self.one}_row" if self.one in _IN_USE else self.one
        self.list = self.many.upper()
        self.written = [each for each in resource.columns if not each.readonly]
        self.shown = [each for each in self.written if not each.writeonly]
        self.hidden = {each.column for each in resource.columns if each.writeonly}
        self.apart = list(_apart(resource))

    def value(self, field: FieldSpec, client: str = "client") -> str:
        if field.type == "ref":
            return self.made(field, client)
        return samples.fresh(replace(field, unique=field.unique or field in self.apart))

    def made(self, field: FieldSpec, client: str) -> str:
        """Code that makes what the field refers to, and gives its id."""
        if field.item == self.resource.model:
            return f'create({client})["id"]'
        return f"{self.makers[field.item]}({client})"

    def url(self) -> str:
        return f"f\"{{{self.list}}}/{{{self.row}['id']}}\""

    def new(self) -> tuple[str, str] | None:
        """A field that may be changed, and to what."""
        for field in self.shown:
            if field.type == "ref":
                continue
            if field.unique:
                return field.column, samples.fresh(field)
            if samples.sample(field, other=True) != samples.sample(field):
                return field.column, samples.sample(field, other=True)
        return None

    def counter(self, parents: Sequence[Parent]) -> str:
        code = [self.value(each) for each in self.written] + [each.body for each in parents]
        return "numbers = itertools.count(1)\n" * (samples.COUNTED in " ".join(code))

    def required(self) -> str:
        needed = [each for each in self.written if each.is_required]
        body = ", ".join(f'"{each.column}": {self.value(each)}' for each in needed)
        return f"""\
def required(client: TestClient) -> dict[str, Any]:
    return {{{body}}}
"""

    def everything(self) -> str:
        body = "".join(f'        "{each.column}": {self.value(each)},\n' for each in self.written)
        return f"""\
def everything(client: TestClient) -> dict[str, Any]:
    return {{
{body}\
    }}
"""

    def create(self) -> str:
        return f"""\
def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post({self.list}, json=required(client) | fields)
    assert answer.status_code == 201
    {self.row}: dict[str, Any] = answer.json()
    return {self.row}
"""

    def enough(self) -> str:
        said = ""
        for field in self.resource.columns:
            if field.writeonly or field.is_required or field.filled:
                continue
            if field.default is None:
                said += f'    assert {self.row}["{field.column}"] is None\n'
            elif field.type == "bool":
                said += f'    assert {self.row}["{field.column}"] is {field.default.capitalize()}\n'
            elif field.type in ("str", "text", "enum"):
                value = quoted(field.default)
                said += f'    assert {self.row}["{field.column}"] == {value}\n'
        return f"""\
def test_what_is_required_is_enough(ada: TestClient) -> None:
    {self.row} = create(ada)
{said}\
    assert ada.get({self.url()}).json() == {self.row}
"""

    def comes_back(self) -> str:
        hidden = [each.column for each in self.written if each.writeonly]
        lines = "".join(
            f'    assert "{name}" not in {self.row}\n    del sent["{name}"]\n' for name in hidden
        )
        lines += "".join(
            f'    assert "{each.column}" not in {self.row}\n'
            for each in self.resource.columns
            if each.is_hidden
        )
        return f"""\
def test_what_was_sent_comes_back(ada: TestClient) -> None:
    sent = everything(ada)
    {self.row} = create(ada, **sent)
{lines}\
    assert {self.row} == {self.row} | sent
"""

    def updates(self) -> str:
        new = self.new()
        if new is None:
            return ""
        filled = [each.column for each in self.resource.columns if each.filled]
        filled = [each for each in filled if each not in self.hidden]
        filled += ["updated_at"] * self.resource.timestamps
        others = ", ".join(f'"{name}": changed["{name}"]' for name in filled)
        said = f"    assert changed == {self.row} | new" + f" | {{{others}}}" * bool(others) + "\n"
        if self.resource.timestamps:
            said += f'    assert changed["updated_at"] > {self.row}["updated_at"]\n'
        return f"""\
def test_update_changes_what_is_sent_and_nothing_else(ada: TestClient) -> None:
    {self.row} = create(ada)
    new = {{"{new[0]}": {new[1]}}}
    changed = ada.patch({self.url()}, json=new).json()
{said}\
    assert ada.get({self.url()}).json() == changed
"""

    def clears(self) -> str:
        names = [each.column for each in self.shown if each.optional]
        if not names:
            return ""
        return f"""\
@pytest.mark.parametrize("field", {_list(names)})
def test_what_is_optional_can_be_emptied(ada: TestClient, field: str) -> None:
    {self.row} = create(ada, **everything(ada))
    emptied = ada.patch({self.url()}, json={{field: None}}).json()
    assert emptied[field] is None
"""

    def deletes(self) -> str:
        return f"""\
def test_deleted_{self.many}_are_gone(ada: TestClient) -> None:
    {self.row} = create(ada)
    assert ada.delete({self.url()}).status_code == 204
    assert ada.get({self.url()}).status_code == 404
    assert ada.delete({self.url()}).status_code == 404
"""

    def pages(self) -> str:
        return f"""\
def test_pages_follow_each_other_newest_first(ada: TestClient) -> None:
    created = [create(ada)["id"] for _ in range(3)]
    first = ada.get({self.list}, params={{"limit": 2}}).json()
    query = {{"limit": 2, "cursor": first["next_cursor"]}}
    second = ada.get({self.list}, params=query).json()
    seen = [{self.row}["id"] for {self.row} in first["items"] + second["items"]]
    assert seen[:3] == created[::-1]
    assert len(seen) == len(set(seen))
"""

    def not_found(self) -> str:
        new = self.new()
        body = f'{{"{new[0]}": {new[1]}}}' if new else "{}"
        return f"""\
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_{self.one}_is_not_found(
    ada: TestClient, bob: TestClient, method: str
) -> None:
    {self.row} = create(ada)
    body = {body} if method == "PATCH" else None
    assert bob.request(method, {self.url()}, json=body).status_code == 404
    assert ada.get({self.url()}).json() == {self.row}
"""

    def not_listed(self) -> str:
        return f"""\
def test_another_users_{self.many}_are_not_listed(ada: TestClient, bob: TestClient) -> None:
    {self.row}, other = create(ada), create(bob)
    seen = [{self.row}["id"] for {self.row} in bob.get({self.list}).json()["items"]]
    assert other["id"] in seen
    assert {self.row}["id"] not in seen
"""

    def no_owner(self) -> str:
        return f"""\
def test_an_owner_cannot_be_chosen(ada: TestClient, bob: TestClient) -> None:
    bobs = bob.get("/api/v1/auth/me").json()["id"]
    {self.row} = create(ada, owner_id=bobs)
    ada.patch({self.url()}, json={{"owner_id": bobs}})
    assert ada.get({self.url()}).status_code == 200
    assert bob.get({self.url()}).status_code == 404
"""

    def unauthorized(self) -> str:
        return f"""\
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", "/{{id}}"), ("PATCH", "/{{id}}"), ("DELETE", "/{{id}}")],
)
def test_nobody_signed_in_is_unauthorized(
    client: TestClient, ada: TestClient, method: str, path: str
) -> None:
    url = {self.list} + path.format(id=create(ada)["id"])
    answer = client.request(method, url, json={{}} if method in ("POST", "PATCH") else None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
"""

    def missing(self) -> str:
        names = [each.column for each in self.written if each.is_required]
        if not names:
            return ""
        return f"""\
@pytest.mark.parametrize("field", {_list(names)})
def test_what_is_required_must_be_there(ada: TestClient, field: str) -> None:
    body = required(ada)
    del body[field]
    assert ada.post({self.list}, json=body).status_code == 422
"""

    def refused(self) -> str:
        cases = _cases(self.written, samples.misfits)
        if not cases:
            return ""
        return f"""\
@pytest.mark.parametrize(
    ("field", "value"),
    [
{cases}\
    ],
)
def test_what_does_not_fit_is_refused(ada: TestClient, field: str, value: Any) -> None:
    {self.row} = create(ada)
    for answer in (
        ada.post({self.list}, json=required(ada) | {{field: value}}),
        ada.patch({self.url()}, json={{field: value}}),
    ):
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"].startswith(f"body.{{field}}")
"""

    def taken(self) -> str:
        cases = _cases(self.written, samples.edges)
        if not cases:
            return ""
        return f"""\
@pytest.mark.parametrize(
    ("field", "value"),
    [
{cases}\
    ],
)
def test_what_just_fits_is_taken(ada: TestClient, field: str, value: Any) -> None:
    create(ada, **{{field: value}})
"""

    def unique(self) -> str:
        names = [each.column for each in self.written if each.unique]
        if not names:
            return ""
        return f"""\
@pytest.mark.parametrize("field", {_list(names)})
def test_what_is_unique_for_its_owner_is_free_for_others(
    ada: TestClient, bob: TestClient, field: str
) -> None:
    taken = {{field: everything(ada)[field]}}
    create(ada, **taken)
    again = ada.post({self.list}, json=required(ada) | taken)
    assert again.status_code == 409
    assert [error["field"] for error in again.json()["errors"]] == [field]
    create(bob, **taken)
"""

    def narrowed(self) -> str:
        cases = ""
        for field in filters(self.resource):
            if field.type == "ref" or field.readonly:
                continue
            one, other = samples.sample(field), samples.sample(field, other=True)
            if one != other:
                cases += f'        ("{field.column}", {one}, {other}),\n'
        if not cases:
            return ""
        return f"""\
@pytest.mark.parametrize(
    ("field", "value", "another"),
    [
{cases}\
    ],
)
def test_the_list_is_narrowed_by_what_is_asked(
    ada: TestClient, field: str, value: Any, another: Any
) -> None:
    {self.row}, other = create(ada, **{{field: value}}), create(ada, **{{field: another}})
    items = ada.get({self.list}, params={{field: value}}).json()["items"]
    assert {self.row} in items
    assert other not in items
"""

    def reference(self, field: FieldSpec) -> str:
        if field.readonly:
            return ""
        parent = snake(field.item)
        narrowed = ""
        if not field.writeonly:
            narrowed = f"""\
def test_{self.many}_of_a_{field.name}_are_listed(ada: TestClient) -> None:
    {self.row}, other = (create(ada, {field.column}={self.made(field, "ada")}) for _ in range(2))
    query = {{"{field.column}": {self.row}["{field.column}"]}}
    assert ada.get({self.list}, params=query).json()["items"] == [{self.row}]
    assert other["{field.column}"] != {self.row}["{field.column}"]


"""
        if field.name in self.nested:
            url = self.nested[field.name].replace(
                f"{{{parent}_id}}", f"{{{self.row}['{field.column}']}}"
            )
            narrowed += f"""\
def test_{self.many}_are_listed_below_their_{field.name}(
    ada: TestClient, bob: TestClient, client: TestClient
) -> None:
    {self.row}, _ = (create(ada, {field.column}={self.made(field, "ada")}) for _ in range(2))
    url = f"{url}"
    assert ada.get(url).json()["items"] == [{self.row}]
    assert bob.get(url).status_code == 404
    assert client.get(url).status_code == 401


"""
        return f"""\
{narrowed}\
def test_another_users_{parent}_cannot_be_the_{field.name}(
    ada: TestClient, bob: TestClient
) -> None:
    {self.row} = create(bob)
    for {field.column} in ({self.made(field, "ada")}, {samples.missing(field)}):
        new = {{"{field.column}": {field.column}}}
        assert bob.post({self.list}, json=required(bob) | new).status_code == 409
        assert bob.patch({self.url()}, json=new).status_code == 409
"""

    def linked(self, field: FieldSpec) -> str:
        two, many = snake(field.item), plural(snake(field.item))
        path, make = many.replace("_", "-"), self.makers[field.item]
        return f"""\
def {many}_of(client: TestClient, {self.one}_id: str) -> list[str]:
    {many} = client.get(f"{{{self.list}}}/{{{self.one}_id}}/{path}").json()
    return [{two}["id"] for {two} in {many}]


def test_a_{two}_is_added_and_removed(ada: TestClient) -> None:
    {self.one}_id, {two}_id = create(ada)["id"], {make}(ada)
    url = f"{{{self.list}}}/{{{self.one}_id}}/{path}/{{{two}_id}}"
    assert {many}_of(ada, {self.one}_id) == []
    for _ in range(2):
        assert ada.put(url).status_code == 204
    assert {many}_of(ada, {self.one}_id) == [{two}_id]
    assert ada.delete(url).status_code == 204
    assert ada.delete(url).status_code == 404
    assert {many}_of(ada, {self.one}_id) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_two_users_{self.many}_and_{many}_do_not_mix(
    ada: TestClient, bob: TestClient, method: str
) -> None:
    {self.one}_id, {two}_id = create(ada)["id"], {make}(ada)
    bobs_{self.one}_id, bobs_{two}_id = create(bob)["id"], {make}(bob)
    ada.put(f"{{{self.list}}}/{{{self.one}_id}}/{path}/{{{two}_id}}")
    for ids in (
        f"{{{self.one}_id}}/{path}/{{{two}_id}}",
        f"{{{self.one}_id}}/{path}/{{bobs_{two}_id}}",
        f"{{bobs_{self.one}_id}}/{path}/{{{two}_id}}",
    ):
        assert bob.request(method, f"{{{self.list}}}/{{ids}}").status_code == 404
    assert {many}_of(ada, {self.one}_id) == [{two}_id]
    assert bob.get(f"{{{self.list}}}/{{{self.one}_id}}/{path}").status_code == 404
"""


def _apart(resource: Resource) -> Iterator[FieldSpec]:
    """Of columns that are unique together, one that the tests can give another value each time."""
    for names in resource.existing.together if resource.existing else ():
        group = [each for each in resource.columns if each.stored_as in names and not each.readonly]
        if not any(each.unique or each.type == "ref" for each in group):
            yield from [each for each in group if can_be_unique(each)][:1]


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(quoted(name) for name in names)}]"


def _cases(fields: Sequence[FieldSpec], values: object) -> str:
    assert callable(values)
    return "".join(
        f'        ("{field.column}", {value}),\n' for field in fields for value in values(field)
    )
