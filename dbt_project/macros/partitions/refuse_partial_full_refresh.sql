{# Run at the start: a full refresh of one partition would drop all the others. #}
{% macro refuse_partial_full_refresh(keys=['arm', 'iteration']) -%}
    {%- if execute and flags.FULL_REFRESH and partition_predicate(keys) != 'true' -%}
        {{ exceptions.raise_compiler_error(
            "--full-refresh with one partition would drop all others: leave the vars " ~ keys | join(", ") ~ " out"
        ) }}
    {%- endif -%}
{%- endmacro %}
