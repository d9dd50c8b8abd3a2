{# The UTC day of a time. #}
{% macro day_of(ts) -%}
    ({{ ts }} at time zone 'UTC')::date
{%- endmacro %}
