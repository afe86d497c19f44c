"""What the database holds of the models."""

from apiwright.kit.tables import stored


def test_an_index_across_owners_is_left_as_it_is_written() -> None:
    indexes = [index.columns.keys() for index in stored().tables["chunk"].indexes]
    assert ["changed", "id"] in indexes
    assert ["owner_id", "document_id"] in indexes
