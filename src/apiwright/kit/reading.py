"""Whether a statement only reads: then its transaction need not be kept, and committed, with the
request's.

A select may write: in a common table expression, by taking locks, and through a function it
calls. Which function does, Postgres alone knows; so a statement only reads when every name in
front of a parenthesis is known to change nothing. One that is not known costs a COMMIT.
"""

import re


def only_reads(text: str) -> bool:
    """`text`: the compiled statement, fragments included."""
    return not _WRITES.search(text) and all(
        name.lower() in _HARMLESS for name in _CALLED.findall(text)
    )


# a comment or quotes could stand between a function's name and its parenthesis
_WRITES = re.compile(
    r'\b(INSERT|UPDATE|DELETE|MERGE|INTO|FOR\s+(KEY\s+)?SHARE)\b|--|/\*|"\s*\(', re.IGNORECASE
)
_CALLED = re.compile(r"([\w.$]+)\s*\(")  # with its schema, which only a project's own has

_WORDS = """
    all and any array as asc between by case cast cube desc distinct else end except exists extract
    filter from group having ilike in intersect is join lateral like limit materialized not offset
    on or over rollup row select sets similar some then to union using values when where with

    bit char character decimal interval numeric time timestamp varbit varchar varying

    array_agg avg bit_and bit_or bool_and bool_or corr count cume_dist dense_rank every first_value
    grouping json_agg json_object_agg jsonb_agg jsonb_object_agg lag last_value lead max min mode
    nth_value ntile percent_rank percentile_cont percentile_disc rank regr_slope row_number stddev
    stddev_pop stddev_samp string_agg sum var_pop var_samp variance

    coalesce current_setting gen_random_uuid generate_series generate_subscripts greatest least
    nullif random uuidv4 uuidv7

    abs cbrt ceil ceiling degrees div exp floor ln log log10 mod pi pow power radians round sign
    sqrt trunc width_bucket acos asin atan atan2 cos cot sin tan

    ascii bit_length btrim char_length character_length chr concat concat_ws convert_from
    convert_to decode encode format initcap left length lower lpad ltrim md5 normalize
    octet_length overlay position quote_ident quote_literal quote_nullable regexp_count
    regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim sha256 split_part
    starts_with string_to_array string_to_table strpos substr substring to_char to_date to_hex
    to_number to_timestamp translate trim upper

    age clock_timestamp date_bin date_part date_trunc isfinite justify_days justify_hours
    justify_interval make_date make_interval make_time make_timestamp make_timestamptz now
    overlaps statement_timestamp timezone transaction_timestamp

    array_append array_cat array_length array_lower array_ndims array_position array_positions
    array_prepend array_remove array_replace array_to_json array_to_string array_upper cardinality
    unnest

    json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_each json_each_text json_extract_path json_extract_path_text
    json_object json_object_keys json_strip_nulls json_to_record json_to_recordset json_typeof
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
    jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match
    jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set
    jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb

    phraseto_tsquery plainto_tsquery setweight to_tsquery to_tsvector ts_headline ts_rank
    ts_rank_cd websearch_to_tsquery

    isempty lower_inc lower_inf upper_inc upper_inf
"""  # of SQL, types, and functions of Postgres itself
_HARMLESS = frozenset(_WORDS.split())
