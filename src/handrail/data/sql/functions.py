"""The functions that may be called: they compute from what they are given, write nothing, and look at nothing else.

A function that is not here is refused, whatever it does. Not here are, besides those that write: what reads files,
other databases or settings, waits, locks, signals, loads code, runs SQL that it is given as text, or makes text as long
as it is told (`repeat`). Operators add their own functions by name.

(`all`, `array`, `some` and `current_timestamp` of PostgreSQL are no functions, but look like calls: `x = ALL (y)`.)
"""

from __future__ import annotations

from handrail.data.dialect import Dialect
from handrail.data.sql.words import words

_BOTH = words("""
    abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling coalesce concat concat_ws cos cosh count cume_dist
    degrees dense_rank exp first_value floor format lag last_value lead length ln log log10 lower ltrim max min mod
    nth_value ntile nullif octet_length percent_rank pi pow power radians random rank replace round row_number rtrim
    sign sin sinh sqrt string_agg substr substring sum tan tanh trim trunc upper
""")

_POSTGRES = words("""
    all array current_time current_timestamp localtime localtimestamp some
    age any_value array_agg array_append array_cat array_dims array_length array_lower array_ndims array_position
    array_positions array_prepend array_remove array_replace array_to_string array_upper ascii
    bit_and bit_count bit_length bit_or bit_xor bool_and bool_or btrim cardinality cbrt char_length character_length chr
    clock_timestamp convert_from convert_to corr covar_pop covar_samp date_bin date_part date_trunc decode div encode
    every extract gcd gen_random_uuid generate_series generate_subscripts get_byte greatest grouping
    initcap isfinite json_agg json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object json_object_agg
    json_object_keys json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg
    jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first
    jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof
    justify_days justify_hours justify_interval lcm least left like_escape lpad make_date make_interval make_time
    make_timestamp make_timestamptz md5 min_scale mode normalize now num_nonnulls num_nulls
    overlay parse_ident percentile_cont percentile_disc pg_column_size pg_typeof phraseto_tsquery plainto_tsquery
    position quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like regexp_match
    regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reverse right row_to_json rpad scale
    sha224 sha256 sha384 sha512 split_part starts_with statement_timestamp stddev stddev_pop stddev_samp
    string_to_array string_to_table strpos timeofday to_char to_date to_hex to_json to_jsonb to_number
    to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim_array trim_scale ts_headline ts_rank
    ts_rank_cd unnest var_pop var_samp variance version websearch_to_tsquery width_bucket
    lower_inc upper_inc lower_inf upper_inf isempty range_merge range_agg int4range int8range numrange tsrange tstzrange
    daterange date
""")

_SQLITE = words("""
    char date datetime format glob group_concat hex ifnull iif instr json json_array json_array_length json_each
    json_error_position json_extract json_group_array json_group_object json_insert json_object json_patch json_pretty
    json_quote json_remove json_replace json_set json_tree json_type json_valid jsonb jsonb_array jsonb_extract
    jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set
    julianday like likelihood likely printf quote soundex sqlite_version strftime time timediff total typeof unhex
    unicode unixepoch unlikely bm25 highlight snippet median percentile percentile_cont percentile_disc
""")

FUNCTIONS = {
    Dialect.POSTGRES: _BOTH | _POSTGRES,
    Dialect.SQLITE: _BOTH | _SQLITE,
}
"""Names of functions, in lower case."""

ROWS = {
    Dialect.POSTGRES: words("""
        generate_series generate_subscripts json_array_elements json_array_elements_text json_each json_each_text
        json_object_keys json_to_record json_to_recordset jsonb_array_elements jsonb_array_elements_text jsonb_each
        jsonb_each_text jsonb_object_keys jsonb_path_query jsonb_to_record jsonb_to_recordset regexp_matches
        regexp_split_to_table string_to_table unnest
    """),
    Dialect.SQLITE: words("json_each json_tree"),
}
"""Functions that may stand where a table stands."""

ROW_COLUMNS = {
    Dialect.POSTGRES: words("key value ordinality"),
    Dialect.SQLITE: words("key value type atom id parent fullkey path json root"),
}
"""Columns that those functions give."""

WHOLE_ROW = frozenset({"row_to_json", "to_json", "to_jsonb", "json_agg", "jsonb_agg", "count"})
"""Functions that may be given a whole row, `to_json(lead)`: what they give is no more than `SELECT *`."""

PADDED = {"lpad": 1, "rpad": 1}
"""Functions that make text as long as they are told, and which argument tells; it has to be a small number."""

PADDED_MAX = 10_000
"""Characters that one such call may make."""

SERIES_MAX = 1_000_000
"""Values that generate_series may be told to make."""

FORMATS = frozenset({"format", "printf"})
"""Functions whose first argument may ask for any width; it has to be written out, with widths of up to three digits."""

INSTEAD = {
    "nextval": "Leave the column out of the INSERT; the database numbers the row itself.",
    "setval": "Sequences are set by the database's owner.",
    "currval": "Query the row that was written instead.",
    "lastval": "Query the row that was written instead.",
    "pg_sleep": "Waiting is done outside of the database.",
    "set_config": "Settings are chosen by the operator.",
    "current_setting": "Settings are known to the operator.",
    "repeat": "Write the text out, or build it where the rows are used.",
    "zeroblob": "Write the text out, or build it where the rows are used.",
    "randomblob": "Use random().",
    "load_extension": "Extensions are loaded by the operator.",
    "last_insert_rowid": "Query the row that was written instead.",
    "changes": "The plan of a change tells its rows.",
    "total_changes": "The plan of a change tells its rows.",
}
"""What to do instead of calling a function that is often asked for."""
