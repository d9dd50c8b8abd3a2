{#
  dbt's own macro, with one addition: `where: __this_partition__` restricts a data test to the run's partition, so that
  another arm's or iteration's rows can't fail it.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where == '__this_partition__' -%}
        {%- set where = partition_predicate() -%}
    {%- endif -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where }}) as tested_rows
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
