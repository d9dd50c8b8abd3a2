{# A ratio that is null, not an error, where the denominator is 0 (DuckDB 2.0 raises on division by zero). #}
{% macro safe_divide(numerator, denominator) -%}
    ({{ numerator }})::double / nullif({{ denominator }}, 0)
{%- endmacro %}
