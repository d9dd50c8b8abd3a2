{#
  The rows of the partition being built, as a boolean expression on its key columns; `true` when the run names no
  partition (then every completed partition of the lake is built).

  keys: the partition columns, each with a var of the same name.
  relation: alias to qualify them with, where a query joins several relations.
#}
{% macro partition_predicate(keys=['arm', 'iteration'], relation=none) -%}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    {%- set named = [] -%}
    {%- for key in keys if var(key, none) is not none -%}
        {%- do named.append(prefix ~ key ~ " = '" ~ (var(key) | string | replace("'", "''")) ~ "'") -%}
    {%- endfor -%}
    {%- if named and named | length < keys | length -%}
        {{ exceptions.raise_compiler_error("give all of the vars " ~ keys | join(", ") ~ " or none of them") }}
    {%- endif -%}
    {{ named | join(' and ') if named else 'true' }}
{%- endmacro %}
