{#
  dbt's own macro, with one addition: `where: __this_partition__` restricts a data test to the run's partition, so that
  another arm's or iteration's rows can't fail it. `__this_simulated_partition__` leaves out the arm that is fed by the
  click log, whose questions are on nobody's list.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where == '__this_partition__' -%}
        {%- set where = partition_predicate() -%}
    {%- endif -%}
    {%- if where == '__this_simulated_partition__' -%}
        {%- set where = partition_predicate() ~ " and arm <> 'production'" -%}
    {%- endif -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where }}) as tested_rows
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
